#include "namenode/service/rpc/admin_protocol_service.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/descriptors.h"
#include "common/fs_error.h"
#include "erasure/layout.h"
#include "namenode/blocks/block_health.h"
#include "namenode/cluster/cluster_state.h"
#include "namenode/service/rpc/caller.h"
#include "namenode/service/rpc/conversion_rules.h"
#include "namenode/service/rpc/lost_blocks.h"
#include "proto/admin.pb.h"
#include "wire/parse_message.h"

namespace cairn::namenode {
namespace {

constexpr size_t kMaxRequestBytes = 16384;  // the longest names a path
// Looked at for one page of lost blocks, whether or not they are below the path asked for.
constexpr size_t kLostBlocksPerPage = 100;
// Of a list of hosts, with thousands of names.
constexpr size_t kMaxBalanceBytes = 1 << 20;
constexpr size_t kMaxHolderBytes = 256;

uint64_t Millis(absl::Duration duration) {
  return static_cast<uint64_t>(std::max<int64_t>(absl::ToInt64Milliseconds(duration), 0));
}

// False, and the call is answered: the request does not parse.
template <typename Request>
bool Parse(absl::string_view bytes, Request& request, rpc::RpcReply& reply,
           size_t most_bytes = kMaxRequestBytes) {
  if (bytes.size() <= most_bytes && ParseMessage(bytes, &request)) {
    return true;
  }
  reply.Fail(absl::InvalidArgumentError("the request does not parse"));
  return false;
}

void FillReplica(const ReplicaHealth& replica, bool being_written, admin::Replica& out) {
  out.set_standing(being_written && replica.standing == Standing::kLive
                       ? admin::BEING_WRITTEN
                       : static_cast<admin::Standing>(replica.standing));
  out.set_storage_uuid(replica.storage_uuid);
  if (replica.node == nullptr) return;
  const DatanodeInfo& node = *replica.node;
  out.set_datanode_uuid(node.uuid);
  out.set_ip(node.address.ip);
  out.set_host_name(node.address.host_name);
  out.set_transfer_port(node.address.transfer_port);
  out.set_rack(node.rack);
  for (const StorageInfo& storage : node.storages) {
    if (storage.uuid == replica.storage_uuid) out.set_storage_type(storage.type);
  }
}

std::string NodeName(const ClusterView& cluster, uint32_t storage) {
  const StorageLocation* const at = cluster.Find(storage);
  if (at == nullptr) return absl::StrCat("storage ", storage);
  return absl::StrCat(at->node->address.ip, ":", at->node->address.transfer_port);
}

void FillBlock(const BlockHealth& health, uint64_t offset, const ClusterView& cluster,
               admin::Block& out) {
  out.set_id(ToInt(health.block.id));
  out.set_generation_stamp(ToInt(health.block.stamp));
  out.set_length(health.block.length);
  out.set_offset(offset);
  out.set_wanted(health.wanted);
  out.set_under_construction(health.under_construction);
  out.set_recovery_waits_for(health.recovery_waits_for);
  out.set_contradiction(health.contradiction);
  for (const ReplicaHealth& replica : health.replicas) {
    FillReplica(replica, health.under_construction, *out.add_replicas());
  }
  if (health.need) out.set_need(static_cast<admin::Need>(static_cast<int>(*health.need) + 1));
  if (health.queued) {
    out.set_queued(true);
    out.set_known_for_ms(Millis(health.queued->since));
    out.set_again_in_ms(Millis(health.queued->again_in));
    out.set_failures(health.queued->failures);
    out.set_blocked_by(health.queued->blocked_by);
  }
  for (const CopyHealth& copy : health.copies) {
    admin::Copy& to = *out.add_copies();
    to.set_source(NodeName(cluster, copy.source));
    to.set_target(NodeName(cluster, copy.target));
    to.set_running_ms(Millis(copy.running));
    to.set_given_up_in_ms(Millis(copy.given_up_in));
  }
}

// That it cannot be read comes before all else.
admin::Need MoreUrgent(admin::Need a, admin::Need b) {
  if (a == admin::MISSING || b == admin::NONE) return a;
  if (b == admin::MISSING || a == admin::NONE) return b;
  return std::min(a, b);
}

// A group of these units.
admin::Block ToGroup(const LocatedBlock& group, std::vector<admin::Block> units) {
  const erasure::Layout layout(group.erasure->schema, group.erasure->cell_bytes);
  admin::Block out;
  out.set_id(ToInt(group.block.id));
  out.set_generation_stamp(ToInt(group.block.stamp));
  out.set_length(group.block.length);
  out.set_offset(group.offset);
  out.set_units_needed(layout.UnitsNeeded(group.block.length));
  for (admin::Block& unit : units) {
    if (unit.under_construction()) out.set_under_construction(true);
    if (!unit.recovery_waits_for().empty()) {
      out.set_recovery_waits_for(unit.recovery_waits_for());
    }
    if (!unit.contradiction().empty()) out.set_contradiction(unit.contradiction());
    out.set_need(MoreUrgent(out.need(), unit.need()));
    *out.add_units() = std::move(unit);
  }
  uint32_t wanted = 0;
  for (uint32_t unit = 0; unit < layout.units(); ++unit) {
    wanted += out.under_construction() || layout.UnitBytes(group.block.length, unit) > 0;
  }
  out.set_wanted(wanted);
  return out;
}

void FillNode(const DatanodeInfo& node, admin::NodeFacts& out) {
  out.set_datanode_uuid(node.uuid);
  out.set_ip(node.address.ip);
  out.set_host_name(node.address.host_name);
  out.set_transfer_port(node.address.transfer_port);
  out.set_ipc_port(node.address.ipc_port);
  out.set_rack(node.rack);
  out.set_liveness(static_cast<admin::Liveness>(node.liveness));
  out.set_admin_state(static_cast<uint32_t>(node.admin_state));
  out.set_silent_ms(Millis(node.silent_for));
  out.set_transfers(node.transfers);
  for (const StorageInfo& storage : node.storages) {
    admin::StorageFacts& to = *out.add_storages();
    to.set_storage_uuid(storage.uuid);
    to.set_type(storage.type);
    to.set_failed(storage.failed);
    to.set_capacity_bytes(storage.capacity_bytes);
    to.set_used_bytes(storage.used_bytes);
    to.set_remaining_bytes(storage.remaining_bytes);
    to.set_blocks(storage.blocks);
  }
}

void FillLeaving(const LeaveProgress& progress, admin::LeaveFacts& out) {
  out.set_since_ms(Millis(progress.since));
  out.set_blocks_left(progress.blocks_left);
  out.set_bytes_left(progress.bytes_left);
  out.set_last_copies(progress.last_copies);
  out.set_looking(progress.looking);
  out.set_bytes_per_second(static_cast<uint64_t>(progress.bytes_per_second));
  if (progress.ends_in) out.set_ends_in_ms(Millis(*progress.ends_in));
  out.set_blocked_by(progress.blocked_by);
}

void FillHealth(const HealthTotals& totals, admin::DescribeClusterResponse& out) {
  out.add_blocks_by_need(0);  // of Need's "nothing"
  for (const uint64_t count : totals.by_need) out.add_blocks_by_need(count);
  out.set_corrupt_blocks(totals.corrupt_blocks);
  out.set_contradicting_groups(totals.groups.contradicting);
  out.set_missing_single(totals.missing_single);
  out.set_copies_under_way(totals.copies);
  out.set_pending_deletions(totals.pending_deletions);
  out.set_counts_overflowed(totals.overflowed);
  out.set_looking(totals.looking);
}

absl::StatusOr<BalanceJob> ToBalanceJob(const admin::BalanceRequest& request,
                                        const Caller& caller) {
  BalanceJob job;
  job.id = request.job();
  if (job.id == 0) return absl::InvalidArgumentError("a balancing job has a number");
  job.holder = absl::StrCat(request.holder().substr(0, kMaxHolderBytes), " (user ", caller.user,
                            " at ", caller.remote_ip, ")");
  job.rules.threshold_percent = request.threshold_percent();
  if (!(job.rules.threshold_percent >= 1 && job.rules.threshold_percent <= 100)) {
    return absl::InvalidArgumentError("the threshold is not within 1 to 100 percent");
  }
  job.rules.include.assign(request.include().begin(), request.include().end());
  job.rules.exclude.assign(request.exclude().begin(), request.exclude().end());
  job.rules.sources.assign(request.sources().begin(), request.sources().end());
  if (request.most_bytes() != 0) job.rules.most_bytes = request.most_bytes();
  job.min_block_bytes = request.min_block_bytes();
  if (request.moves() != 0) job.moves = std::min(request.moves(), job.moves);
  job.moves_per_node = request.moves_per_node() != 0 ? request.moves_per_node() : job.moves;
  if (request.longest_iteration_ms() != 0) {
    constexpr absl::Duration kLongest = absl::Hours(24);
    job.longest_iteration =
        std::min(kLongest,
                 absl::Milliseconds(std::min<uint64_t>(request.longest_iteration_ms(), INT32_MAX)));
  }
  return job;
}

void FillProgress(const BalanceProgress& progress, admin::BalanceResponse& out) {
  out.set_busy_with(progress.busy_with);
  out.set_begun(progress.begun);
  for (const BalanceIteration& iteration : progress.iterations) {
    admin::BalanceIteration& to = *out.add_iterations();
    to.set_number(iteration.number);
    to.set_ended_ms(static_cast<uint64_t>(absl::ToUnixMillis(iteration.ended)));
    to.set_bytes_left(iteration.bytes_left);
    to.set_bytes_planned(iteration.bytes_planned);
    to.set_bytes_moved(iteration.bytes_moved);
    to.set_bytes_moved_before(iteration.bytes_moved_before);
  }
  out.set_iteration(progress.iteration);
  out.set_bytes_moved(progress.bytes_moved);
  out.set_blocks_moved(progress.blocks_moved);
  out.set_blocks_failed(progress.blocks_failed);
  out.set_bytes_left(progress.bytes_left);
  out.set_bytes_planned(progress.bytes_planned);
  out.set_moves(progress.moves);
  out.set_waiting_for(progress.waiting_for);
}

void FillDescriptors(admin::DescribeClusterResponse& out) {
  const DescriptorUse use = ReadDescriptorUse();
  out.set_open_file_limit(use.limit);
  out.set_open_files_used(use.used);
}

}  // namespace

AdminProtocolService::AdminProtocolService(Namenode& namenode, const OperationCounters& counters,
                                           Clock& clock, Options options)
    : namenode_(namenode),
      counters_(counters),
      clock_(clock),
      options_(std::move(options)),
      started_(clock.Now()) {}

void AdminProtocolService::Handle(const rpc::CallInfo& call, absl::string_view method,
                                  absl::string_view request, rpc::RpcReply& reply) {
  const Caller caller = CallerOf(call);
  if (method == "describeFile") return DescribeFile(caller, request, reply);
  if (method == "describeCluster") return DescribeCluster(caller, reply);
  const bool known = method == "describeBlock" || method == "listLostBlocks" ||
                     method == "getOperations" || method == "balance" ||
                     IsConversionRuleMethod(method);
  if (!known) {
    return reply.Fail(
        MakeFsError(FsError::kNoSuchMethod, absl::StrCat("Unknown method ", method.substr(0, 128),
                                                         " called on ", protocol(), " protocol.")));
  }
  if (!namenode_.IsSuperuser(caller)) {
    return reply.Fail(MakeFsError(
        FsError::kAccessControl,
        absl::StrCat("Access denied for user ", caller.user, ". Superuser privilege is required")));
  }
  if (method == "describeBlock") return DescribeBlock(caller, request, reply);
  if (method == "listLostBlocks") return ListLostBlocks(caller, request, reply);
  if (method == "balance") return Balance(caller, request, reply);
  if (IsConversionRuleMethod(method)) {
    return AnswerConversionRules(namenode_, caller, method, request, reply);
  }
  GetOperations(reply);
}

void AdminProtocolService::DescribeFile(const Caller& caller, absl::string_view bytes,
                                        rpc::RpcReply& reply) {
  admin::DescribeFileRequest request;
  if (!Parse(bytes, request, reply)) return;
  const auto status = namenode_.GetFileInfo(caller, request.path());
  if (!status.value.ok()) return reply.FailAt(status.ticket, status.value.status());
  if (!status.value->has_value() || (*status.value)->directory) {
    return reply.FailAt(
        status.ticket,
        MakeFsError(FsError::kFileNotFound, absl::StrCat("File does not exist: ", request.path())));
  }
  const FileStatus& file = **status.value;
  constexpr uint64_t kMostBlockBytes = uint64_t{1} << 40;  // the product must not overflow
  const uint64_t page_bytes =
      std::clamp<uint64_t>(file.block_bytes, 1, kMostBlockBytes) * kBlocksPerPage;
  const auto located =
      namenode_.GetBlockLocations(caller, request.path(), request.offset(), page_bytes);
  if (!located.value.ok()) return reply.FailAt(located.ticket, located.value.status());
  uint64_t ticket = std::max(status.ticket, located.ticket);

  admin::DescribeFileResponse response;
  response.set_inode(ToInt(file.id));
  response.set_length(file.length);
  response.set_replication(file.replication);
  response.set_storage_policy(file.storage_policy);
  response.set_open(located.value->under_construction);
  response.set_block_pool(namenode_.block_pool_id());
  const erasure::Policy* const erasure = located.value->erasure;
  if (erasure != nullptr) response.set_erasure_policy(erasure->name);
  std::vector<LocatedBlock> blocks = located.value->blocks;
  // Small blocks may be many more than a page; a page ends where one does. Each unit is a block.
  const size_t most = kBlocksPerPage / (erasure == nullptr ? 1 : erasure->schema.units());
  if (blocks.size() > most) blocks.resize(most);
  const uint64_t end =
      blocks.empty() ? request.offset() : blocks.back().offset + blocks.back().block.length;
  response.set_more(!blocks.empty() && end < located.value->file_length);
  const std::optional<LocatedBlock>& last = located.value->last;
  if (!response.more() && last && !located.value->last_complete) blocks.push_back(*last);
  const std::shared_ptr<const ClusterView> cluster = namenode_.cluster().View();
  for (const LocatedBlock& block : blocks) {
    const absl::StatusOr<std::optional<admin::Block>> told =
        Describe(caller, block, *cluster, ticket);
    if (!told.ok()) return reply.FailAt(ticket, told.status());
    if (told->has_value()) *response.add_blocks() = **told;
  }
  reply.SendAt(ticket, response);
}

absl::StatusOr<std::optional<admin::Block>> AdminProtocolService::Describe(
    const Caller& caller, const LocatedBlock& block, const ClusterView& cluster, uint64_t& ticket) {
  std::vector<admin::Block> told;
  const uint32_t units = block.erasure == nullptr ? 1 : block.erasure->schema.units();
  for (uint32_t unit = 0; unit < units; ++unit) {
    const Outcome<BlockHealth> health =
        namenode_.DescribeBlock(caller, UnitOf(block.block.id, unit));
    ticket = std::max(ticket, health.ticket);
    if (health.value.ok()) {
      FillBlock(*health.value, block.offset, cluster, told.emplace_back());
    } else if (GetFsError(health.value.status()) != FsError::kFileNotFound) {
      return health.value.status();
    }
  }
  if (told.empty()) return std::nullopt;
  if (block.erasure == nullptr) return std::move(told.front());
  return ToGroup(block, std::move(told));
}

void AdminProtocolService::DescribeBlock(const Caller& caller, absl::string_view bytes,
                                         rpc::RpcReply& reply) {
  admin::DescribeBlockRequest request;
  if (!Parse(bytes, request, reply)) return;
  const Outcome<BlockHealth> health = namenode_.DescribeBlock(caller, BlockId{request.block_id()});
  admin::DescribeBlockResponse response;
  response.set_block_pool(namenode_.block_pool_id());
  if (health.value.ok()) {
    response.set_found(true);
    response.set_path(health.value->path);
    response.set_inode(ToInt(health.value->file));
    FillBlock(*health.value, 0, *namenode_.cluster().View(), *response.mutable_block());
  } else if (GetFsError(health.value.status()) != FsError::kFileNotFound) {
    return reply.FailAt(health.ticket, health.value.status());
  }
  reply.SendAt(health.ticket, response);
}

void AdminProtocolService::ListLostBlocks(const Caller& caller, absl::string_view bytes,
                                          rpc::RpcReply& reply) {
  admin::ListLostBlocksRequest request;
  if (!Parse(bytes, request, reply)) return;
  const LostBlocks page =
      ListLost(namenode_, caller, request.below(), BlockId{request.after()}, kLostBlocksPerPage);
  admin::ListLostBlocksResponse response;
  for (const LostBlocks::Lost& lost : page.blocks) {
    admin::LostBlock& block = *response.add_blocks();
    block.set_id(ToInt(lost.id));
    block.set_path(lost.path);
  }
  response.set_more(page.more);
  response.set_next_after(ToInt(page.next_after));
  reply.SendAt(page.ticket, response);
}

void AdminProtocolService::DescribeCluster(const Caller& caller, rpc::RpcReply& reply) {
  const bool superuser = namenode_.IsSuperuser(caller);
  admin::DescribeClusterResponse response;
  response.set_version(options_.version);
  response.set_now_ms(static_cast<uint64_t>(absl::ToUnixMillis(clock_.Now())));
  response.set_started_ms(static_cast<uint64_t>(absl::ToUnixMillis(started_)));
  const auto safe_mode = namenode_.SafeMode(caller, SafeModeAction::kGet);
  if (safe_mode.value.ok()) {
    response.set_safe_mode(safe_mode.value->on);
    response.set_safe_mode_reason(safe_mode.value->reason);
  }
  response.set_block_pool(namenode_.block_pool_id());
  response.set_cluster_id(namenode_.cluster_id());
  response.set_default_replication(namenode_.defaults().replication);
  response.set_min_replication(options_.min_replication);
  response.set_stale_interval_ms(Millis(options_.stale_interval));
  response.set_dead_interval_ms(Millis(options_.dead_interval));
  ClusterState& cluster = namenode_.cluster();
  response.set_unregistered_nodes(
      static_cast<uint32_t>(std::max(cluster.Totals().unregistered, 0)));
  const std::vector<LeaveProgress> leaving = namenode_.Leaving();
  for (const DatanodeInfo& node : cluster.Nodes()) {
    admin::NodeFacts& out = *response.add_nodes();
    FillNode(node, out);
    for (const LeaveProgress& progress : leaving) {
      // One that was seen out since is not told to be leaving still.
      if (progress.uuid != node.uuid || progress.state != node.admin_state) continue;
      FillLeaving(progress, *out.mutable_leaving());
      // It may name a file.
      if (!superuser) out.mutable_leaving()->clear_blocked_by();
    }
  }
  FillHealth(namenode_.Health(), response);
  // Counting takes as long as there are open files: not for everybody who asks.
  if (superuser) FillDescriptors(response);
  if (superuser && options_.journals) {
    for (const Journal& journal : options_.journals()) {
      admin::JournalDirectory& out = *response.add_journals();
      out.set_path(journal.directory);
      out.set_last_txid(journal.last_txid);
      out.set_dropped(journal.dropped);
    }
  }
  reply.Send(response);
}

void AdminProtocolService::Balance(const Caller& caller, absl::string_view bytes,
                                   rpc::RpcReply& reply) {
  admin::BalanceRequest request;
  if (!Parse(bytes, request, reply, kMaxBalanceBytes)) return;
  const absl::StatusOr<BalanceJob> job = ToBalanceJob(request, caller);
  if (!job.ok()) return reply.Fail(job.status());
  admin::BalanceResponse response;
  FillProgress(namenode_.Balance(*job, request.after_iteration(), request.stop()), response);
  reply.Send(response);
}

void AdminProtocolService::GetOperations(rpc::RpcReply& reply) {
  admin::GetOperationsResponse response;
  response.set_now_ms(Millis(clock_.Monotonic()));
  constexpr size_t kShownUsers = 1000;
  const OperationCounters::Totals totals = counters_.Sum(kShownUsers);
  const auto add = [](const std::pair<std::string, uint64_t>& from, admin::OperationCount& to) {
    to.set_name(from.first);
    to.set_calls(from.second);
  };
  for (const auto& method : totals.methods) add(method, *response.add_methods());
  for (const auto& user : totals.users) add(user, *response.add_users());
  reply.Send(response);
}

}  // namespace cairn::namenode
