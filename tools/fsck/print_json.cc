// What `cairn fsck --json` says; print.cc has the text.
#include "absl/strings/str_cat.h"
#include "tools/fsck/print.h"
#include "tools/hadoop_text.h"

namespace cairn::tools {
namespace {

using client::BlockReport;
using client::FileReport;
using client::ReplicaReport;
using client::Standing;

const char* JsonStanding(Standing standing) {
  constexpr const char* kNames[] = {"live",           "stale",        "awaited", "decommissioning",
                                    "decommissioned", "maintenance",  "excess",  "corrupt",
                                    "dead",           "being-written"};
  return kNames[static_cast<size_t>(standing)];
}

const char* JsonNeed(client::Need need) {
  constexpr const char* kNames[] = {"none",         "highest", "very-low", "low",
                                    "badly-spread", "missing", "surplus"};
  return kNames[static_cast<size_t>(need)];
}

void WriteRepair(const BlockReport::Repair& repair, JsonWriter& json) {
  json.BeginObject();
  json.Field("known_for_s", absl::ToDoubleSeconds(repair.known));
  json.Field("again_in_s", absl::ToDoubleSeconds(repair.again));
  json.Field("failures", repair.failures);
  json.Field("blocked_by", repair.blocked_by);
  json.EndObject();
}

void WriteReplica(const ReplicaReport& replica, JsonWriter& json) {
  json.BeginObject();
  json.Field("datanode", absl::StrCat(replica.ip, ":", replica.transfer_port));
  json.Field("host", replica.host);
  json.Field("rack", replica.rack);
  json.Field("storage", replica.storage_uuid);
  json.Field("storage_type", StorageTypeName(replica.storage_type));
  json.Field("standing", JsonStanding(replica.standing));
  json.EndObject();
}

void WriteReplicas(const BlockReport& block, JsonWriter& json) {
  json.Key("copies");
  json.BeginArray();
  for (const client::CopyReport& copy : block.copies) {
    json.BeginObject();
    json.Field("source", copy.source);
    json.Field("target", copy.target);
    json.Field("running_s", absl::ToDoubleSeconds(copy.running));
    json.EndObject();
  }
  json.EndArray();
  json.Key("replicas");
  json.BeginArray();
  for (const ReplicaReport& replica : block.replicas) WriteReplica(replica, json);
  json.EndArray();
}

void WriteUnits(const BlockReport& group, JsonWriter& json) {
  json.Field("units_needed", group.units_needed);
  json.Key("units");
  json.BeginArray();
  for (const BlockReport& unit : group.units) WriteBlock(unit, json);
  json.EndArray();
}

// Of replicated files, or of coded ones.
void WriteCounts(const BlockTotals& t, JsonWriter& json) {
  json.Field("files", t.files);
  json.Field("bytes", t.bytes);
  json.Field("blocks", t.blocks);
  json.Field("open_files", t.open_files);
  json.Field("corrupt_files", t.corrupt_files);
  json.Field("missing_blocks", t.missing_blocks);
  json.Field("corrupt_blocks", t.corrupt_blocks);
  json.Field("minimally_replicated_blocks", t.min_replicated);
  json.Field("over_replicated_blocks", t.over);
  json.Field("under_replicated_blocks", t.under);
  json.Field("mis_replicated_blocks", t.mis);
  json.Field("missing_replicas", t.missing_replicas);
  json.Field("blocks_queued_for_repair", t.queued);
}

}  // namespace

void WriteBlock(const BlockReport& block, JsonWriter& json) {
  json.BeginObject();
  json.Field("block", absl::StrCat("blk_", static_cast<int64_t>(block.id)));
  json.Field("generation_stamp", block.stamp);
  json.Field("length", block.length);
  json.Field("wanted", block.wanted);
  json.Field("under_construction", block.under_construction);
  json.Field("need", JsonNeed(block.need));
  if (block.is_unit()) json.Field("unit", block.unit_number());
  if (block.repair.has_value()) {
    json.Key("repair");
    WriteRepair(*block.repair, json);
  }
  block.is_group() ? WriteUnits(block, json) : WriteReplicas(block, json);
  json.EndObject();
}

void WriteFsckFile(const FileReport& file, const FileVerdict& verdict, JsonWriter& json) {
  json.BeginObject();
  json.Field("path", file.path);
  json.Field("length", file.length);
  if (file.erasure_policy.empty()) {
    json.Field("replication", file.replication);
  } else {
    json.Field("erasure_policy", file.erasure_policy);
  }
  json.Field("open", file.open);
  json.Field("missing_blocks", verdict.missing);
  json.Field("corrupt_blocks", verdict.corrupt);
  json.Field("under_replicated_blocks", verdict.under_replicated);
  json.Field("mis_replicated_blocks", verdict.mis_replicated);
  json.Key("blocks");
  json.BeginArray();
  for (const BlockReport& block : file.blocks) WriteBlock(block, json);
  json.EndArray();
  if (!verdict.findings.empty()) {
    json.Key("verification");
    json.BeginArray();
    for (size_t i = 0; i < verdict.findings.size(); ++i) {
      WriteFinding(file.blocks[i], verdict.findings[i], json);
    }
    json.EndArray();
  }
  json.EndObject();
}

void WriteFsckTotals(const FsckTotals& t, const FsckCluster& cluster, JsonWriter& json) {
  json.BeginObject();
  json.Field("datanodes", cluster.live_nodes);
  json.Field("racks", cluster.racks);
  json.Field("dirs", t.dirs);
  json.Field("symlinks", t.symlinks);
  WriteCounts(t.replicated, json);
  json.Key("block_groups");
  json.BeginObject();
  WriteCounts(t.coded, json);
  json.EndObject();
  if (t.verification.asked) {
    json.Key("verification");
    WriteVerificationTotals(t.verification, json);
  }
  json.EndObject();
}

}  // namespace cairn::tools
