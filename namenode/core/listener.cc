// What Tree::Apply tells: block map, leases, running recoveries and deletion orders follow the
// namespace, at run time and in replay alike.
#include "namenode/core/healer.h"
#include "namenode/core/namenode_impl.h"
#include "namenode/store/keys.h"

namespace cairn::namenode {

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
  if (blocks.size() >= 2) {
    healer_->BlockWritten(blocks[blocks.size() - 2].id, file.file->replication);
  }
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
    // In replay nobody has told of anything yet.
    if (journal_ != nullptr) healer_->BlockCommitted(block.id, result.outdated);
    // Replicas of an older stamp only: the order names the stamp up to which they go.
    // Before a good one is reported they may be all that there is: repair deletes them later.
    if (result.live >= blocks_->min_replication() && ToInt(block.stamp) > 0) {
      invalidations_.Add(result.bad, {block.id, GenerationStamp{ToInt(block.stamp) - 1}},
                         last_txid_);
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
  invalidations_.Add(healer_->BlockRemoved(block.id), {block.id, block.stamp}, last_txid_);
  if (journal_ != nullptr && blocks_->Find(block.id) != nullptr) {
    ForgetBlock(block, last_txid_);
    return;
  }
  store::Block record;
  record.set_id(ToInt(block.id));
  record.set_generation_stamp(ToInt(block.stamp));
  record.set_length(block.length);
  store_.Put(keys::RemovedBlock(block.id), record.SerializeAsString());
  if (removed_blocks_.size() < options_.removed_blocks_in_memory) {
    removed_blocks_.push_back({block.id, block.stamp});
  } else {
    removed_unseen_ = true;
  }
}

void NamenodeImpl::OnOpened(const Inode& file) {
  mu_.AssertHeld();
  leases_.Restore(file.id, file.file->writer->holder);
  if (LeaseManager::IsReservedHolder(file.file->writer->holder)) RecoverSoon(file.id);
  if (!file.file->truncating || file.file->blocks.empty()) return;
  const BlockVersion& last = file.file->blocks.back();
  const GenerationStamp from = file.file->writer->cut_from;
  recovering_[last.id] = {.file = file.id,
                          .block = last,
                          .before = std::max(from, GenerationStamp{1}),
                          .truncate = true,
                          .next_order = clock_.Monotonic(),
                          .ticket = last_txid_};
}

void NamenodeImpl::OnClosed(const Inode& file) {
  mu_.AssertHeld();
  leases_.Release(file.id);
  const auto& blocks = file.file->blocks;
  if (!blocks.empty()) recovering_.erase(blocks.back().id);
  if (blocks.size() >= 2) CompleteBlock(blocks[blocks.size() - 2].id);
  if (blocks.empty()) return;
  CompleteBlock(blocks.back().id);
  healer_->BlockWritten(blocks.back().id, file.file->replication);
}

void NamenodeImpl::OnDetached(InodeId directory) {
  mu_.AssertHeld();
  detached_.push_back(directory);
}

void NamenodeImpl::OnStorageRegistered(const edit::RegisterStorage& storage) {
  cluster_.AddStorage(storage.number(), storage.storage_uuid(), storage.datanode_uuid(),
                      storage.storage_type(), storage.given_up(),
                      BlockId{storage.lost_from_block()});
}

}  // namespace cairn::namenode
