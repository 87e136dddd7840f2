// How the healer finds the blocks to judge: lists of what happened, and walks over files, storages
// and all blocks.
#include <algorithm>

#include "common/fs_error.h"
#include "common/logging.h"
#include "namenode/core/healer.h"
#include "namenode/namespace/units.h"
#include "namenode/store/keys.h"
#include "namenode/store/records.h"

namespace cairn::namenode {
namespace {

constexpr size_t kMostWritten = 1000;  // looked at under one lock, a fraction of a microsecond each
constexpr size_t kMostUnreadAgain = 100;  // listed under one lock, of each kind
// Before a walk over all blocks that has met what cannot be read.
constexpr absl::Duration kWalkAgainPause = absl::Minutes(1);

}  // namespace

std::vector<BlockId> NamenodeImpl::Healer::NextToCheck(const Round& round, size_t most,
                                                       bool* more) {
  std::vector<BlockId> blocks;
  *more = TakeListed(round, most, &blocks);
  {
    WriterLock lock(namenode_.mu_);
    if (queue_.IsFull()) return blocks;  // the walks wait
    if (queue_.TakeOverflow()) walk_again_ = true;
    ListUnreadAgain(round);
    if (!file_walk_ && !files_.empty()) {
      file_walk_ = FileWalk{files_.front()};
      files_.pop_front();
    }
    if (!storage_walk_ && !storages_.empty()) {
      storage_walk_ = StorageWalk{storages_.front(), ""};
      in_storages_.erase(storages_.front());
      storages_.pop_front();
    }
    if (!full_walk_ && (walk_again_ || round.now >= next_full_walk_)) {
      full_walk_ = "";
      walk_again_ = false;
    }
    walking_ = full_walk_.has_value() || storage_walk_.has_value();
  }
  if (file_walk_ && blocks.size() < most) WalkFile(round, most - blocks.size(), &blocks);
  if (storage_walk_ && blocks.size() < most) WalkStorage(round, most - blocks.size(), &blocks);
  if (full_walk_ && blocks.size() < most) WalkAll(round, most - blocks.size(), &blocks);
  return blocks;
}

// True: there is more.
bool NamenodeImpl::Healer::TakeListed(const Round& round, size_t most, std::vector<BlockId>* out) {
  WriterLock lock(namenode_.mu_);
  for (; !listed_.empty() && out->size() < most; listed_.pop_front()) {
    out->push_back(listed_.front());
  }
  for (size_t looks = 0; !written_.empty() && written_.front().due <= round.now &&
                         out->size() < most && looks < kMostWritten;
       written_.pop_front(), ++looks) {
    const BlockId block = written_.front().block;
    const auto outdated = outdated_.find(block);
    if (outdated != outdated_.end() && HaveCaughtUp(outdated->second, block)) {
      outdated_.erase(outdated);
    }
    if (!IsWellWritten(written_.front(), *round.view)) out->push_back(block);
  }
  return !listed_.empty() || (!written_.empty() && written_.front().due <= round.now);
}

bool NamenodeImpl::Healer::HaveCaughtUp(const Outdated& outdated, BlockId block) const {
  const BlockMap::Entry* const entry = namenode_.blocks_->Find(block);
  if (entry == nullptr || entry->state() == BlockMap::State::kUnderConstruction) return false;
  const std::span<const uint32_t> good = entry->replicas();
  return std::all_of(outdated.storages.begin(), outdated.storages.end(), [&](uint32_t storage) {
    return std::find(good.begin(), good.end(), storage) != good.end();
  });
}

// Nearly all blocks are, and are in memory still: they cost no look at their file.
bool NamenodeImpl::Healer::IsWellWritten(const Written& written, const ClusterView& view) const {
  if (outdated_.contains(written.block)) return false;
  const BlockMap::Entry* const entry = namenode_.blocks_->Find(written.block);
  if (entry == nullptr || entry->state() == BlockMap::State::kUnderConstruction ||
      entry->replicas().size() != written.wanted || leaving_.Has(written.block) ||
      !namenode_.blocks_->CorruptReplicas(written.block).empty()) {
    return false;
  }
  absl::InlinedVector<StandingReplica, 4> replicas;
  for (const uint32_t storage : entry->replicas()) {
    replicas.push_back({storage, StandingOf(storage, ReplicaMark::kNone, view)});
  }
  return !namenode::NeedOf(CountReplicas(replicas, view), written.wanted, rules_.min_maintenance,
                           view);
}

void NamenodeImpl::Healer::ListUnreadAgain(const Round& round) {
  for (const uint32_t storage : unread_storages_.TakeDue(round.now, kMostUnreadAgain)) {
    CheckStorage(storage);
  }
  for (const InodeId file : unread_files_.TakeDue(round.now, kMostUnreadAgain)) FileChanged(file);
  for (const BlockId block : unread_blocks_.TakeDue(round.now, kMostUnreadAgain)) {
    if (queue_.Find(block) == nullptr) Check(block);
  }
  for (const bool found_no_room : {unread_storages_.TakeOverflow(), unread_files_.TakeOverflow(),
                                   unread_blocks_.TakeOverflow()}) {
    walk_again_ |= found_no_room;
  }
}

void NamenodeImpl::Healer::WalkFile(const Round& round, size_t most, std::vector<BlockId>* out) {
  const InodeId id = file_walk_->file;
  absl::Status status = namenode_.LoadInode(id);
  const bool is_gone = GetFsError(status) == FsError::kFileNotFound;
  if (is_gone) file_walk_.reset();  // deleted meanwhile
  if (is_gone || (status.ok() && ListBlocks(most, out))) {
    unread_files_.Forget(id);
    return;
  }
  if (status.ok()) status = absl::UnavailableError("it has left memory since it was loaded");
  file_walk_.reset();
  const absl::Duration next = unread_files_.Failed(id, round.now);
  LOG_EVERY_SECONDS(kError, 1, "looking for blocks of inode {}: {}; again in {}", ToInt(id),
                    status.ToString(), absl::FormatDuration(next - round.now));
}

// False: the file is not in memory.
bool NamenodeImpl::Healer::ListBlocks(size_t most, std::vector<BlockId>* out) {
  ReaderLock lock(namenode_.mu_);
  const Inode* const file = namenode_.tree_->FindById(file_walk_->file);
  if (file == nullptr) return false;
  if (file->file != nullptr) {
    const std::vector<BlockVersion>& blocks = file->file->blocks;
    for (; most > 0 && file_walk_->next < blocks.size(); --most) {
      const BlockVersion& block = blocks[file_walk_->next++];
      ForEachUnit(*file, block, IsFinal(*file, block),
                  [&](uint32_t, const BlockVersion& unit) { out->push_back(unit.id); });
    }
    if (file_walk_->next < blocks.size()) return true;
  }
  file_walk_.reset();
  return true;
}

absl::StatusOr<bool> NamenodeImpl::Healer::ReadIds(const std::string& prefix, size_t most,
                                                   std::string* position,
                                                   std::vector<BlockId>* out) {
  std::unique_ptr<Store::Range> range;
  {
    ReaderLock lock(namenode_.mu_);
    range = namenode_.store_.Scan(prefix, *position, most);
  }
  const size_t before = out->size();
  for (; range->Valid(); range->Next()) {
    uint64_t id;
    if (keys::ParseTrailingId(range->key(), &id)) out->push_back(BlockId{id});
  }
  if (!range->status().ok()) {
    out->resize(before);
    return range->status();
  }
  if (!range->more()) return false;
  *position = std::string(range->resume_after());
  return true;
}

void NamenodeImpl::Healer::WalkStorage(const Round& round, size_t most, std::vector<BlockId>* out) {
  const uint32_t storage = storage_walk_->storage;
  const absl::StatusOr<bool> more =
      ReadIds(keys::StorageBlockPrefix(storage), most, &storage_walk_->position, out);
  if (more.ok() && *more) return;
  storage_walk_.reset();
  absl::Duration next;
  {
    WriterLock lock(namenode_.mu_);
    if (more.ok()) return unread_storages_.Forget(storage);
    next = unread_storages_.Failed(storage, round.now);
  }
  LOG_ERROR("looking for blocks of storage {}: {}; again in {}", storage, more.status().ToString(),
            absl::FormatDuration(next - round.now));
}

namespace {

// In the place of groups, from `first` on, all units that one may have.
void AddUnits(size_t first, std::vector<BlockId>* blocks) {
  const size_t end = blocks->size();
  for (size_t i = first; i < end; ++i) {
    const BlockId group = (*blocks)[i];
    if (!IsGrouped(group)) continue;
    for (uint32_t unit = 1; unit < erasure::kMaxUnits; ++unit) {
      blocks->push_back(UnitOf(group, unit));  // the group's own id is its first unit's
    }
  }
}

}  // namespace

void NamenodeImpl::Healer::WalkAll(const Round& round, size_t most, std::vector<BlockId>* out) {
  if (!full_walk_rate_.HasAny(round.now)) return;
  const size_t before = out->size();
  const absl::StatusOr<bool> more =
      ReadIds(std::string(1, keys::kBlockOwner), most, &*full_walk_, out);
  if (!more.ok()) {
    LOG_ERROR("looking for blocks to repair: {}; again in {}", more.status().ToString(),
              absl::FormatDuration(kWalkAgainPause));
  }
  if (!more.ok() || !*more) {
    full_walk_.reset();
    next_full_walk_ = round.now + (more.ok() ? options_.check_interval : kWalkAgainPause);
  }
  AddUnits(before, out);
  full_walk_rate_.Take(static_cast<double>(out->size() - before), round.now);
}

}  // namespace cairn::namenode
