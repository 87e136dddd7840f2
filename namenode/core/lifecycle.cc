// Start, replay, stop, and what goes on beside the requests.
#include "common/check.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "namenode/core/run.h"
#include "namenode/store/keys.h"

namespace cairn::namenode {
namespace {

// Entries removed by one Reclaim edit: some 100 us under the lock.
constexpr size_t kReclaimSlice = 256;
// Blocks told to their storages in one step.
constexpr size_t kReleaseSlice = 256;
constexpr size_t kScanPage = 1000;

}  // namespace

absl::Status NamenodeImpl::OpenStore() {
  WriterLock lock(mu_);
  RETURN_IF_ERROR(tree_->Open());
  cluster_id_ = tree_->identity().cluster_id();
  block_pool_id_ = tree_->identity().block_pool_id();
  last_txid_ = store_.applied();

  RETURN_IF_ERROR(ForEachRecord(std::string(1, keys::kStorage),
                                [&](absl::string_view, absl::string_view value) -> absl::Status {
                                  store::Storage storage;
                                  if (!storage.ParseFromArray(value.data(), value.size())) {
                                    return absl::DataLossError("store: a storage record is damaged");
                                  }
                                  cluster_.AddStorage(storage.number(), storage.storage_uuid(),
                                                      storage.datanode_uuid(),
                                                      storage.storage_type());
                                  return absl::OkStatus();
                                }));
  RETURN_IF_ERROR(ForEachRecord(
      std::string(1, keys::kOpenFile),
      [&](absl::string_view key, absl::string_view) -> absl::Status {
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
          RequireBlock(last.id);
          blocks_->Reopen(last);
        }
        return absl::OkStatus();
      }));
  return ForEachRecord(std::string(1, keys::kDetached),
                       [&](absl::string_view key, absl::string_view) -> absl::Status {
                         mu_.AssertHeld();
                         uint64_t id;
                         if (!keys::ParseTrailingId(key, &id)) {
                           return absl::DataLossError("store: a detached-inode key");
                         }
                         detached_.push_back(InodeId{id});
                         return absl::OkStatus();
                       });
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
  edit::Edit edit;
  if (!edit.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::DataLossError(absl::StrCat("journal: edit ", ToInt(txid), " does not parse"));
  }
  WriterLock lock(mu_);
  if (txid > store_.applied()) {
    if (ToInt(txid) != ToInt(last_txid_) + 1) {
      return absl::DataLossError(absl::StrCat("journal: edit ", ToInt(txid), " follows edit ",
                                              ToInt(last_txid_)));
    }
    RETURN_IF_ERROR(tree_->Apply(edit, txid));
    last_txid_ = txid;
    if (edit.reclaim().root_removed()) std::erase(detached_, InodeId{edit.reclaim().root()});
    // Reclaimed before the restart: what this list is for has been done.
    if (edit.reclaim().root_removed()) std::erase(detached_, InodeId{edit.reclaim().root()});
    tree_->Trim(64);
  }
  RememberForRetry(edit, txid);
  return absl::OkStatus();
}

void NamenodeImpl::StartServing(Journal& journal) {
  WriterLock lock(mu_);
  // What the counters gave out after the last reservation is unknown: go on behind all of it.
  next_ = tree_->reserved();
  journal_ = &journal;
  serving_since_ = clock_.Monotonic();
}

void NamenodeImpl::StartSafeMode(absl::Duration longest) {
  WriterLock lock(mu_);
  safe_mode_.EnterAtStartup(cluster_.KnownDatanodes(), clock_.Monotonic() + longest);
}

void NamenodeImpl::RunMaintenance() {
  {
    WriterLock lock(mu_);
    safe_mode_.Update(cluster_.Totals().live, clock_.Monotonic());
    tree_->Trim(1000);
  }
  for (const ClusterState::DeadNode& node : cluster_.TakeNewlyDead()) {
    LOG_WARN("datanode {} has been silent for too long: dead", node.uuid);
    invalidations_.Close(node.storages);
  }
  if (journal_ == nullptr) return;
  journal_->Release(store_.applied());
  ReleaseRemovedBlocks();
  ReclaimSlice();
  RecoverExpiredLeases();
  SendRecoveries();
}

NamenodeImpl::ReplicaCounts NamenodeImpl::CountReplicas() const {
  ReaderLock lock(mu_);
  return {blocks_->stats().corrupt, invalidations_.pending()};
}

