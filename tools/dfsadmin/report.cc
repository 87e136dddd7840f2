#include "tools/dfsadmin/report.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/fs_error.h"
#include "common/status_macros.h"
#include "tools/dfs/format.h"
#include "tools/dfs/shell.h"
#include "tools/dfsadmin/commands.h"
#include "tools/hadoop_text.h"
#include "tools/json.h"

namespace cairn::tools {
namespace {

using client::BlockStats;
using client::DatanodeAdminState;
using client::DatanodeKind;
using client::DatanodeReport;

std::string Bytes(uint64_t bytes) {
  return absl::StrCat(bytes, " (", HumanSize(bytes, "B", 2), ")");
}

std::string Percent(uint64_t part, uint64_t whole, double of_nothing) {
  const double share =
      whole == 0 ? of_nothing : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
  return absl::StrFormat("%.2f%%", share);
}

const char* StateText(DatanodeAdminState state) {
  switch (state) {
    case DatanodeAdminState::kNormal:
      return "Normal";
    case DatanodeAdminState::kDecommissioning:
      return "Decommission in progress";
    case DatanodeAdminState::kDecommissioned:
      return "Decommissioned";
    case DatanodeAdminState::kEnteringMaintenance:
      return "Entering maintenance";
    case DatanodeAdminState::kInMaintenance:
      return "In maintenance";
  }
  return "Normal";
}

bool IsLeaving(const DatanodeReport& node) {
  return node.admin_state == DatanodeAdminState::kDecommissioning ||
         node.admin_state == DatanodeAdminState::kEnteringMaintenance;
}

const client::LeaveFacts* LeavingOf(const ClusterReport& report, const DatanodeReport& node) {
  const auto found = report.leaving.find(node.uuid);
  return found == report.leaving.end() ? nullptr : &found->second;
}

std::string Seconds(absl::Duration duration) {
  return absl::FormatDuration(absl::Ceil(duration, absl::Seconds(1)));
}

// Lines that HDFS does not have.
void PrintLeaving(const client::LeaveFacts& leaving, std::ostream& out) {
  out << "Leaving For: " << Seconds(leaving.since) << "\n"
      << "Blocks Left: " << leaving.blocks_left
      << (leaving.looking ? " (still being looked through)" : "") << "\n"
      << "Bytes Left: " << Bytes(leaving.bytes_left) << "\n";
  if (leaving.last_copies > 0) out << "Blocks Nowhere Else: " << leaving.last_copies << "\n";
  out << "Expected End: ";
  if (leaving.ends_in.has_value()) {
    out << "in " << Seconds(*leaving.ends_in) << ", at " << Bytes(leaving.bytes_per_second)
        << " per second\n";
  } else {
    out << "not known yet\n";
  }
  if (!leaving.blocked_by.empty()) out << "In The Way: " << Escaped(leaving.blocked_by) << "\n";
}

void PrintNode(const DatanodeReport& n, const client::LeaveFacts* leaving, std::ostream& out) {
  const std::string address = absl::StrCat(n.ip, ":", n.transfer_port);
  out << "Name: " << address << (n.host.empty() ? "" : absl::StrCat(" (", n.host, ")")) << "\n"
      << "Hostname: " << n.host << "\n";
  if (!n.rack.empty() && n.rack != "/default-rack") out << "Rack: " << n.rack << "\n";
  const uint64_t cache_left = n.cache_capacity > n.cache_used ? n.cache_capacity - n.cache_used : 0;
  out << "Decommission Status : " << StateText(n.admin_state) << "\n"
      << "Configured Capacity: " << Bytes(n.capacity) << "\n"
      << "DFS Used: " << Bytes(n.dfs_used) << "\n"
      << "Non DFS Used: " << Bytes(n.non_dfs_used) << "\n"
      << "DFS Remaining: " << Bytes(n.remaining) << "\n"
      << "DFS Used%: " << Percent(n.dfs_used, n.capacity, 100) << "\n"
      << "DFS Remaining%: " << Percent(n.remaining, n.capacity, 0) << "\n"
      << "Configured Cache Capacity: " << Bytes(n.cache_capacity) << "\n"
      << "Cache Used: " << Bytes(n.cache_used) << "\n"
      << "Cache Remaining: " << Bytes(cache_left) << "\n"
      << "Cache Used%: " << Percent(n.cache_used, n.cache_capacity, 100) << "\n"
      << "Cache Remaining%: " << Percent(cache_left, n.cache_capacity, 0) << "\n"
      << "Xceivers: " << n.transfers << "\n"
      << "Last contact: " << JavaDate(n.last_heartbeat) << "\n";
  if (n.last_block_report == absl::UnixEpoch()) {
    out << "Last Block Report: Never\n";
  } else {
    out << "Last Block Report: " << JavaDate(n.last_block_report) << "\n";
  }
  out << "Num of Blocks: " << n.block_count << "\n";
  if (leaving != nullptr) PrintLeaving(*leaving, out);
  out << "\n\n";
}

// A server that cannot tell sends -1.
int64_t Count(uint64_t count) { return static_cast<int64_t>(count); }

void PrintBlockStats(const ClusterReport& report, std::ostream& out) {
  if (report.replicated.has_value()) {
    const BlockStats& s = *report.replicated;
    out << "Replicated Blocks:\n"
        << "\tUnder replicated blocks: " << Count(s.low_redundancy) << "\n"
        << "\tBlocks with corrupt replicas: " << Count(s.corrupt) << "\n"
        << "\tMissing blocks: " << Count(s.missing) << "\n"
        << "\tMissing blocks (with replication factor 1): " << Count(s.missing_single_replica)
        << "\n";
    if (s.highest_priority_low_redundancy.has_value()) {
      out << "\tLow redundancy blocks with highest priority to recover: "
          << Count(*s.highest_priority_low_redundancy) << "\n";
    }
    out << "\tPending deletion blocks: " << Count(s.pending_deletion) << "\n";
  }
  if (report.block_groups.has_value()) {
    const BlockStats& s = *report.block_groups;
    out << "Erasure Coded Block Groups: \n"
        << "\tLow redundancy block groups: " << Count(s.low_redundancy) << "\n"
        << "\tBlock groups with corrupt internal blocks: " << Count(s.corrupt) << "\n"
        << "\tMissing block groups: " << Count(s.missing) << "\n";
    if (s.highest_priority_low_redundancy.has_value()) {
      out << "\tLow redundancy blocks with highest priority to recover: "
          << Count(*s.highest_priority_low_redundancy) << "\n";
    }
    out << "\tPending deletion blocks: " << Count(s.pending_deletion) << "\n";
  }
}

// Absent when the server does not know the method.
absl::StatusOr<std::optional<BlockStats>> IfKnown(absl::StatusOr<BlockStats> stats) {
  if (stats.ok()) return std::optional<BlockStats>(*stats);
  if (GetFsError(stats.status()) == FsError::kNoSuchMethod) return std::optional<BlockStats>();
  return stats.status();
}

}  // namespace

absl::StatusOr<ClusterReport> FetchReport(client::FileSystem& fs, client::ClusterAdmin& admin,
                                          const ReportFilter& filter) {
  ClusterReport report;
  ASSIGN_OR_RETURN(report.stats, fs.GetFsStats());
  ASSIGN_OR_RETURN(report.safe_mode, fs.SetSafeMode(client::SafeModeAction::kGet));
  ASSIGN_OR_RETURN(report.replicated, IfKnown(fs.GetReplicatedBlockStats()));
  ASSIGN_OR_RETURN(report.block_groups, IfKnown(fs.GetBlockGroupStats()));
  const auto add = [&](bool wanted, const char* title, const char* key,
                       DatanodeKind kind) -> absl::Status {
    if (!wanted && !filter.all()) return absl::OkStatus();
    ASSIGN_OR_RETURN(auto nodes, fs.GetDatanodeReport(kind));
    const bool always = wanted || kind == DatanodeKind::kLive;
    report.sections.push_back({title, key, always, std::move(nodes)});
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(add(filter.live, "Live", "live", DatanodeKind::kLive));
  RETURN_IF_ERROR(add(filter.dead, "Dead", "dead", DatanodeKind::kDead));
  RETURN_IF_ERROR(add(filter.decommissioning, "Decommissioning", "decommissioning",
                      DatanodeKind::kDecommissioning));
  RETURN_IF_ERROR(add(filter.entering_maintenance, "Entering maintenance", "entering_maintenance",
                      DatanodeKind::kEnteringMaintenance));
  RETURN_IF_ERROR(
      add(filter.in_maintenance, "In maintenance", "in_maintenance", DatanodeKind::kInMaintenance));
  if (filter.slow || filter.all()) {
    auto slow = admin.GetSlowDatanodes();
    // Servers before Hadoop 3.3.1 have no such list.
    if (!slow.ok() && !absl::IsUnimplemented(slow.status())) return slow.status();
    if (slow.ok()) report.sections.push_back({"Slow", "slow", filter.slow, *std::move(slow)});
  }
  const auto any_leaves = [](const ClusterReport::Section& section) {
    return std::any_of(section.nodes.begin(), section.nodes.end(), IsLeaving);
  };
  if (std::any_of(report.sections.begin(), report.sections.end(), any_leaves)) {
    const auto cluster = admin.DescribeCluster();
    if (absl::IsUnimplemented(cluster.status())) return report;  // an Apache HDFS
    RETURN_IF_ERROR(cluster.status());
    for (const client::NodeFacts& node : cluster->nodes) {
      if (node.leaving.has_value()) report.leaving.emplace(node.uuid, *node.leaving);
    }
  }
  return report;
}

void PrintReport(const ClusterReport& report, std::ostream& out) {
  const client::FsStats& s = report.stats;
  const uint64_t present = s.used + s.remaining;
  if (report.safe_mode) out << "Safe mode is ON\n";
  out << "Configured Capacity: " << Bytes(s.capacity) << "\n"
      << "Present Capacity: " << Bytes(present) << "\n"
      << "DFS Remaining: " << Bytes(s.remaining) << "\n"
      << "DFS Used: " << Bytes(s.used) << "\n"
      << "DFS Used%: " << (present == 0 ? "NaN%" : Percent(s.used, present, 0)) << "\n";
  PrintBlockStats(report, out);
  out << "\n-------------------------------------------------\n";
  for (const ClusterReport::Section& section : report.sections) {
    if (section.nodes.empty() && !section.always) continue;
    out << section.title << " datanodes (" << section.nodes.size() << "):\n\n";
    for (const DatanodeReport& node : section.nodes) {
      PrintNode(node, LeavingOf(report, node), out);
    }
  }
}

namespace {

void WriteBlockStats(const char* name, const std::optional<BlockStats>& stats, JsonWriter& json) {
  if (!stats.has_value()) return;
  json.Key(name);
  json.BeginObject();
  const auto count = [&](const char* what, uint64_t value) {
    json.Key(what);
    if (value == ~uint64_t{0}) {
      json.Null();  // not known
    } else {
      json.Number(value);
    }
  };
  count("low_redundancy", stats->low_redundancy);
  count("corrupt", stats->corrupt);
  count("missing", stats->missing);
  count("missing_with_one_replica", stats->missing_single_replica);
  count("pending_deletion", stats->pending_deletion);
  json.EndObject();
}

void WriteLeaving(const client::LeaveFacts& leaving, JsonWriter& json) {
  json.Key("leaving");
  json.BeginObject();
  json.Field("for_s", absl::ToDoubleSeconds(leaving.since));
  json.Field("blocks_left", leaving.blocks_left);
  json.Field("bytes_left", leaving.bytes_left);
  json.Field("blocks_nowhere_else", leaving.last_copies);
  json.Field("looking", leaving.looking);
  json.Field("bytes_per_second", leaving.bytes_per_second);
  json.Key("ends_in_s");
  if (leaving.ends_in.has_value()) {
    json.Number(absl::ToDoubleSeconds(*leaving.ends_in));
  } else {
    json.Null();
  }
  json.Field("blocked_by", leaving.blocked_by);
  json.EndObject();
}

void WriteNode(const DatanodeReport& node, const client::LeaveFacts* leaving, JsonWriter& json) {
  json.BeginObject();
  json.Field("datanode", absl::StrCat(node.ip, ":", node.transfer_port));
  json.Field("host", node.host);
  json.Field("uuid", node.uuid);
  json.Field("rack", node.rack);
  json.Field("state", StateText(node.admin_state));
  json.Field("capacity", node.capacity);
  json.Field("used", node.dfs_used);
  json.Field("non_dfs_used", node.non_dfs_used);
  json.Field("remaining", node.remaining);
  json.Field("transfers", node.transfers);
  json.Field("blocks", node.block_count);
  json.Field("last_contact_ms", static_cast<uint64_t>(absl::ToUnixMillis(node.last_heartbeat)));
  if (leaving != nullptr) WriteLeaving(*leaving, json);
  json.EndObject();
}

}  // namespace

void WriteReport(const ClusterReport& report, std::ostream& out) {
  JsonWriter json(out);
  json.BeginObject();
  json.Field("safe_mode", report.safe_mode);
  json.Field("capacity", report.stats.capacity);
  json.Field("used", report.stats.used);
  json.Field("remaining", report.stats.remaining);
  WriteBlockStats("replicated_blocks", report.replicated, json);
  WriteBlockStats("block_groups", report.block_groups, json);
  json.Key("datanodes");
  json.BeginObject();
  for (const ClusterReport::Section& section : report.sections) {
    json.Key(section.key);
    json.BeginArray();
    for (const DatanodeReport& node : section.nodes) {
      WriteNode(node, LeavingOf(report, node), json);
    }
    json.EndArray();
  }
  json.EndObject();
  json.EndObject();
}

absl::Status RunAdminReport(AdminCall& call) {
  ReportFilter filter;
  const bool json = call.TakeFlag("--json");
  filter.slow = call.TakeFlag("-slownodes");
  filter.live = call.TakeFlag("-live");
  filter.dead = call.TakeFlag("-dead");
  filter.decommissioning = call.TakeFlag("-decommissioning");
  filter.entering_maintenance = call.TakeFlag("-enteringmaintenance");
  filter.in_maintenance = call.TakeFlag("-inmaintenance");
  RETURN_IF_ERROR(call.CheckArguments(0, 0));
  ASSIGN_OR_RETURN(client::FileSystem* const fs, call.Cluster());
  ASSIGN_OR_RETURN(client::ClusterAdmin* const admin, call.Admin());
  ASSIGN_OR_RETURN(const ClusterReport report, FetchReport(*fs, *admin, filter));
  json ? WriteReport(report, call.out) : PrintReport(report, call.out);
  return absl::OkStatus();
}

}  // namespace cairn::tools
