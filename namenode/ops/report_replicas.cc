// What datanodes say: they register, beat, and report their replicas (ops/reporter.h).
#include <algorithm>
#include <span>
#include <utility>

#include "common/logging.h"
#include "namenode/core/balancer.h"
#include "namenode/core/healer.h"
#include "namenode/core/run.h"
#include "namenode/ops/reporter.h"

namespace cairn::namenode {
namespace {

constexpr uint32_t kMaxStorages = 1 << 20;
constexpr BlockId kLastId{~uint64_t{0}};
// Failed copies, or verdicts, taken in under one lock, microseconds each.
constexpr size_t kFailedSlice = 50;

absl::Status Mismatch(const DatanodeRegistration& node, absl::string_view what,
                      absl::string_view theirs, absl::string_view ours) {
  return absl::FailedPreconditionError(absl::StrCat("datanode ", node.datanode_uuid, " at ",
                                                    node.address.ip, " has ", what, " ", theirs,
                                                    ", this namenode ", ours));
}

// For an operator, and nothing is done about it: one datanode's word would delete what may be the
// right bytes, since the holder cannot see what is wrong (decision 0019).
void TellWrong(absl::string_view by, const WrongUnit& wrong) {
  LOG_EVERY_SECONDS(kError, 1,
                    "blk_{} on datanode {} is wrong, as datanode {} found when it rebuilt another "
                    "unit: {}; see \"A wrong unit\" in docs/operations.md",
                    ToSigned(wrong.block), EscapeForLog(wrong.datanode_uuid), by,
                    EscapeForLog(wrong.reason));
}

}  // namespace

absl::StatusOr<DatanodeWelcome> NamenodeImpl::Register(const DatanodeRegistration& node) {
  if (!node.cluster_id.empty() && node.cluster_id != cluster_id_) {
    return Mismatch(node, "cluster id", node.cluster_id, cluster_id_);
  }
  if (!node.block_pool_id.empty() && node.block_pool_id != block_pool_id_) {
    return Mismatch(node, "block pool id", node.block_pool_id, block_pool_id_);
  }
  if (node.layout_version != kDatanodeLayoutVersion) {
    return Mismatch(node, "layout version", absl::StrCat(node.layout_version),
                    absl::StrCat(kDatanodeLayoutVersion));
  }
  const NodeRegistration registration{node.datanode_uuid, node.address, node.storages};
  RETURN_IF_ERROR(cluster_.CheckRegistration(registration));
  {
    WriterLock lock(mu_);
    if (journal_ == nullptr) return absl::UnavailableError("the namenode is still starting");
    for (const StorageInfo& storage : node.storages) {
      const bool is_back = !storage.failed && cluster_.IsRecordedAway(storage.uuid);
      const bool is_known = cluster_.IsStorageOf(storage.uuid, node.datanode_uuid);
      // A full disk of the journal keeps nobody's replicas from readers: no block can be added
      // then, and before one is, it is written down (RecordThere).
      if (is_known && (!is_back || !journal_->Ready().ok() || !store_.Ready().ok())) continue;
      RETURN_IF_ERROR(journal_->Ready());
      RETURN_IF_ERROR(store_.Ready());
      const uint32_t number =
          cluster_.NumberOf(storage.uuid).value_or(tree_->identity().next_storage_number());
      if (number >= kMaxStorages) {
        return absl::ResourceExhaustedError(
            absl::StrCat("storage ", storage.uuid, ": ", kMaxStorages, " storages are known"));
      }
      edit::Edit edit;
      edit.set_time_ms(NowMs());
      edit::RegisterStorage& change = *edit.mutable_register_storage();
      change.set_number(number);
      change.set_storage_uuid(storage.uuid);
      change.set_datanode_uuid(node.datanode_uuid);
      change.set_storage_type(storage.type);
      // Not waited for: records that use the number reach the store after this edit or with it.
      AppendAndApply(edit);
    }
  }
  ASSIGN_OR_RETURN(const uint64_t session, cluster_.Register(registration));
  std::vector<uint32_t> storages;  // those that it has, not all that it ever had
  for (const StorageInfo& storage : node.storages) {
    if (const auto number = cluster_.NumberOf(storage.uuid)) storages.push_back(*number);
  }
  for (const uint32_t storage : storages) full_reports_.Drop(storage);
  invalidations_.Close(cluster_.StoragesOf(node.datanode_uuid), session);
  invalidations_.Open(storages, session);
  orders_.Clear(node.datanode_uuid);
  bell_.Open(node.datanode_uuid, session);
  if (const uint64_t bandwidth = healer_->balancer().bandwidth(); bandwidth != 0) {
    orders_.Add(node.datanode_uuid, BalanceBandwidthCommand{bandwidth});
  }
  LOG_INFO("datanode {} registered: {} ({}:{}), {} storages, software {}", node.datanode_uuid,
           node.address.host_name, node.address.ip, node.address.transfer_port,
           node.storages.size(), node.software_version);
  ReaderLock lock(mu_);
  const ReplicaDigests& digests = blocks_->digests();
  return DatanodeWelcome{cluster_id_,
                         block_pool_id_,
                         session,
                         options_.heartbeat_interval,
                         /*full_report=*/true,
                         digests.given_up() ? 0 : digests.shift()};
}

absl::StatusOr<std::vector<DatanodeCommand>> NamenodeImpl::Heartbeat(
    const DatanodeHeartbeat& heartbeat) {
  RETURN_IF_ERROR(cluster_.Heartbeat(heartbeat.datanode_uuid, heartbeat.session, heartbeat.storages,
                                     heartbeat.transfers));
  bell_.Taken(heartbeat.datanode_uuid);
  const std::span<const FailedCopy> failed = heartbeat.failed_copies;
  for (size_t at = 0; at < failed.size(); at += kFailedSlice) {
    WriterLock lock(mu_);
    const auto slice = failed.subspan(at, std::min(kFailedSlice, failed.size() - at));
    healer_->CopiesFailed(heartbeat.datanode_uuid, heartbeat.session, slice);
    UnitsNotRewritten(slice);
  }
  for (const WrongUnit& wrong : heartbeat.wrong_units) TellWrong(heartbeat.datanode_uuid, wrong);
  const std::span<const GroupVerdict> verdicts = heartbeat.group_verdicts;
  for (size_t at = 0; at < verdicts.size(); at += kFailedSlice) {
    WriterLock lock(mu_);
    const auto slice = verdicts.subspan(at, std::min(kFailedSlice, verdicts.size() - at));
    healer_->GroupsVerified(heartbeat.datanode_uuid, heartbeat.session, slice);
  }
  TxId durable;
  {
    ReaderLock lock(mu_);
    // Nothing is cut or deleted in safe mode: whoever sees that something is wrong can still stop
    // it.
    if (journal_ == nullptr || safe_mode_.on()) return std::vector<DatanodeCommand>();
    durable = journal_->durable();
  }
  std::vector<DatanodeCommand> commands = orders_.Take(heartbeat.datanode_uuid);
  const std::shared_ptr<const ClusterView> view = cluster_.View();
  const ClusterView::Node* const node = view->FindByUuid(heartbeat.datanode_uuid);
  if (node == nullptr) return commands;
  std::vector<uint32_t> storages;
  for (const StorageInfo& storage : node->info->storages) storages.push_back(storage.number);
  InvalidateCommand invalidate;
  for (const InvalidationOrder& order :
       invalidations_.Take(storages, durable, clock_.Monotonic())) {
    invalidate.blocks.push_back({order.id, order.stamp, 0});
  }
  if (!invalidate.blocks.empty()) commands.push_back(std::move(invalidate));
  if (invalidations_.TakeMissed(storages)) commands.push_back(FullReportCommand{});
  return commands;
}

void NamenodeImpl::AwaitOrders(absl::string_view datanode_uuid, uint64_t session,
                               std::shared_ptr<OrderWait> wait) {
  bell_.Wait(datanode_uuid, session, clock_.Monotonic(), std::move(wait));
}

absl::StatusOr<uint32_t> NamenodeImpl::NumberForReport(absl::string_view storage_uuid,
                                                       absl::string_view datanode_uuid) const {
  const std::optional<uint32_t> number = cluster_.NumberOf(storage_uuid);
  if (!number || !cluster_.IsStorageOf(storage_uuid, datanode_uuid)) {
    return absl::AbortedError(absl::StrCat("storage ", storage_uuid, " of datanode ", datanode_uuid,
                                           " is not registered; register again"));
  }
  return *number;
}

absl::Status NamenodeImpl::ReportChanges(const ChangesReport& report) {
  ASSIGN_OR_RETURN(ClusterState::ReportTurn turn,
                   cluster_.BeginReport(report.datanode_uuid, report.session, report.sequence));
  if (!turn.is_new()) return absl::OkStatus();
  const std::shared_ptr<const ClusterView> view = cluster_.View();
  const ClusterView::Node* const node = view->FindByUuid(report.datanode_uuid);
  if (node == nullptr) return absl::AbortedError("register again");
  const std::span<const StorageChanges> all = report.storages;
  for (size_t at = 0; at < all.size(); ++at) {
    const StorageChanges& changes = all[at];
    ASSIGN_OR_RETURN(const uint32_t storage,
                     NumberForReport(changes.storage_uuid, report.datanode_uuid));
    for (const ReportedReplica& replica : changes.replicas) {
      full_reports_.NoteChange(storage, replica.block.id);
    }
    Reporter reporter(*this, *node->info, report.session, storage, /*changes=*/true);
    const Reporter::Moves moves = Reporter::FindMoves(cluster_, all.subspan(at));
    reporter.SetMoves(&moves);
    RETURN_IF_ERROR(reporter.Process(changes.replicas));
  }
  turn.Done();
  return absl::OkStatus();
}

absl::Status NamenodeImpl::DropMissingInRanges(Reporter& reporter, const ReplicasReport& report,
                                               const absl::flat_hash_set<BlockId>& changed) {
  std::span<const ReportedReplica> rest = report.replicas;
  for (const BlockRange& range : report.ranges) {
    size_t inside = 0;
    while (inside < rest.size() && rest[inside].block.id <= range.last) ++inside;
    const BlockId after{ToInt(range.first) - 1};
    RETURN_IF_ERROR(reporter.DropMissing(after, range.last, rest.first(inside), changed));
    RETURN_IF_ERROR(reporter.DropWithoutIndex(range, rest.first(inside), changed));
    rest = rest.subspan(inside);
  }
  return absl::OkStatus();
}

absl::Status NamenodeImpl::ReportReplicas(const ReplicasReport& report) {
  ASSIGN_OR_RETURN(ClusterState::ReportTurn turn,
                   cluster_.BeginReport(report.datanode_uuid, report.session, report.sequence));
  if (!turn.is_new()) return absl::OkStatus();
  const std::shared_ptr<const ClusterView> view = cluster_.View();
  const ClusterView::Node* const node = view->FindByUuid(report.datanode_uuid);
  if (node == nullptr) return absl::AbortedError("register again");
  ASSIGN_OR_RETURN(const uint32_t storage,
                   NumberForReport(report.storage_uuid, report.datanode_uuid));
  ASSIGN_OR_RETURN(const BlockId after,
                   full_reports_.Begin(storage, report.session, report.report_id, report.part));
  std::optional<BlockId> first;
  if (!report.replicas.empty()) first = report.replicas.front().block.id;
  if (!report.ranges.empty()) first = report.ranges.front().first;
  if (first && report.part != 0 && *first <= after) {
    return absl::InvalidArgumentError(absl::StrCat("full report of storage ", report.storage_uuid,
                                                   ": part ", report.part, " goes back to block ",
                                                   ToInt(*first)));
  }
  const absl::flat_hash_set<BlockId> changed = full_reports_.Changed(storage);
  std::vector<ReportedReplica> unchanged;
  if (!changed.empty()) {
    for (const ReportedReplica& replica : report.replicas) {
      if (!changed.contains(replica.block.id)) unchanged.push_back(replica);
    }
  }
  Reporter reporter(*this, *node->info, report.session, storage, /*changes=*/false);
  RETURN_IF_ERROR(reporter.Process(changed.empty() ? report.replicas : unchanged));

  BlockId reached = report.replicas.empty() ? after : report.replicas.back().block.id;
  if (!report.ranges.empty()) {
    RETURN_IF_ERROR(DropMissingInRanges(reporter, report, changed));
    reached = report.ranges.back().last;
  } else if (report.last || reached != after) {
    std::optional<BlockId> up_to;
    if (!report.last) up_to = reached;
    RETURN_IF_ERROR(reporter.DropMissing(after, up_to, report.replicas, changed));
    if (after != kLastId) {
      RETURN_IF_ERROR(reporter.DropWithoutIndex(
          {BlockId{ToInt(after) + 1}, up_to.value_or(kLastId)}, report.replicas, changed));
    }
  }
  if (report.last) {
    full_reports_.End(storage, report.session);
    cluster_.SetReported(storage, report.session);
  } else {
    full_reports_.Advance(storage, report.session, reached);
  }
  turn.Done();
  return absl::OkStatus();
}

}  // namespace cairn::namenode
