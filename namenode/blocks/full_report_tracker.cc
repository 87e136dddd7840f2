#include "namenode/blocks/full_report_tracker.h"

#include "absl/strings/str_cat.h"

namespace cairn::namenode {

absl::StatusOr<BlockId> FullReportTracker::Begin(uint32_t storage, uint64_t session,
                                                 uint64_t report_id, uint32_t part) {
  MutexLock lock(mu_);
  if (part == 0) {
    Progress& progress = storages_[storage];
    // Part 0 sent again keeps what changed since it came first.
    if (progress.session != session || progress.report_id != report_id || progress.next_part != 0) {
      progress = Progress();
    }
    progress.session = session;
    progress.report_id = report_id;
    return progress.reached;
  }
  const auto found = storages_.find(storage);
  if (found == storages_.end() || found->second.session != session ||
      found->second.report_id != report_id || found->second.next_part != part) {
    return absl::AbortedError(absl::StrCat("full report ", report_id, ": part ", part,
                                           " does not follow what came before; register again"));
  }
  if (found->second.overflowed) {
    storages_.erase(found);
    return absl::AbortedError(absl::StrCat("full report ", report_id,
                                           ": too much changed since its first part; register "
                                           "again"));
  }
  return found->second.reached;
}

void FullReportTracker::Advance(uint32_t storage, uint64_t session, BlockId last_block) {
  MutexLock lock(mu_);
  const auto found = storages_.find(storage);
  if (found == storages_.end() || found->second.session != session) return;
  ++found->second.next_part;
  found->second.reached = last_block;
}

void FullReportTracker::End(uint32_t storage, uint64_t session) {
  MutexLock lock(mu_);
  const auto found = storages_.find(storage);
  if (found != storages_.end() && found->second.session == session) storages_.erase(found);
}

void FullReportTracker::Drop(uint32_t storage) {
  MutexLock lock(mu_);
  storages_.erase(storage);
}

void FullReportTracker::NoteChange(uint32_t storage, BlockId block) {
  MutexLock lock(mu_);
  const auto found = storages_.find(storage);
  if (found == storages_.end() || found->second.overflowed) return;
  Progress& progress = found->second;
  progress.changed.insert(block);
  if (progress.changed.size() <= kMaxChanges) return;
  progress.overflowed = true;
  progress.changed = {};
}

absl::flat_hash_set<BlockId> FullReportTracker::Changed(uint32_t storage) const {
  MutexLock lock(mu_);
  const auto found = storages_.find(storage);
  if (found == storages_.end()) return {};
  return found->second.changed;
}

}  // namespace cairn::namenode
