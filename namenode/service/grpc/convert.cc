#include "namenode/service/grpc/convert.h"

#include <arpa/inet.h>

#include <limits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "namenode/cluster/storage_policy.h"

namespace cairn::namenode {
namespace {

constexpr uint32_t kMaxPort = 65535;
constexpr size_t kMaxVersionBytes = 256;
// A length beyond this is no file's: sums of lengths stay far from overflow.
constexpr uint64_t kMaxBytes = uint64_t{1} << 60;

absl::Status Bad(absl::string_view field, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", why));
}

absl::Status CheckText(absl::string_view field, absl::string_view text, size_t most) {
  if (text.empty()) return Bad(field, "missing");
  if (text.size() > most) return Bad(field, absl::StrCat("longer than ", most, " bytes"));
  for (const char c : text) {
    // Goes into logs and messages as it is.
    if (c <= ' ' || c > '~') return Bad(field, "has characters that are not printable ASCII");
  }
  return absl::OkStatus();
}

absl::Status CheckBytes(absl::string_view field, uint64_t bytes) {
  return bytes <= kMaxBytes ? absl::OkStatus() : Bad(field, absl::StrCat(bytes, " is too large"));
}

bool IsNumericIp(const std::string& ip) {
  unsigned char address[sizeof(in6_addr)];
  return inet_pton(AF_INET, ip.c_str(), address) == 1 ||
         inet_pton(AF_INET6, ip.c_str(), address) == 1;
}

absl::StatusOr<DatanodeAddress> AddressFrom(const internal::Address& from,
                                            absl::string_view peer_ip) {
  DatanodeAddress address;
  address.ip = from.ip().empty() ? std::string(peer_ip) : from.ip();
  if (address.ip.find('\0') != std::string::npos || !IsNumericIp(address.ip)) {
    return Bad("address.ip", "not a numeric address");
  }
  address.host_name = from.host_name().empty() ? address.ip : from.host_name();
  RETURN_IF_ERROR(CheckText("address.host_name", address.host_name, kMaxHostNameBytes));
  if (from.transfer_port() == 0 || from.transfer_port() > kMaxPort) {
    return Bad("address.transfer_port", absl::StrCat(from.transfer_port(), " is no port"));
  }
  if (from.ipc_port() > kMaxPort || from.http_port() > kMaxPort) {
    return Bad("address", "ipc_port or http_port is no port");
  }
  address.transfer_port = from.transfer_port();
  address.ipc_port = from.ipc_port();
  address.http_port = from.http_port();
  return address;
}

absl::StatusOr<StorageInfo> StorageFrom(const internal::StorageState& from) {
  RETURN_IF_ERROR(CheckText("storage_uuid", from.storage_uuid(), kMaxUuidBytes));
  if (from.type() == 0 || from.type() > kMaxStorageType) {
    return Bad("storage type", absl::StrCat(from.type(), " is unknown"));
  }
  RETURN_IF_ERROR(CheckBytes("capacity_bytes", from.capacity_bytes()));
  RETURN_IF_ERROR(CheckBytes("used_bytes", from.used_bytes()));
  RETURN_IF_ERROR(CheckBytes("remaining_bytes", from.remaining_bytes()));
  StorageInfo storage;
  storage.uuid = from.storage_uuid();
  storage.type = from.type();
  storage.capacity_bytes = from.capacity_bytes();
  storage.used_bytes = from.used_bytes();
  storage.remaining_bytes = from.remaining_bytes();
  storage.failed = from.failed();
  storage.blocks = from.blocks();
  return storage;
}

template <typename States>
absl::StatusOr<std::vector<StorageInfo>> StoragesFrom(const States& states) {
  if (states.size() > kMaxStoragesOfDatanode) {
    return Bad("storages", absl::StrCat(states.size(), " are more than ", kMaxStoragesOfDatanode));
  }
  std::vector<StorageInfo> storages;
  storages.reserve(static_cast<size_t>(states.size()));
  for (const internal::StorageState& state : states) {
    ASSIGN_OR_RETURN(StorageInfo storage, StorageFrom(state));
    storages.push_back(std::move(storage));
  }
  return storages;
}

absl::StatusOr<ReportedReplica> ReplicaFrom(const internal::ReplicaReport& from) {
  const internal::BlockRef& block = from.block();
  if (block.block_id() == 0) return Bad("block_id", "missing");
  RETURN_IF_ERROR(CheckBytes("replica length", block.length()));
  if (from.state() < 0 || from.state() > kMaxReplicaState) {
    return Bad("replica state", absl::StrCat(static_cast<int>(from.state()), " is unknown"));
  }
  return ReportedReplica{
      {BlockId{block.block_id()}, GenerationStamp{block.generation_stamp()}, block.length()},
      static_cast<ReplicaState>(from.state())};
}

// Every replica lies in one of the ranges, if there are any.
absl::Status RangesFrom(const internal::ReportReplicasRequest& request, ReplicasReport* report) {
  if (request.ranges_size() > kMaxBucketsInReport) return Bad("ranges", "too many");
  auto replica = report->replicas.begin();
  for (const internal::IdRange& from : request.ranges()) {
    const BlockRange range{BlockId{from.first()}, BlockId{from.last()}};
    if (from.first() == 0 || range.first > range.last) return Bad("range", "is none");
    if (!report->ranges.empty() && range.first <= report->ranges.back().last) {
      return Bad("ranges", "not ascending");
    }
    if (replica != report->replicas.end() && replica->block.id < range.first) break;
    while (replica != report->replicas.end() && replica->block.id <= range.last) ++replica;
    report->ranges.push_back(range);
  }
  if (request.ranges_size() > 0 && replica != report->replicas.end()) {
    return Bad("ranges", absl::StrCat("block ", ToInt(replica->block.id), " is in none"));
  }
  return absl::OkStatus();
}

template <typename Request>
absl::Status CheckSession(const Request& request) {
  return CheckText("datanode_uuid", request.datanode_uuid(), kMaxUuidBytes);
}

internal::BlockRef ToProto(const BlockVersion& block) {
  internal::BlockRef ref;
  ref.set_block_id(ToInt(block.id));
  ref.set_generation_stamp(ToInt(block.stamp));
  ref.set_length(block.length);
  return ref;
}

internal::Address ToProto(const DatanodeAddress& from) {
  internal::Address address;
  address.set_ip(from.ip);
  address.set_host_name(from.host_name);
  address.set_transfer_port(from.transfer_port);
  address.set_ipc_port(from.ipc_port);
  address.set_http_port(from.http_port);
  return address;
}

internal::Replicate::Target ToProto(const ReplicaTarget& from) {
  internal::Replicate::Target target;
  *target.mutable_address() = ToProto(from.address);
  target.set_datanode_uuid(from.datanode_uuid);
  target.set_storage_uuid(from.storage_uuid);
  target.set_storage_type(from.storage_type);
  return target;
}

absl::StatusOr<GroupVerdict> VerdictFrom(const internal::GroupVerdict& from) {
  const BlockId group{from.block_id()};
  if (!IsGrouped(group) || UnitNumber(group) != 0) return Bad("group_verdicts", "not a group");
  if (!internal::GroupVerdict::Result_IsValid(from.result())) {
    return Bad("group_verdicts", "unknown result");
  }
  if (from.unit() >= erasure::kMaxUnits) return Bad("group_verdicts", "no unit of a group");
  return GroupVerdict{.group = group,
                      .stamp = GenerationStamp{from.generation_stamp()},
                      .number = from.number(),
                      .result = static_cast<GroupVerdict::Result>(from.result()),
                      .unit = from.unit(),
                      .reason = EscapeForLog(from.reason(), kMaxReasonBytes)};
}

// Which group it is, and who has its units.
template <typename Command>
void FillGroup(const Command& from, internal::RebuildUnits* order) {
  *order->mutable_group() = ToProto(from.group);
  order->set_codec(erasure::CodecName(from.schema.codec));
  order->set_data_units(from.schema.data_units);
  order->set_parity_units(from.schema.parity_units);
  order->set_cell_bytes(from.cell_bytes);
  for (const RebuildCommand::Source& source : from.sources) {
    internal::RebuildUnits::Source& out = *order->add_sources();
    out.set_unit(source.unit);
    *out.mutable_address() = ToProto(source.address);
    out.set_datanode_uuid(source.datanode_uuid);
  }
}

// One function per kind of order; std::visit picks it.
struct CommandEncoder {
  internal::Command command;

