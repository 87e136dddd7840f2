// What Tree::Apply tells: block map, leases, running recoveries and deletion orders follow the
// namespace, at run time and in replay alike.
#include "namenode/core/healer.h"
#include "namenode/core/namenode_impl.h"
#include "namenode/namespace/units.h"
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
  // Whoever waits learns by its time-out; the call-backs are dropped.
  waiters_.Take(OwnedId(block.id));
  invalidations_.Add(blocks_->Remove(block.id), {block.id, block.stamp}, txid);
}

std::span<const uint32_t> NamenodeImpl::TargetsOf(const Inode& file, uint32_t unit) const {
  if (file.erasure == nullptr) return targets_;
  if (unit >= targets_.size() || targets_[unit] == kNoStorage) return {};
  return std::span(&targets_[unit], 1);
}

void NamenodeImpl::OnBlockAdded(const Inode& file, const BlockVersion& block) {
  mu_.AssertHeld();
  ForEachUnit(file, block, /*final=*/false, [&](uint32_t unit, const BlockVersion& version) {
    mu_.AssertHeld();
    blocks_->AddUnderConstruction(version, TargetsOf(file, unit));
  });
  // The one before the previous has its minimum: that was checked before this edit was made.
  const auto& blocks = file.file->blocks;
  if (blocks.size() >= 3) CompleteBlock(file, blocks[blocks.size() - 3]);
  if (blocks.size() >= 2) BlockWritten(file, blocks[blocks.size() - 2]);
}

void NamenodeImpl::CompleteBlock(const Inode& file, const BlockVersion& block) {
  ForEachUnit(file, block, /*final=*/true, [&](uint32_t, const BlockVersion& version) {
    if (blocks_->Find(version.id) != nullptr) blocks_->Complete(version.id);
  });
}

void NamenodeImpl::BlockWritten(const Inode& file, const BlockVersion& block) {
  ForEachUnit(file, block, /*final=*/true, [&](uint32_t, const BlockVersion& version) {
    healer_->BlockWritten(version.id, file.file->replication);
  });
}

void NamenodeImpl::OnBlockChanged(const Inode& file, const BlockVersion& block, bool committed) {
  mu_.AssertHeld();
  ForEachUnit(file, block, /*final=*/false, [&](uint32_t unit, const BlockVersion& version) {
    mu_.AssertHeld();
    if (committed && !Exists(version, /*final=*/true)) {
      RemoveUnit(version);
      return;
    }
    RequireBlock(version.id);
    if (committed) {
      CommitUnit(version);
    } else if (!targets_.empty()) {
      blocks_->SetPipeline(version, TargetsOf(file, unit));
    } else if (blocks_->Find(version.id)->stamp() != version.stamp ||
               blocks_->Find(version.id)->state() != BlockMap::State::kUnderConstruction) {
      blocks_->Reopen(version);
    }
  });
}

void NamenodeImpl::CommitUnit(const BlockVersion& unit) {
  const BlockMap::CommitResult result = blocks_->Commit(unit);
  // In replay nobody has told of anything yet.
  if (journal_ != nullptr) healer_->BlockCommitted(unit.id, result.outdated);
  // Replicas of an older stamp only: the order names the stamp up to which they go.
  // Before a good one is reported they may be all that there is: repair deletes them later.
  if (result.live >= blocks_->min_replication(unit.id) && ToInt(unit.stamp) > 0) {
    invalidations_.Add(result.bad, {unit.id, GenerationStamp{ToInt(unit.stamp) - 1}}, last_txid_);
  }
}

// The file does not have it any more.
void NamenodeImpl::RemoveUnit(const BlockVersion& unit) {
  invalidations_.Add(healer_->BlockRemoved(unit.id), {unit.id, unit.stamp}, last_txid_);
  if (journal_ != nullptr && blocks_->Find(unit.id) != nullptr) {
    ForgetBlock(unit, last_txid_);
    return;
  }
  PutRemoved(unit);
  if (removed_blocks_.size() < options_.removed_blocks_in_memory) {
    removed_blocks_.push_back({unit.id, unit.stamp});
  } else {
    removed_unseen_ = true;
  }
}

void NamenodeImpl::PutRemoved(const BlockVersion& unit) {
  store::Block record;
  record.set_id(ToInt(unit.id));
  record.set_generation_stamp(ToInt(unit.stamp));
  record.set_length(unit.length);
  store_.Put(keys::RemovedBlock(unit.id), record.SerializeAsString());
}

// A restart does not wait for the rest of the time: readers are looked after as far as is easy.
void NamenodeImpl::RemoveUnitLater(const BlockVersion& unit) {
  if (journal_ == nullptr || options_.convert_grace <= absl::ZeroDuration() ||
      !superseded_.Add(clock_.Monotonic() + options_.convert_grace, unit)) {
    RemoveUnit(unit);
    return;
  }
  // Who had an older version when he was last heard of may have this one: that stays for readers.
  const std::vector<uint32_t> outdated = healer_->BlockRemoved(unit.id);
  if (ToInt(unit.stamp) > 0) {
    invalidations_.Add(outdated, {unit.id, GenerationStamp{ToInt(unit.stamp) - 1}}, last_txid_);
  }
  PutRemoved(unit);
}

void NamenodeImpl::OnBlockSuperseded(const Inode& file, const BlockVersion& block) {
  mu_.AssertHeld();
  // Of a file that is being written it may not be yet. Nobody waits for its replicas: those that
  // are reported from now on are known by superseded_, or to nobody, and deleted.
  CompleteBlock(file, block);
  ForEachUnit(file, block, /*final=*/true, [&](uint32_t, const BlockVersion& version) {
    mu_.AssertHeld();
    RemoveUnitLater(version);
  });
}

void NamenodeImpl::OnBlockRemoved(const Inode& file, const BlockVersion& block) {
  mu_.AssertHeld();
  recovering_.erase(block.id);
  group_recoveries_.erase(block.id);
  rewriting_.erase(block.id);
  ForEachUnit(file, block, /*final=*/!file.is_open(), [&](uint32_t, const BlockVersion& version) {
    mu_.AssertHeld();
    RemoveUnit(version);
  });
}

void NamenodeImpl::OnOpened(const Inode& file) {
  mu_.AssertHeld();
  leases_.Restore(file.id, file.file->writer->holder);
  if (LeaseManager::IsReservedHolder(file.file->writer->holder)) RecoverSoon(file.id);
  if (file.file->truncate_to != 0) {
    group_truncations_.try_emplace(file.id);
    return;
  }
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
  group_truncations_.erase(file.id);
  const auto& blocks = file.file->blocks;
  if (!blocks.empty()) {
    recovering_.erase(blocks.back().id);
    group_recoveries_.erase(blocks.back().id);
    rewriting_.erase(blocks.back().id);
  }
  if (blocks.size() >= 2) CompleteBlock(file, blocks[blocks.size() - 2]);
  if (blocks.empty()) return;
  CompleteBlock(file, blocks.back());
  BlockWritten(file, blocks.back());
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
