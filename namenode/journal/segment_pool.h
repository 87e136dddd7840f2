// namenode/journal/segment_pool.h - the journal's files besides the one being written: those kept
// for reading, and those prepared for writing. A thread of its own prepares, renames, recycles and
// removes, so that the committer finds a segment ready and never waits for a directory.
//
//   created ----> ready --Take--> current --WentLive of the next--> kept --released and old--+
//                   ^                                                                        |
//                   +--------- spare header written, durably (or: file removed) <------------+
//
// Kept segments go oldest first, each durably gone before the next, so that a crash never leaves a
// gap in the log. When the disk is full, released ones are taken before their time.
// Threads: the committer calls Take and WentLive; the rest is for anyone. `on_change` is called on
// the pool's thread, without locks, after ready() or failing() may have changed.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/ids.h"
#include "common/io/file_system.h"
#include "common/mutex.h"
#include "namenode/journal/journal.h"
#include "namenode/journal/segment_files.h"

namespace cairn::namenode {

struct KeptSegment {
  std::string path;
  TxId first = kNoTx;
  uint64_t bytes = 0;          // size of the file
  bool finished = false;       // false: the current one, always the last
  TxId last = kNoTx;           // once finished
  absl::Duration finished_at;  // monotonic
  bool not_renamed = false;    // renaming failed once: left to the next opening
  bool not_reusable = false;   // recycling failed once: it is removed instead
};

class SegmentPool {
 public:
  // `kept` ascends by txid and ends with the current segment. `ready` are prepared spares; new ones
  // are numbered from `next_spare` on.
  SegmentPool(FileSystem& fs, Clock& clock, const JournalOptions& options,
              std::vector<KeptSegment> kept, std::vector<PreparedSegment> ready,
              uint64_t next_spare);
  ~SegmentPool();
  SegmentPool(const SegmentPool&) = delete;
  SegmentPool& operator=(const SegmentPool&) = delete;

  void Start(std::function<void()> on_change);
  // From now on Take gives up rather than wait for a full disk.
  void BeginStop();
  // Ends the thread; `on_change` is not called any more. Idempotent.
  void Stop();

  // A prepared segment; waits for one if need be and then sets `waited`. An error, that of the last
  // attempt to prepare one, only after BeginStop.
  absl::StatusOr<PreparedSegment> Take(bool& waited);
  // The segment from Take at `path` now holds edits from `first` on, durably; the one before it is
  // finished.
  void WentLive(std::string path, TxId first);
  void Release(TxId applied);

  int ready() const { return ready_count_.load(std::memory_order_acquire); }
  // The last attempt to prepare a segment failed. It is repeated until it succeeds.
  bool failing() const { return failing_.load(std::memory_order_acquire); }
  absl::Status last_attempt() const;
  uint64_t kept_count() const;
  TxId first_kept() const;

 private:
  enum class Job { kNone, kName, kRecycle, kRemove, kCreate };

  void Run();
  Job NextJob() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void WaitForWork() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The oldest segment is neither current nor needed for replay.
  bool OldestIsReleased() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool OldestIsExpired(absl::Duration now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool OldestIsReusable() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  size_t FirstUnnamed() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);  // kept_.size(): none

  // Takes note of how `job` went. Returns whether to pause before the next.
  bool Note(Job job, const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  absl::Status Do(Job job) ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status NameLiveSegment() ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status RecycleOldest() ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status RemoveOldest() ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status CreateOne() ABSL_LOCKS_EXCLUDED(mu_);
  void AddReady(PreparedSegment segment) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  FileSystem& fs_;
  Clock& clock_;
  const JournalOptions options_;
  std::function<void()> on_change_;  // set before the thread starts
  std::atomic<int> ready_count_{0};
  std::atomic<bool> failing_{false};

  mutable Mutex mu_;
  CondVar work_;      // for the pool's thread
  CondVar prepared_;  // for Take
  std::deque<PreparedSegment> ready_ ABSL_GUARDED_BY(mu_);
  std::deque<KeptSegment> kept_ ABSL_GUARDED_BY(mu_);  // only the pool's thread removes
  TxId released_ ABSL_GUARDED_BY(mu_) = kNoTx;
  uint64_t next_spare_ ABSL_GUARDED_BY(mu_);
  absl::Status last_attempt_ ABSL_GUARDED_BY(mu_);
  bool reclaim_failed_ ABSL_GUARDED_BY(mu_) = false;  // creating goes first, once
  bool pause_ ABSL_GUARDED_BY(mu_) = false;           // a job failed: wait before the next
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  bool quit_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace cairn::namenode
