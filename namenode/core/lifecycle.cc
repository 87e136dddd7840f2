// Start, replay, stop, and one round of what goes on beside the requests.
#include <algorithm>

#include "common/check.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "namenode/core/healer.h"
#include "namenode/core/run.h"
#include "namenode/namespace/units.h"
#include "namenode/store/keys.h"

namespace cairn::namenode {
namespace {

constexpr size_t kScanPage = 1000;
constexpr uint64_t kEditsBetweenTailChecks = 256;
// How often, and for how many storages at a time, it is written down who was given up.
constexpr absl::Duration kGivenUpInterval = absl::Seconds(10);
constexpr size_t kGivenUpSlice = 64;
// How often it is looked for storages whose deletion orders have become durable.
constexpr absl::Duration kRingInterval = absl::Milliseconds(50);

}  // namespace

absl::Status NamenodeImpl::OpenStore() {
  WriterLock lock(mu_);
  RETURN_IF_ERROR(tree_->Open());
  cluster_id_ = tree_->identity().cluster_id();
  block_pool_id_ = tree_->identity().block_pool_id();
  last_txid_ = store_.applied();

  RETURN_IF_ERROR(
      ForEachRecord(std::string(1, keys::kStorage),
                    [&](absl::string_view, absl::string_view value) -> absl::Status {
                      store::Storage storage;
                      if (!storage.ParseFromArray(value.data(), value.size())) {
                        return absl::DataLossError("store: a storage record is damaged");
                      }
                      cluster_.AddStorage(storage.number(), storage.storage_uuid(),
                                          storage.datanode_uuid(), storage.storage_type(),
                                          storage.given_up(), BlockId{storage.lost_from_block()});
                      return absl::OkStatus();
                    }));
  const auto reopen = [&](absl::string_view key, absl::string_view) -> absl::Status {
    mu_.AssertHeld();
    uint64_t id;
    if (!keys::ParseTrailingId(key, &id)) return absl::DataLossError("store: an open-file key");
    ASSIGN_OR_RETURN(const Inode* const file, tree_->Require(InodeId{id}));
    if (!file->is_open()) return absl::DataLossError("store: an open file is not open");
    OnOpened(*file);
    // Which datanodes were writing is not stored: their reports tell. A reopened block gets its
    // known replicas back as the places where it may go on.
    if (!file->file->blocks.empty() && !file->file->last_committed) {
      const BlockVersion& last = file->file->blocks.back();
      ForEachUnit(*file, last, /*final=*/false, [&](uint32_t, const BlockVersion& unit) {
        mu_.AssertHeld();
        RequireBlock(unit.id);
        blocks_->Reopen(unit);
      });
    }
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(ForEachRecord(std::string(1, keys::kOpenFile), reopen));
  const auto removed = store_.Scan(std::string(1, keys::kRemovedBlock), "", 1);
  removed_unseen_ = removed->Valid();  // found in the background
  RETURN_IF_ERROR(removed->status());
  const auto remember = [&](absl::string_view key, absl::string_view) -> absl::Status {
    mu_.AssertHeld();
    uint64_t id;
    if (!keys::ParseTrailingId(key, &id)) {
      return absl::DataLossError("store: a detached-inode key");
    }
    detached_.push_back(InodeId{id});
    return absl::OkStatus();
  };
  return ForEachRecord(std::string(1, keys::kDetached), remember);
}

absl::Status NamenodeImpl::ForEachRecord(
    const std::string& prefix,
    const std::function<absl::Status(absl::string_view, absl::string_view)>& use) {
  std::string after;
  for (bool more = true; more;) {
    const std::unique_ptr<Store::Range> range = store_.Scan(prefix, after, kScanPage);
    size_t count = 0;
    for (; range->Valid() && count < kScanPage; range->Next(), ++count) {
      after = std::string(range->key());
      RETURN_IF_ERROR(use(range->key(), range->value()));
    }
    RETURN_IF_ERROR(range->status());
    more = range->more() || range->Valid();
    if (range->more() && !range->Valid()) after = std::string(range->resume_after());
  }
  return absl::OkStatus();
}

absl::Status NamenodeImpl::Replay(TxId txid, absl::string_view bytes) {
  // A journal is read faster than a slow disk takes the store's tails, which are held to their
  // limit here as well. A full disk is not waited for: the namenode may still start, to be read.
  if (ToInt(txid) % kEditsBetweenTailChecks == 0 && absl::IsResourceExhausted(store_.Ready())) {
    store_.WaitFlushed().IgnoreError();
  }
  edit::Edit edit;
  if (!edit.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::DataLossError(absl::StrCat("journal: edit ", ToInt(txid), " does not parse"));
  }
  WriterLock lock(mu_);
  // As in AppendAndApply: nobody goes on, or flushes, with half of an edit.
  return [&]() noexcept -> absl::Status {
    mu_.AssertHeld();
    if (txid > store_.applied()) {
      if (ToInt(txid) != ToInt(last_txid_) + 1) {
        return absl::DataLossError(
            absl::StrCat("journal: edit ", ToInt(txid), " follows edit ", ToInt(last_txid_)));
      }
      RETURN_IF_ERROR(tree_->Apply(edit, txid));
      last_txid_ = txid;
      // Reclaimed before the restart: what this list is for has been done.
      if (edit.reclaim().root_removed()) std::erase(detached_, InodeId{edit.reclaim().root()});
      tree_->Trim(64);
    }
    RememberForRetry(edit, txid);
    return absl::OkStatus();
  }();
}

Tree::Counters NamenodeImpl::reserved() const {
  ReaderLock lock(mu_);
  return tree_->reserved();
}

absl::Status NamenodeImpl::NumberOn(const Tree::Counters& behind, uint64_t left_alone_from,
                                    TxId txid) {
  WriterLock lock(mu_);
  CHECK(journal_ == nullptr && last_txid_ < txid);
  const Tree::Counters& reserved = tree_->reserved();
  edit::Edit edit;
  edit.set_time_ms(NowMs());
  edit::ReserveIds& reserve = *edit.mutable_reserve_ids();
  reserve.set_inode_id(std::max(reserved.inode_id, behind.inode_id));
  reserve.set_block_id(std::max(reserved.block_id, behind.block_id));
  reserve.set_generation_stamp(std::max(reserved.generation_stamp, behind.generation_stamp));
  reserve.set_left_alone_from(std::min(left_alone_from, reserve.block_id()));
  RETURN_IF_ERROR(tree_->Apply(edit, txid));
  last_txid_ = txid;
  return absl::OkStatus();
}

Outcome<Nothing> NamenodeImpl::FinalizeRestore(const Caller& caller) {
  if (!IsSuperuser(caller)) {
    return {MakeFsError(
        FsError::kAccessControl,
        absl::StrCat("Access denied for user ", caller.user, ". Superuser privilege is required"))};
  }
  WriterLock lock(mu_);
  const store::Namespace& identity = tree_->identity();
  if (identity.left_alone_from() >= identity.left_alone_to()) return {Nothing{}, ToInt(last_txid_)};
  if (absl::Status status = ReadyToWrite("finalize"); !status.ok()) return {status};
  const Tree::Counters& reserved = tree_->reserved();
  edit::Edit edit;
  edit.set_time_ms(NowMs());
  edit::ReserveIds& reserve = *edit.mutable_reserve_ids();
  reserve.set_inode_id(reserved.inode_id);
  reserve.set_block_id(reserved.block_id);
  reserve.set_generation_stamp(reserved.generation_stamp);
  reserve.set_left_alone_from(reserved.block_id);
  return {Nothing{}, ToInt(AppendAndApply(edit))};
}

void NamenodeImpl::StartServing(Journal& journal) {
  WriterLock lock(mu_);
  // What the counters gave out after the last reservation is unknown: go on behind all of it.
  next_ = tree_->reserved();
  journal_ = &journal;
  healer_->SetOldStorages(tree_->identity().next_storage_number());
  blocks_->digests().Restart(ReplicaDigests::ShiftFor(tree_->identity().next_storage_number()));
}

void NamenodeImpl::StartSafeMode(absl::Duration longest) {
  WriterLock lock(mu_);
  safe_mode_.EnterAtStartup(cluster_.AwaitedDatanodes(), clock_.Monotonic() + longest);
}

void NamenodeImpl::RunMaintenance() {
  {
    WriterLock lock(mu_);
    if (safe_mode_.startup()) {
      safe_mode_.Update(cluster_.AwaitedDatanodes(SafeModeState::kMostNamed), clock_.Monotonic());
      if (!safe_mode_.startup()) LOG_INFO("start-up's safe mode is over");
    }
    tree_->Trim(1000);
  }
  for (const ClusterState::DeadNode& node : cluster_.TakeNewlyDead()) {
    LOG_WARN("datanode {} has been silent for too long: dead", node.uuid);
    invalidations_.Close(node.storages, node.session);
    orders_.Clear(node.uuid);
    bell_.Close(node.uuid, node.session);
  }
  if (journal_ == nullptr) return;
  ReleaseRemovedBlocks();
  ReclaimSlice();
  RecoverExpiredLeases();
  SendRecoveries();
  RingForDeletions();
  WalkReplicaRecords();
  RecordGivenUp();
  RecordAccesses();
}

// Deletion orders become ready without anybody's doing: by the journal's progress, or by time.
void NamenodeImpl::RingForDeletions() {
  const absl::Duration now = clock_.Monotonic();
  if (now < next_ring_) return;
  next_ring_ = now + kRingInterval;
  {
    ReaderLock lock(mu_);
    if (safe_mode_.on()) return;  // they stay where they are
  }
  const std::vector<uint32_t> ready = invalidations_.Ready(journal_->durable(), now);
  if (ready.empty()) return;
  const std::shared_ptr<const ClusterView> cluster = cluster_.View();
  for (const uint32_t storage : ready) {
    const StorageLocation* const at = cluster->Find(storage);
    if (at != nullptr) bell_.Ring(at->node->uuid, OrderBell::For::kDeletion);
  }
}

// So that the next start does not wait for a datanode that was given up before it.
void NamenodeImpl::RecordGivenUp() {
  const absl::Duration now = clock_.Monotonic();
  if (now < next_given_up_) return;
  next_given_up_ = now + kGivenUpInterval;
  WriterLock lock(mu_);
  if (!ReadyToWrite("record").ok()) return;
  for (const ClusterState::StorageRecord& storage : cluster_.OutdatedRecords(kGivenUpSlice)) {
    RecordStorage(storage);
  }
}

void NamenodeImpl::RecordStorage(const ClusterState::StorageRecord& storage) {
  edit::Edit edit;
  edit.set_time_ms(NowMs());
  edit::RegisterStorage& change = *edit.mutable_register_storage();
  change.set_number(storage.number);
  change.set_storage_uuid(storage.storage_uuid);
  change.set_datanode_uuid(storage.datanode_uuid);
  change.set_storage_type(storage.type);
  change.set_given_up(storage.given_up);
  if (storage.is_away) {
    const bool before = storage.lost_from != BlockId{};
    change.set_lost_from_block(before ? ToInt(storage.lost_from) : next_.block_id);
  }
  AppendAndApply(edit);
}

// Or a start after a crash would hold that they have nothing of the block, and not wait for them.
void NamenodeImpl::RecordThere(std::span<const uint32_t> storages) {
  for (const auto& storage : cluster_.RecordedAway(storages)) RecordStorage(storage);
}

bool NamenodeImpl::RunHealing() { return healer_->Tick(); }

void NamenodeImpl::QueueStorageForCheck(uint32_t storage) {
  WriterLock lock(mu_);
  healer_->CheckStorage(storage);
}

HealthTotals NamenodeImpl::Health() {
  ReaderLock lock(mu_);
  return healer_->Totals();
}

std::vector<LeaveProgress> NamenodeImpl::Leaving() { return healer_->Leaving(); }

std::vector<BlockId> NamenodeImpl::BlocksInNeed(Need need, BlockId after, size_t most) {
  ReaderLock lock(mu_);
  return healer_->InNeed(need, after, most);
}

}  // namespace cairn::namenode
