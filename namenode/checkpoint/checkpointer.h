// namenode/checkpoint/checkpointer.h - makes checkpoints of a running namenode, by itself and when
// asked, and removes the oldest.
//
// When: the first at once if there is none; then once `period` has passed, `transactions` edits
// have been made, or the journal has grown by `journal_bytes` since the last one, whichever comes
// first, and only if anything has changed. The journal keeps its edits back to oldest(): so the
// last bound is one of its size on disk, about (retained + 1) * journal_bytes.
//
// One thread of its own ("nn-checkpoint") does all the disk work; requests and flushes go on
// meanwhile. A failed attempt is logged and made again a minute later.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/io/file_system.h"
#include "common/mutex.h"
#include "namenode/checkpoint/checkpoint.h"
#include "namenode/journal/journal.h"
#include "namenode/store/store.h"

namespace cairn::namenode {

struct CheckpointPolicy {
  absl::Duration period = absl::Hours(1);      // dfs.namenode.checkpoint.period
  uint64_t transactions = 1000000;             // dfs.namenode.checkpoint.txns
  uint64_t journal_bytes = uint64_t{1} << 30;  // cairn.namenode.checkpoint.journal.size
  size_t retained = 2;                         // dfs.namenode.num.checkpoints.retained
};

// What the last checkpoint looks like from now.
struct CheckpointAge {
  bool any = false;            // there is one
  uint64_t edits = 0;          // made since
  absl::Duration time;         // passed since
  uint64_t journal_bytes = 0;  // written since
};
bool IsCheckpointDue(const CheckpointPolicy& policy, const CheckpointAge& age);

class Checkpointer {
 public:
  struct Options {
    std::string parent;  // the directory of checkpoints
    std::string cluster_id, block_pool_id;
    uint32_t layout_version = 0;
    CheckpointPolicy policy;
  };
  using Done = std::function<void(const absl::StatusOr<Checkpoint>&)>;

  // Looks at what is there, and begins. All references outlive this.
  static absl::StatusOr<std::unique_ptr<Checkpointer>> Start(FileSystem& files, Clock& clock,
                                                             Options options, Store& store,
                                                             Journal& journal);
  // Waits for a checkpoint that is being made; asked-for ones that have not begun fail.
  ~Checkpointer();
  Checkpointer(const Checkpointer&) = delete;
  Checkpointer& operator=(const Checkpointer&) = delete;

  // Besides those whose checkpoint is being made; the next one answers all that wait.
  static constexpr size_t kMostWaiting = 100;
  // One that has all edits up to now; `done` is called on this class's thread, or by the
  // destructor. kResourceExhausted, said at once and here: too many wait.
  void Request(Done done) ABSL_LOCKS_EXCLUDED(mu_);

  // The journal must keep what comes after this: the oldest checkpoint's transaction, or the
  // largest number if there is none. Lock-free.
  TxId oldest() const { return TxId{oldest_.load(std::memory_order_acquire)}; }
  TxId newest() const { return TxId{newest_.load(std::memory_order_acquire)}; }
  CheckpointAge age() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  Checkpointer(FileSystem& files, Clock& clock, Options options, Store& store, Journal& journal)
      : files_(files),
        clock_(clock),
        options_(std::move(options)),
        store_(store),
        journal_(journal) {}

  void Run() ABSL_LOCKS_EXCLUDED(mu_);
  absl::StatusOr<Checkpoint> Make() ABSL_LOCKS_EXCLUDED(mu_);
  void TakeNote(const std::vector<Checkpoint>& checkpoints) ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status RemoveSurplus(size_t retained) ABSL_LOCKS_EXCLUDED(mu_);
  void MakeRoom() ABSL_LOCKS_EXCLUDED(mu_);

  FileSystem& files_;
  Clock& clock_;
  const Options options_;
  Store& store_;
  Journal& journal_;
  std::atomic<uint64_t> oldest_{~uint64_t{0}}, newest_{0};

  mutable Mutex mu_;
  CondVar wake_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<Done> requests_ ABSL_GUARDED_BY(mu_);
  size_t count_ ABSL_GUARDED_BY(mu_) = 0;
  absl::Duration made_at_ ABSL_GUARDED_BY(mu_);         // monotonic, of the newest
  uint64_t journal_bytes_at_ ABSL_GUARDED_BY(mu_) = 0;  // what had been written then
  absl::Duration not_before_ ABSL_GUARDED_BY(mu_);      // monotonic, after a failure
  std::thread thread_;
};

}  // namespace cairn::namenode