bool NamenodeImpl::HasBackgroundWork() const {
  ReaderLock lock(mu_);
  return !detached_.empty() || !removed_blocks_.empty();
}

void NamenodeImpl::ReleaseRemovedBlocks() {
  for (size_t i = 0; i < kReleaseSlice && !invalidations_.IsFull(); ++i) {
    RemovedBlock removed;
    {
      WriterLock lock(mu_);
      if (removed_blocks_.empty()) return;
      removed = removed_blocks_.front();
    }
    if (absl::Status status = LoadBlock(removed.block.id); !status.ok()) {
      LOG_WARN("block {}: cannot read where its replicas are: {}", ToInt(removed.block.id),
                  status.ToString());
    }
    WriterLock lock(mu_);
    removed_blocks_.pop_front();
    if (blocks_->Find(removed.block.id) == nullptr) continue;
    invalidations_.Add(blocks_->Remove(removed.block.id),
                       {removed.block.id, removed.block.stamp}, removed.txid);
  }
}

// One slice of one detached subtree, depth first, so that a directory goes after what was in it.
// Each slice is an edit of its own. The walk's position is kept in memory: a restart begins at the
// subtree's root again and finds what is left.
void NamenodeImpl::ReclaimSlice() {
  {
    ReaderLock lock(mu_);
    if (reclaiming_.empty()) {
      if (detached_.empty() || invalidations_.IsFull()) return;
      reclaiming_.push_back({detached_.front(), "", ""});
    }
  }
  edit::Edit edit;
  edit::Reclaim& reclaim = *edit.mutable_reclaim();
  const InodeId root = reclaiming_.front().directory;
  reclaim.set_root(ToInt(root));
  absl::Status status = FillReclaim(&reclaim);
  for (const auto& entry : reclaim.removed()) {
    if (status.ok()) status = LoadInode(InodeId{entry.inode()});
  }
  if (!status.ok()) {
    LOG_ERROR("cannot reclaim deleted directory (inode {}): {}", ToInt(root), status.ToString());
    reclaiming_.clear();  // from the start again, in the next round
    return;
  }
  WriterLock lock(mu_);
  if (!ReadyToWrite("reclaim").ok()) {  // safe mode, or no room
    reclaiming_.clear();
    return;
  }
  edit.set_time_ms(NowMs());
  AppendAndApply(edit);
  if (reclaim.root_removed()) {
    detached_.pop_front();
    reclaiming_.clear();
  }
}

absl::Status NamenodeImpl::FillReclaim(edit::Reclaim* reclaim) {
  while (static_cast<size_t>(reclaim->removed_size()) < kReclaimSlice) {
    ReclaimLevel& level = reclaiming_.back();
    std::unique_ptr<Store::Range> range;
    {
      WriterLock lock(mu_);
      // Not resident: then none of its children is, and the store has all of them.
      if (const Inode* const directory = tree_->FindById(level.directory)) {
        tree_->SaveChildren(*directory);
      }
      range = store_.Scan(keys::EntryPrefix(level.directory), level.after, kReclaimSlice);
    }
    bool deeper = false;
    for (; !deeper && range->Valid(); range->Next()) {
      if (static_cast<size_t>(reclaim->removed_size()) >= kReclaimSlice) return absl::OkStatus();
      store::Inode record;
      absl::string_view name;
      if (!keys::ParseEntryName(range->key(), &name) ||
          !record.ParseFromArray(range->value().data(), static_cast<int>(range->value().size()))) {
        return absl::DataLossError("store: a directory entry is damaged");
      }
      level.after = std::string(range->key());
      if (record.directory() && record.children() != 0) {
        reclaiming_.push_back({InodeId{record.id()}, std::string(name), ""});
        deeper = true;  // `level` is dangling from here on
        break;
      }
      AddReclaimed(level.directory, name, InodeId{record.id()}, reclaim);
    }
    if (deeper) continue;
    RETURN_IF_ERROR(range->status());
    if (range->more()) {
      level.after = std::string(range->resume_after());
      continue;
    }
    // All that was in it has been removed, or is in this edit: now the directory itself.
    if (reclaiming_.size() == 1) {
      reclaim->set_root_removed(true);
      return absl::OkStatus();
    }
    const ReclaimLevel done = std::move(reclaiming_.back());
    reclaiming_.pop_back();
    AddReclaimed(reclaiming_.back().directory, done.name, done.directory, reclaim);
  }
  return absl::OkStatus();
}

