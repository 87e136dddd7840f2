// namenode/blocks/full_report_tracker.h - how far the full report of each storage has come.
//
// A full report arrives in parts. While it does, the storage goes on changing, and reports of
// changes come between the parts: what they say is newer than the list. The tracker remembers the
// blocks that they named since part 0, so that the list is not believed about them.
//
// Bounded: kMaxChanges block ids for each storage; beyond that the report is given up and the
// datanode registers again.
// Threads: any; own mutex, a leaf of the lock order.
#pragma once

#include <cstdint>
#include <span>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/ids.h"
#include "common/mutex.h"

namespace cairn::namenode {

class FullReportTracker {
 public:
  static constexpr size_t kMaxChanges = 1'000'000;

  // Begins part `part` of report `report_id`, and gives the last block id of the parts before it
  // (0: none). Part 0 begins anew, whatever was there. Again for the same part: the same answer,
  // since a part may fail and be sent again.
  // kAborted: that part is not the next one, or too much changed meanwhile; "register again".
  absl::StatusOr<BlockId> Begin(uint32_t storage, uint64_t session, uint64_t report_id,
                                uint32_t part) ABSL_LOCKS_EXCLUDED(mu_);
  // The part is processed; its list reached up to `last_block`. No effect on another session's.
  void Advance(uint32_t storage, uint64_t session, BlockId last_block) ABSL_LOCKS_EXCLUDED(mu_);
  // The last part is processed. No effect on another session's.
  void End(uint32_t storage, uint64_t session) ABSL_LOCKS_EXCLUDED(mu_);
  // The storage's datanode registered anew.
  void Drop(uint32_t storage) ABSL_LOCKS_EXCLUDED(mu_);

  // A report of changes named `block`. No effect while no full report of the storage is coming in.
  void NoteChange(uint32_t storage, BlockId block) ABSL_LOCKS_EXCLUDED(mu_);
  // The blocks noted since part 0.
  absl::flat_hash_set<BlockId> Changed(uint32_t storage) const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Progress {
    uint64_t session = 0, report_id = 0;
    uint32_t next_part = 0;
    BlockId reached{};
    absl::flat_hash_set<BlockId> changed;
    bool overflowed = false;
  };

  mutable Mutex mu_;
  absl::flat_hash_map<uint32_t, Progress> storages_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::namenode