  void operator()(const InvalidateCommand& from) {
    internal::Invalidate& order = *command.mutable_invalidate();
    for (const BlockVersion& block : from.blocks) *order.add_blocks() = ToProto(block);
  }
  void operator()(const ReplicateCommand& from) {
    internal::Replicate& order = *command.mutable_replicate();
    *order.mutable_block() = ToProto(from.block);
    for (const ReplicaTarget& target : from.targets) *order.add_targets() = ToProto(target);
    order.set_balance_bytes_per_second(from.balance_bytes_per_second);
  }
  void operator()(const BalanceBandwidthCommand& from) {
    command.mutable_balance_bandwidth()->set_bytes_per_second(from.bytes_per_second);
  }
  void operator()(const RecoverCommand& from) {
    internal::RecoverBlock& order = *command.mutable_recover();
    *order.mutable_block() = ToProto(from.block);
    order.set_new_generation_stamp(ToInt(from.new_stamp));
    for (const ReplicaTarget& replica : from.replicas) *order.add_replicas() = ToProto(replica);
    order.set_all_asked(from.all_asked);
  }
  void operator()(const FullReportCommand&) { command.mutable_full_report(); }
  void operator()(const TruncateCommand& from) {
    internal::TruncateReplica& order = *command.mutable_truncate();
    *order.mutable_block() = ToProto(from.block);
    order.set_new_generation_stamp(ToInt(from.new_stamp));
    order.set_new_length(from.new_length);
  }
  void operator()(const VerifyCommand& from) {
    *command.mutable_verify()->mutable_block() = ToProto(from.block);
  }
  void operator()(const RebuildCommand& from) {
    internal::RebuildUnits& order = *command.mutable_rebuild();
    FillGroup(from, &order);
    for (const RebuildCommand::Target& target : from.targets) {
      internal::RebuildUnits::Target& out = *order.add_targets();
      out.set_unit(target.unit);
      *out.mutable_at() = ToProto(target.at);
    }
    if (from.cut_from) *order.mutable_cut_from() = ToProto(*from.cut_from);
  }
  void operator()(const VerifyGroupCommand& from) {
    internal::VerifyGroup& order = *command.mutable_verify_group();
    FillGroup(from, order.mutable_group());
    order.set_bytes_per_second(from.bytes_per_second);
    order.set_number(from.number);
  }
};

}  // namespace

absl::StatusOr<DatanodeRegistration> FromProto(const internal::RegisterRequest& request,
                                               absl::string_view peer_ip) {
  RETURN_IF_ERROR(CheckSession(request));
  if (!request.cluster_id().empty()) {
    RETURN_IF_ERROR(CheckText("cluster_id", request.cluster_id(), kMaxUuidBytes));
  }
  if (!request.block_pool_id().empty()) {
    RETURN_IF_ERROR(CheckText("block_pool_id", request.block_pool_id(), kMaxUuidBytes));
  }
  if (request.software_version().size() > kMaxVersionBytes) {
    return Bad("software_version", absl::StrCat("longer than ", kMaxVersionBytes, " bytes"));
  }
  DatanodeRegistration node;
  node.cluster_id = request.cluster_id();
  node.block_pool_id = request.block_pool_id();
  node.layout_version = request.layout_version();
  node.software_version = request.software_version();
  node.datanode_uuid = request.datanode_uuid();
  ASSIGN_OR_RETURN(node.address, AddressFrom(request.address(), peer_ip));
  ASSIGN_OR_RETURN(node.storages, StoragesFrom(request.storages()));
  return node;
}

absl::StatusOr<DatanodeHeartbeat> FromProto(const internal::HeartbeatRequest& request) {
  RETURN_IF_ERROR(CheckSession(request));
  DatanodeHeartbeat heartbeat;
  heartbeat.datanode_uuid = request.datanode_uuid();
  heartbeat.session = request.session();
  heartbeat.transfers = request.transfers();
  ASSIGN_OR_RETURN(heartbeat.storages, StoragesFrom(request.storages()));
  if (request.failed_copies_size() > kMaxFailedCopies) return Bad("failed_copies", "too many");
  for (const internal::FailedCopy& failed : request.failed_copies()) {
    if (failed.target_uuids_size() > kMaxCopyTargets) return Bad("target_uuids", "too many");
    FailedCopy& out = heartbeat.failed_copies.emplace_back();
    out.block = BlockId{failed.block_id()};
    out.stamp = GenerationStamp{failed.generation_stamp()};
    for (const std::string& uuid : failed.target_uuids()) {
      RETURN_IF_ERROR(CheckText("target_uuids", uuid, kMaxUuidBytes));
      out.target_uuids.push_back(uuid);
    }
    out.reason = EscapeForLog(failed.reason(), kMaxReasonBytes);
  }
  if (request.wrong_units_size() > kMaxWrongUnits) return Bad("wrong_units", "too many");
  for (const internal::WrongUnit& wrong : request.wrong_units()) {
    // What others say of a replica counts only where it can be known without its datanode.
    if (!IsGrouped(BlockId{wrong.block_id()})) return Bad("wrong_units", "not a unit of a group");
    RETURN_IF_ERROR(CheckText("datanode_uuid", wrong.datanode_uuid(), kMaxUuidBytes));
    heartbeat.wrong_units.push_back({.block = BlockId{wrong.block_id()},
                                     .stamp = GenerationStamp{wrong.generation_stamp()},
                                     .datanode_uuid = wrong.datanode_uuid(),
                                     .reason = EscapeForLog(wrong.reason(), kMaxReasonBytes)});
  }
  if (request.group_verdicts_size() > kMaxGroupVerdicts) return Bad("group_verdicts", "too many");
  for (const internal::GroupVerdict& verdict : request.group_verdicts()) {
    ASSIGN_OR_RETURN(GroupVerdict out, VerdictFrom(verdict));
    heartbeat.group_verdicts.push_back(std::move(out));
  }
  return heartbeat;
}

absl::Status Check(const internal::AwaitOrdersRequest& request) { return CheckSession(request); }

absl::StatusOr<ChangesReport> FromProto(const internal::ReportChangesRequest& request) {
  RETURN_IF_ERROR(CheckSession(request));
  ChangesReport report;
  report.datanode_uuid = request.datanode_uuid();
  report.session = request.session();
  report.sequence = request.sequence();
  if (report.sequence == 0) return Bad("sequence", "missing");
  if (request.storages_size() > kMaxStoragesOfDatanode) return Bad("storages", "too many");
  int replicas = 0;
  for (const auto& changes : request.storages()) {
    RETURN_IF_ERROR(CheckText("storage_uuid", changes.storage_uuid(), kMaxUuidBytes));
    replicas += changes.replicas_size();
    if (replicas > kMaxReplicasInReport) return Bad("replicas", "too many in one report");
    StorageChanges& out = report.storages.emplace_back();
    out.storage_uuid = changes.storage_uuid();
    out.replicas.reserve(static_cast<size_t>(changes.replicas_size()));
    for (const internal::ReplicaReport& replica : changes.replicas()) {
      ASSIGN_OR_RETURN(const ReportedReplica reported, ReplicaFrom(replica));
      out.replicas.push_back(reported);
    }
  }
  return report;
}

absl::StatusOr<ReplicasReport> FromProto(const internal::ReportReplicasRequest& request) {
  RETURN_IF_ERROR(CheckSession(request));
  RETURN_IF_ERROR(CheckText("storage_uuid", request.storage_uuid(), kMaxUuidBytes));
  ReplicasReport report;
  report.datanode_uuid = request.datanode_uuid();
  report.session = request.session();
  report.sequence = request.sequence();
  if (report.sequence == 0) return Bad("sequence", "missing");
  report.storage_uuid = request.storage_uuid();
  report.report_id = request.report_id();
  report.part = request.part();
  report.last = request.last();
  if (request.replicas_size() > kMaxReplicasInReport) {
    return Bad("replicas", "too many in one part");
  }
  report.replicas.reserve(static_cast<size_t>(request.replicas_size()));
  for (const internal::ReplicaReport& replica : request.replicas()) {
    ASSIGN_OR_RETURN(const ReportedReplica reported, ReplicaFrom(replica));
    if (reported.state == ReplicaState::kDeleted) {
      return Bad("replica state", "DELETED has no place in a full report");
    }
    if (!report.replicas.empty() && reported.block.id <= report.replicas.back().block.id) {
      return Bad("replicas", "block ids are not ascending");
    }
    report.replicas.push_back(reported);
  }
  RETURN_IF_ERROR(RangesFrom(request, &report));
  return report;
}

absl::StatusOr<DigestReport> FromProto(const internal::ReportDigestsRequest& request) {
  RETURN_IF_ERROR(CheckSession(request));
  RETURN_IF_ERROR(CheckText("storage_uuid", request.storage_uuid(), kMaxUuidBytes));
  DigestReport report;
  report.datanode_uuid = request.datanode_uuid();
  report.session = request.session();
  report.sequence = request.sequence();
  if (report.sequence == 0) return Bad("sequence", "missing");
  report.storage_uuid = request.storage_uuid();
  report.shift = request.shift();
  if (report.shift == 0 || report.shift > kMaxDigestShift) return Bad("shift", "out of range");
  if (request.buckets_size() > kMaxBucketsInReport) return Bad("buckets", "too many");
  if (request.others_size() > kMaxReplicasInReport) return Bad("others", "too many");
  report.buckets.reserve(static_cast<size_t>(request.buckets_size()));
  for (const internal::BucketDigest& from : request.buckets()) {
    if (from.bucket() > std::numeric_limits<uint64_t>::max() >> report.shift) {
      return Bad("bucket", absl::StrCat(from.bucket(), " has no block ids"));
    }
    if (!report.buckets.empty() && from.bucket() <= report.buckets.back().number) {
      return Bad("buckets", "not ascending");
    }
    report.buckets.push_back({from.bucket(), {from.low(), from.high(), from.replicas()}});
  }
  report.others.reserve(static_cast<size_t>(request.others_size()));
  for (const internal::ReplicaReport& replica : request.others()) {
    ASSIGN_OR_RETURN(const ReportedReplica reported, ReplicaFrom(replica));
    if (reported.state == ReplicaState::kDeleted || reported.state == ReplicaState::kFinalized) {
      return Bad("replica state", "only replicas that are not finalized are listed with digests");
    }
    report.others.push_back(reported);
  }
  return report;
}

internal::ReportDigestsReply ToProto(const DigestAnswer& answer) {
  internal::ReportDigestsReply reply;
  reply.set_result(static_cast<internal::ReportDigestsReply::Result>(answer.result));
  reply.mutable_differing()->Assign(answer.differing.begin(), answer.differing.end());
  return reply;
}

internal::RegisterReply ToProto(const DatanodeWelcome& welcome) {
  internal::RegisterReply reply;
  reply.set_cluster_id(welcome.cluster_id);
  reply.set_block_pool_id(welcome.block_pool_id);
  reply.set_session(welcome.session);
  reply.set_heartbeat_interval_ms(
      static_cast<uint32_t>(absl::ToInt64Milliseconds(welcome.heartbeat_interval)));
  reply.set_full_report(welcome.full_report);
  reply.set_digest_shift(welcome.digest_shift);
  return reply;
}

internal::Command ToProto(const DatanodeCommand& command) {
  CommandEncoder encoder;
  std::visit(encoder, command);
  return std::move(encoder.command);
}

std::string IpOfPeer(absl::string_view peer) {
  if (!absl::ConsumePrefix(&peer, "ipv4:") && !absl::ConsumePrefix(&peer, "ipv6:")) return "";
  const size_t colon = peer.rfind(':');
  if (colon == absl::string_view::npos) return "";
  // gRPC writes the brackets of an IPv6 address URI-encoded.
  std::string ip =
      absl::StrReplaceAll(peer.substr(0, colon), {{"%5B", "["}, {"%5D", "]"}, {"%25", "%"}});
  if (absl::StartsWith(ip, "[") && absl::EndsWith(ip, "]")) ip = ip.substr(1, ip.size() - 2);
  return IsNumericIp(ip) ? ip : "";
}

}  // namespace cairn::namenode