void NamenodeImpl::AddReclaimed(InodeId parent, absl::string_view name, InodeId inode,
                                edit::Reclaim* reclaim) {
  auto* const entry = reclaim->add_removed();
  entry->set_parent(ToInt(parent));
  entry->set_name(std::string(name));
  entry->set_inode(ToInt(inode));
}

// ---- what Apply tells

void NamenodeImpl::RequireBlock(BlockId block) {
  if (blocks_->Find(block) != nullptr) return;
  // At run time operations load before they commit: only replay comes here.
  const absl::StatusOr<std::string> bytes = tree_->FetchLocked(keys::Replicas(block));
  store::Replicas record;
  if (bytes.ok() && record.ParseFromString(*bytes)) {
    blocks_->Insert(block, record);
  } else {
    blocks_->Insert(block, std::nullopt);  // reports will tell
  }
}

void NamenodeImpl::ForgetBlock(const BlockVersion& block, TxId txid) {
  waiters_.Take(block.id);  // whoever waits learns by its time-out; the call-backs are dropped
  invalidations_.Add(blocks_->Remove(block.id), {block.id, block.stamp}, txid);
}

void NamenodeImpl::OnBlockAdded(const Inode& file, const BlockVersion& block) {
  mu_.AssertHeld();
  blocks_->AddUnderConstruction(block, targets_);
  // The one before the previous has its minimum: that was checked before this edit was made.
  const auto& blocks = file.file->blocks;
  if (blocks.size() >= 3) CompleteBlock(blocks[blocks.size() - 3].id);
}

void NamenodeImpl::CompleteBlock(BlockId block) {
  if (blocks_->Find(block) != nullptr) blocks_->Complete(block);
}

void NamenodeImpl::OnBlockChanged(const Inode& file, const BlockVersion& block, bool committed) {
  (void)file;
  mu_.AssertHeld();
  RequireBlock(block.id);
  if (committed) {
    const BlockMap::CommitResult result = blocks_->Commit(block);
    // Replicas of an older stamp only: the order names the stamp up to which they go.
    if (!result.bad.empty() && ToInt(block.stamp) > 0) {
      invalidations_.Add(result.bad, {block.id, GenerationStamp{ToInt(block.stamp) - 1}},
                         TxId{ToInt(last_txid_)});
    }
    return;
  }
  if (!targets_.empty()) {
    blocks_->SetPipeline(block, targets_);
  } else if (blocks_->Find(block.id)->stamp() != block.stamp ||
             blocks_->Find(block.id)->state() != BlockMap::State::kUnderConstruction) {
    blocks_->Reopen(block);
  }
}

void NamenodeImpl::OnBlockRemoved(const BlockVersion& block) {
  mu_.AssertHeld();
  recovering_.erase(block.id);
  if (journal_ != nullptr && blocks_->Find(block.id) != nullptr) {
    ForgetBlock(block, last_txid_);
    return;
  }
  removed_blocks_.push_back({block, last_txid_});
}

void NamenodeImpl::OnOpened(const Inode& file) {
  mu_.AssertHeld();
  leases_.Restore(file.id, file.file->writer->holder);
  if (!file.file->truncating || file.file->blocks.empty()) return;
  // From a replay or the store: which stamp the replicas have is not known, any old one will do.
  const BlockVersion& last = file.file->blocks.back();
  recovering_[last.id] = {file.id, last, GenerationStamp{1}, true, clock_.Monotonic(), {}};
}

void NamenodeImpl::OnClosed(const Inode& file) {
  mu_.AssertHeld();
  leases_.Release(file.id);
  const auto& blocks = file.file->blocks;
  if (!blocks.empty()) recovering_.erase(blocks.back().id);
  if (blocks.size() >= 2) CompleteBlock(blocks[blocks.size() - 2].id);
  if (!blocks.empty()) CompleteBlock(blocks.back().id);
}

void NamenodeImpl::OnDetached(InodeId directory) {
  mu_.AssertHeld();
  detached_.push_back(directory);
}

void NamenodeImpl::OnStorageRegistered(const edit::RegisterStorage& storage) {
  cluster_.AddStorage(storage.number(), storage.storage_uuid(), storage.datanode_uuid(),
                      storage.storage_type());
}

}  // namespace cairn::namenode
