// What deletions leave to be done: the contents of a deleted directory go in slices, and the
// replicas of blocks that no file has any more are told to their storages.
#include <algorithm>

#include "common/logging.h"
#include "common/status_macros.h"
#include "namenode/core/run.h"
#include "namenode/store/keys.h"
#include "namenode/store/records.h"

namespace cairn::namenode {
namespace {

// What one Reclaim edit removes at the most, entries and blocks of files: some 100 us under the
// lock for the former, some milliseconds for the latter.
constexpr size_t kReclaimSlice = 256;
constexpr int kReclaimBlocks = 2000;
// Blocks told to their storages in one step.
constexpr size_t kReleaseSlice = 256;

}  // namespace

bool NamenodeImpl::HasBackgroundWork() const {
  ReaderLock lock(mu_);
  return !detached_.empty() || !removed_blocks_.empty() || removed_unseen_ || removed_walk_ ||
         superseded_.HasDue(clock_.Monotonic());
}

void NamenodeImpl::ReleaseRemovedBlocks() {
  const absl::Duration now = clock_.Monotonic();
  // Most clusters convert nothing for most of the time: nobody is stopped to find that.
  const bool some_are_due = [&] {
    ReaderLock lock(mu_);
    return superseded_.HasDue(now);
  }();
  if (some_are_due) {
    // Those that cannot be told to their storages yet wait where their number is bounded.
    const size_t most = std::max(options_.removed_blocks_in_memory, kReleaseSlice);
    WriterLock lock(mu_);
    for (size_t i = 0; i < kReleaseSlice && removed_blocks_.size() < most; ++i) {
      const std::optional<BlockVersion> due = superseded_.TakeDue(now);
      if (!due) break;
      removed_blocks_.push_back({due->id, due->stamp});
    }
  }
  for (size_t i = 0; i < kReleaseSlice && !invalidations_.IsFull(); ++i) {
    std::optional<RemovedBlock> removed;
    {
      WriterLock lock(mu_);
      if (!removed_blocks_.empty()) {
        removed = removed_blocks_.front();
        removed_blocks_.pop_front();
      }
    }
    if (!removed) {
      if (!FindRemovedBlocks()) return;
      continue;
    }
    if (absl::Status status = ReleaseRemovedBlock(*removed); !status.ok()) {
      LOG_WARN("block {}: cannot read where its replicas are: {}; the next start tries again",
               ToInt(removed->id), status.ToString());
    }
  }
}

// Tells the storages, and forgets the block; the record that says it is still to be done goes last.
// Orders that are lost after that cost nothing: a full report finds a block that nothing is known
// of.
absl::Status NamenodeImpl::ReleaseRemovedBlock(const RemovedBlock& removed) {
  const std::string key = keys::Replicas(removed.id);
  return Fetch(
      key, [] { return true; },
      [&](std::optional<std::string> bytes) -> absl::Status {
        mu_.AssertHeld();
        if (bytes && blocks_->Find(removed.id) == nullptr) {
          const auto replicas = ParseReplicas(key, *bytes);
          if (replicas.ok()) {
            blocks_->Insert(removed.id, *replicas);
          } else {
            LOG_ERROR("{}; the datanodes' next full reports replace it",
                      replicas.status().ToString());
          }
        }
        const StoreGroup group(store_);
        invalidations_.Add(blocks_->Remove(removed.id), {removed.id, removed.stamp}, last_txid_);
        store_.DeleteUnjournalled(keys::RemovedBlock(removed.id));
        return absl::OkStatus();
      });
}

// The next records of the walk. False: there was nothing to release among them, or no walk.
bool NamenodeImpl::FindRemovedBlocks() {
  std::unique_ptr<Store::Range> range;
  {
    WriterLock lock(mu_);
    if (!removed_walk_) {
      if (!removed_unseen_) return false;
      removed_unseen_ = false;
      removed_walk_.emplace();
    }
    range = store_.Scan(std::string(1, keys::kRemovedBlock), *removed_walk_, kReleaseSlice);
  }
  std::vector<RemovedBlock> found;
  for (; range->Valid(); range->Next()) {
    const auto block = ParseRemovedBlock(range->key(), range->value());
    if (block.ok()) {
      found.push_back({BlockId{block->id()}, GenerationStamp{block->generation_stamp()}});
    } else {
      LOG_ERROR("{}; left as it is", block.status().ToString());
    }
  }
  if (!range->status().ok()) {
    LOG_ERROR("removed blocks: {}; the next start tries again", range->status().ToString());
  }
  std::optional<std::string> reached;
  if (range->status().ok() && range->more()) reached = std::string(range->resume_after());
  range.reset();  // pins a snapshot of LevelDB
  WriterLock lock(mu_);
  removed_walk_ = std::move(reached);
  // Those that wait are met here as well, and are not to be released yet.
  std::erase_if(found, [&](const RemovedBlock& block) {
    mu_.AssertHeld();
    return superseded_.Find(block.id) != nullptr;
  });
  removed_blocks_.insert(removed_blocks_.end(), found.begin(), found.end());
  return !found.empty();
}

// One slice of one detached subtree, depth first, so that a directory goes after what was in it.
// Each slice is an edit of its own. The walk's position is kept in memory: a restart begins at the
// subtree's root again and finds what is left. It pauses, anywhere, while those whom it gives work
// have enough.
void NamenodeImpl::ReclaimSlice() {
  {
    ReaderLock lock(mu_);
    if (invalidations_.IsFull()) return;
    // What it removed last comes first.
    if (removed_unseen_ || removed_walk_ || removed_blocks_.size() > kReclaimBlocks) return;
    if (reclaiming_.empty()) {
      if (detached_.empty()) return;
      reclaiming_.push_back({detached_.front(), "", ""});
    }
  }
  edit::Edit edit;
  const InodeId root = reclaiming_.front().directory;
  edit.mutable_reclaim()->set_root(ToInt(root));
  absl::Status status = FillReclaim(&edit);
  for (const auto& entry : edit.reclaim().removed()) {
    if (status.ok()) status = LoadInode(InodeId{entry.inode()});
  }
  if (status.ok() && edit.has_truncate()) status = LoadInode(InodeId{edit.truncate().inode()});
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
  if (edit.has_truncate() && !FillReclaimedTail(edit.mutable_truncate())) return;
  edit.set_time_ms(NowMs());
  AppendAndApply(edit);
  if (edit.reclaim().root_removed()) {
    detached_.pop_front();
    reclaiming_.clear();
  }
}

// What is to go next: entries, or the last blocks of a file that has too many for one edit.
absl::Status NamenodeImpl::FillReclaim(edit::Edit* edit) {
  edit::Reclaim* const reclaim = edit->mutable_reclaim();
  int blocks = 0;
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
      // A group is as many blocks as it may have units.
      const int weight = record.erasure_policy() == 0 ? 1 : static_cast<int>(erasure::kMaxUnits);
      const int of_file = record.blocks_size() * weight;
      if (of_file > kReclaimBlocks && reclaim->removed_size() == 0) {
        edit->mutable_truncate()->set_inode(record.id());  // it is met again, shorter
        return absl::OkStatus();
      }
      blocks += of_file;
      if (blocks > kReclaimBlocks) return absl::OkStatus();
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
    if (static_cast<size_t>(reclaim->removed_size()) >= kReclaimSlice) return absl::OkStatus();
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

// False: it has not that many blocks (any more).
bool NamenodeImpl::FillReclaimedTail(edit::Truncate* cut) {
  const Inode* const inode = tree_->FindById(InodeId{cut->inode()});
  if (inode == nullptr || inode->file == nullptr) return false;
  const std::vector<BlockVersion>& blocks = inode->file->blocks;
  const size_t most =
      inode->erasure == nullptr ? kReclaimBlocks : kReclaimBlocks / erasure::kMaxUnits;
  if (blocks.size() <= most) return false;
  uint64_t kept = 0;
  for (size_t i = 0; i + most < blocks.size(); ++i) kept += blocks[i].length;
  cut->set_new_length(kept);
  return true;
}

void NamenodeImpl::AddReclaimed(InodeId parent, absl::string_view name, InodeId inode,
                                edit::Reclaim* reclaim) {
  auto* const entry = reclaim->add_removed();
  entry->set_parent(ToInt(parent));
  entry->set_name(std::string(name));
  entry->set_inode(ToInt(inode));
}

}  // namespace cairn::namenode
