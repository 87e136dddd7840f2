#include "namenode/service/rpc/encode.h"

#include <algorithm>
#include <limits>
#include <span>
#include <string>

#include "absl/container/inlined_vector.h"
#include "common/check.h"
#include "wire/transfer/group_token.h"

namespace cairn::namenode {
namespace {

constexpr uint64_t kNoQuota = ~uint64_t{0};  // -1 in the eyes of a Java client

// Field numbers are those of proto/hdfs/types.proto.

void PutDatanodeId(BackwardWriter& w, uint32_t field, const DatanodeInfo& node) {
  const size_t mark = w.size();
  w.Varint(6, node.address.ipc_port);
  w.Varint(5, node.address.http_port);
  w.Varint(4, node.address.transfer_port);
  w.Bytes(3, node.uuid);
  w.Bytes(2, node.address.host_name);
  w.Bytes(1, node.address.ip);
  w.CloseMessage(field, mark);
}

// What readers and writers use of a DatanodeInfoProto: whom to dial, the rack, and whether it is
// leaving.
void PutDatanode(BackwardWriter& w, uint32_t field, const DatanodeInfo& node) {
  const size_t mark = w.size();
  if (node.admin_state != AdminState::kInService) {
    w.Varint(10, static_cast<uint64_t>(node.admin_state));
  }
  w.Bytes(8, node.rack);
  PutDatanodeId(w, 1, node);
  w.CloseMessage(field, mark);
}

void PutExtendedBlock(BackwardWriter& w, uint32_t field, const BlockVersion& block,
                      absl::string_view pool_id) {
  const size_t mark = w.size();
  w.Varint(4, block.length);
  w.Varint(3, ToInt(block.stamp));
  w.Varint(2, ToInt(block.id));
  w.Bytes(1, pool_id);
  w.CloseMessage(field, mark);
}

// Block access tokens are off: clients hand this one back without looking into it.
void PutToken(BackwardWriter& w, uint32_t field, absl::string_view identifier) {
  const size_t mark = w.size();
  w.Bytes(4, "");
  w.Bytes(3, "");
  w.Bytes(2, "");
  w.Bytes(1, identifier);
  w.CloseMessage(field, mark);
}

// Of a group: which unit each location that is told has, and a token for it. A client takes a block
// for a group by these bytes being there, so they are, even if they are none.
void PutUnits(BackwardWriter& w, const LocatedBlock& group, const ClusterView& cluster) {
  CHECK_GE(group.units.size(), group.storages.size());
  std::string units;
  for (size_t i = 0; i < group.units.size(); ++i) {
    if (i < group.storages.size() && cluster.Find(group.storages[i]) == nullptr) continue;
    units.push_back(static_cast<char>(group.units[i]));
  }
  for (size_t i = 0; i < units.size(); ++i) PutToken(w, 10, "");
  w.Bytes(9, units);
}

void PutPermission(BackwardWriter& w, uint32_t field, uint32_t mode) {
  const size_t mark = w.size();
  w.Varint(1, mode & kModeMask);
  w.CloseMessage(field, mark);
}

// The fields behind and before `locations`, in the order in which a backward writer takes them.
void PutStatusEnd(BackwardWriter& w, const FileStatus& status) {
  constexpr uint64_t kMaxChildren = std::numeric_limits<int32_t>::max();
  if (status.small_of != nullptr) PutErasurePolicy(w, 1001, *status.small_of);
  if (!status.directory) w.Varint(1000, status.open ? 1 : 0);
  // Flags. When they are absent, Java derives them from bits of the mode.
  w.Varint(18, status.erasure != nullptr ? hdfs::HdfsFileStatusProto::HAS_EC : 0);
  if (status.erasure != nullptr) PutErasurePolicy(w, 17, *status.erasure);
  w.Varint(16, status.storage_policy);
  w.Varint(14, status.directory ? std::min(status.children, kMaxChildren) : 0);
  w.Varint(13, ToInt(status.id));
}

void PutStatusBegin(BackwardWriter& w, absl::string_view name, const FileStatus& status) {
  const bool directory = status.directory;
  w.Varint(11, directory ? 0 : status.block_bytes);
  w.Varint(10, directory ? 0 : status.replication);
  w.Varint(8, directory ? 0 : status.atime_ms);
  w.Varint(7, status.mtime_ms);
  w.Bytes(6, status.group);
  w.Bytes(5, status.owner);
  PutPermission(w, 4, status.mode);
  w.Varint(3, directory ? 0 : status.length);
  w.Bytes(2, name);
  w.Varint(1, directory ? hdfs::HdfsFileStatusProto::IS_DIR : hdfs::HdfsFileStatusProto::IS_FILE);
}

struct StorageSums {
  uint64_t capacity = 0, used = 0, remaining = 0, blocks = 0;
};

StorageSums SumStorages(const DatanodeInfo& node) {
  StorageSums sums;
  for (const StorageInfo& storage : node.storages) {
    if (storage.failed) continue;  // its bytes are out of reach
    sums.capacity += storage.capacity_bytes;
    sums.used += storage.used_bytes;
    sums.remaining += storage.remaining_bytes;
    sums.blocks += storage.blocks;
  }
  return sums;
}

void FillTypes(std::span<const StorageType> types, hdfs::StorageTypesProto& out) {
  for (const StorageType type : types) {
    out.add_storagetypes(ClientStorageType(static_cast<uint32_t>(type)));
  }
}

}  // namespace

hdfs::StorageTypeProto ClientStorageType(uint32_t type) {
  return type >= hdfs::STORAGE_TYPE_DISK && type <= hdfs::STORAGE_TYPE_PROVIDED
             ? static_cast<hdfs::StorageTypeProto>(type)
             : hdfs::STORAGE_TYPE_DISK;
}

void PutFileStatus(BackwardWriter& w, uint32_t field, absl::string_view name,
                   const FileStatus& status) {
  const size_t mark = w.size();
  PutStatusEnd(w, status);
  PutStatusBegin(w, name, status);
  w.CloseMessage(field, mark);
}

void PutLocatedFileStatus(BackwardWriter& w, uint32_t field, absl::string_view name,
                          const FileStatus& status, const LocatedBlocks& located,
                          const BlockContext& context) {
  const size_t mark = w.size();
  PutStatusEnd(w, status);
  if (!status.directory) PutLocatedBlocks(w, 12, located, context);
  PutStatusBegin(w, name, status);
  w.CloseMessage(field, mark);
}

void PutLocatedBlock(BackwardWriter& w, uint32_t field, const LocatedBlock& block,
                     const BlockContext& context) {
  absl::InlinedVector<const StorageLocation*, 4> locations;
  for (const uint32_t storage : block.storages) {
    if (const auto* location = context.cluster->Find(storage)) locations.push_back(location);
  }
  const size_t mark = w.size();
  if (IsGrouped(block.block.id)) PutUnits(w, block, *context.cluster);
  for (auto it = locations.rbegin(); it != locations.rend(); ++it) w.Bytes(8, (*it)->storage_uuid);
  for (auto it = locations.rbegin(); it != locations.rend(); ++it) {
    w.Varint(7, ClientStorageType((*it)->storage_type));
  }
  w.PackedZeros(6, locations.size());
  PutToken(w, 5, IsGrouped(block.block.id) ? transfer::kGroupToken : "");
  w.Varint(4, block.corrupt ? 1 : 0);
  for (auto it = locations.rbegin(); it != locations.rend(); ++it) PutDatanode(w, 3, *(*it)->node);
  w.Varint(2, block.offset);
  PutExtendedBlock(w, 1, block.block, context.pool_id);
  w.CloseMessage(field, mark);
}

void PutLocatedBlocks(BackwardWriter& w, uint32_t field, const LocatedBlocks& blocks,
                      const BlockContext& context) {
  const size_t mark = w.size();
  if (blocks.converted_from != 0) w.Varint(1001, blocks.converted_from);
  if (blocks.contents != 0) w.Varint(1000, blocks.contents);
  if (blocks.erasure != nullptr) PutErasurePolicy(w, 7, *blocks.erasure);
  w.Varint(5, blocks.last_complete ? 1 : 0);
  if (blocks.last.has_value()) PutLocatedBlock(w, 4, *blocks.last, context);
  w.Varint(3, blocks.under_construction ? 1 : 0);
  for (auto it = blocks.blocks.rbegin(); it != blocks.blocks.rend(); ++it) {
    PutLocatedBlock(w, 2, *it, context);
  }
  w.Varint(1, blocks.file_length);
  w.CloseMessage(field, mark);
}

void PutEntries(BackwardWriter& w, uint32_t field, const std::vector<ListingEntry>& entries,
                const BlockContext* context) {
  for (auto it = entries.rbegin(); it != entries.rend(); ++it) {
    if (it->located.has_value() && context != nullptr) {
      PutLocatedFileStatus(w, field, it->name, it->status, *it->located, *context);
    } else {
      PutFileStatus(w, field, it->name, it->status);
    }
  }
}

void PutListing(BackwardWriter& w, uint32_t field, const Listing& listing,
                const BlockContext* context) {
  constexpr uint64_t kMaxRemaining = std::numeric_limits<int32_t>::max();  // Java reads it signed
  const size_t mark = w.size();
  w.Varint(2, std::min(listing.remaining, kMaxRemaining));
  PutEntries(w, 1, listing.entries, context);
  w.CloseMessage(field, mark);
}

void PutErasurePolicy(BackwardWriter& w, uint32_t field, const erasure::Policy& policy) {
  const size_t mark = w.size();
  w.Varint(4, policy.id);
  w.Varint(3, policy.cell_bytes);
  const size_t schema = w.size();
  w.Varint(3, policy.schema.parity_units);
  w.Varint(2, policy.schema.data_units);
  w.Bytes(1, erasure::CodecName(policy.schema.codec));
  w.CloseMessage(2, schema);
  w.Bytes(1, policy.name);
  w.CloseMessage(field, mark);
}

void FillDatanodeInfo(const DatanodeInfo& node, hdfs::DatanodeInfoProto& out) {
  hdfs::DatanodeIDProto& id = *out.mutable_id();
  id.set_ipaddr(node.address.ip);
  id.set_hostname(node.address.host_name);
  id.set_datanodeuuid(node.uuid);
  id.set_xferport(node.address.transfer_port);
  id.set_infoport(node.address.http_port);
  id.set_ipcport(node.address.ipc_port);
  const StorageSums sums = SumStorages(node);
  out.set_capacity(sums.capacity);
  out.set_dfsused(sums.used);
  out.set_remaining(sums.remaining);
  out.set_blockpoolused(sums.used);  // one block pool: all that is used
  out.set_lastupdate(node.last_heartbeat_ms);
  out.set_xceivercount(node.transfers);
  out.set_location(node.rack);
  out.set_adminstate(static_cast<hdfs::DatanodeInfoProto::AdminState>(node.admin_state));
  out.set_numblocks(
      static_cast<uint32_t>(std::min<uint64_t>(sums.blocks, std::numeric_limits<int32_t>::max())));
}

void FillStorageReports(const DatanodeInfo& node, hdfs::DatanodeStorageReportProto& out) {
  FillDatanodeInfo(node, *out.mutable_datanodeinfo());
  for (const StorageInfo& storage : node.storages) {
    hdfs::StorageReportProto& report = *out.add_storagereports();
    report.set_storageuuid(storage.uuid);
    report.set_failed(storage.failed);
    report.set_capacity(storage.capacity_bytes);
    report.set_dfsused(storage.used_bytes);
    report.set_remaining(storage.remaining_bytes);
    report.set_blockpoolused(storage.used_bytes);
    report.mutable_storage()->set_storageuuid(storage.uuid);
    report.mutable_storage()->set_state(hdfs::DatanodeStorageProto::NORMAL);
    report.mutable_storage()->set_storagetype(ClientStorageType(storage.type));
  }
}

void FillServerDefaults(const ServerDefaults& defaults, hdfs::FsServerDefaultsProto& out) {
  out.set_blocksize(defaults.block_bytes);
  out.set_bytesperchecksum(defaults.bytes_per_checksum);
  out.set_writepacketsize(defaults.write_packet_bytes);
  out.set_replication(defaults.replication);
  out.set_filebuffersize(defaults.file_buffer_bytes);
  out.set_encryptdatatransfer(false);
  out.set_trashinterval(defaults.trash_interval_minutes);
  out.set_checksumtype(hdfs::CHECKSUM_CRC32C);  // what an absent field would mean is CRC32
  out.set_keyprovideruri("");  // absent would send Java clients to a key server of their own
  out.set_policyid(0);
}

bool FillStoragePolicy(const StoragePolicy& policy, hdfs::BlockStoragePolicyProto& out) {
  const auto known = [](StorageType type) { return type <= StorageType::kProvided; };
  for (const auto types :
       {policy.creation, policy.creation_fallback, policy.replication_fallback}) {
    if (!std::all_of(types.begin(), types.end(), known)) return false;
  }
  out.set_policyid(policy.id);
  out.set_name(std::string(policy.name));
  FillTypes(policy.creation, *out.mutable_creationpolicy());
  if (!policy.creation_fallback.empty()) {
    FillTypes(policy.creation_fallback, *out.mutable_creationfallbackpolicy());
  }
  if (!policy.replication_fallback.empty()) {
    FillTypes(policy.replication_fallback, *out.mutable_replicationfallbackpolicy());
  }
  return true;
}

void FillErasurePolicy(const ErasurePolicyInfo& info, hdfs::ErasureCodingPolicyProto& out) {
  const erasure::Policy& policy = *info.policy;
  out.set_name(policy.name);
  out.mutable_schema()->set_codecname(erasure::CodecName(policy.schema.codec));
  out.mutable_schema()->set_dataunits(policy.schema.data_units);
  out.mutable_schema()->set_parityunits(policy.schema.parity_units);
  out.set_cellsize(policy.cell_bytes);
  out.set_id(policy.id);
  out.set_state(static_cast<hdfs::ErasureCodingPolicyState>(info.state));
}

void FillContentSummary(const ContentSummary& summary, hdfs::ContentSummaryProto& out) {
  out.set_length(summary.length);
  out.set_filecount(summary.files);
  out.set_directorycount(summary.directories);
  out.set_quota(kNoQuota);
  out.set_spaceconsumed(summary.space);
  out.set_spacequota(kNoQuota);
}

void FillQuotaUsage(const ContentSummary& summary, hdfs::QuotaUsageProto& out) {
  out.set_fileanddirectorycount(summary.files + summary.directories);
  out.set_quota(kNoQuota);
  out.set_spaceconsumed(summary.space);
  out.set_spacequota(kNoQuota);
}

}  // namespace cairn::namenode
