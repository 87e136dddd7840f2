// namenode/journal/file_journal.h - the journal on a local disk: one committer, group commit.
//
//   Append:    filling_ (a buffer) takes the frame; full buffers queue up
//   committer: takes the oldest batch, adds checksums, one O_DIRECT|O_DSYNC write, durable() grows
//
// While one batch is on its way the next one fills, so a batch is as large as the load makes it and
// a lone edit does not wait. The committer is woken only when it sleeps. At most one write is in
// flight, and each begins only after the one before is durable: what a crash can tear is one batch,
// the last (segment.h relies on it). Opened by OpenFileJournal, see journal.h.
// Nothing else is locked while mu_ is held.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/random/random.h"
#include "common/mutex.h"
#include "namenode/journal/aligned_buffer.h"
#include "namenode/journal/journal.h"
#include "namenode/journal/listeners.h"
#include "namenode/journal/segment_pool.h"

namespace cairn::namenode {

// Where the next batch goes. Used by the committer alone.
struct CurrentSegment {
  std::string path;  // for messages; the file may have been renamed since
  std::unique_ptr<File> file;
  uint64_t bytes = 0;
  uint64_t epoch = 0;
  uint64_t offset = 0;
};

class FileJournal final : public Journal {
 public:
  // `run` differs from that of the batches before. `pool` is not started yet.
  FileJournal(Clock& clock, const JournalOptions& options, CurrentSegment current, TxId last,
              uint32_t run, std::unique_ptr<SegmentPool> pool);
  ~FileJournal() override;

  absl::Status Ready() override;
  void Append(TxId txid, absl::string_view edit) override;
  TxId last_appended() const override;
  TxId durable() const override;
  absl::Status WaitDurable(TxId txid) override;
  std::shared_ptr<void> Listen(std::function<void()> on_durable) override;
  void OnFailure(std::function<void(absl::Status)> on_failure) override;
  void Release(TxId applied) override;
  absl::StatusOr<TxId> Roll() override;
  JournalStats stats() const override;

 private:
  // Frames in a buffer, behind a block that is free for the segment header: the first batch of a
  // segment carries it in the same write.
  struct Batch {
    AlignedBuffer buffer;
    size_t used = 0;  // bytes of frames
    TxId last = kNoTx;
    uint32_t count = 0;
    bool begins_segment = false;

    size_t capacity() const;
    std::span<std::byte> frames() const;
  };

  Batch NewBatch(size_t frame_bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Batch NextBatch() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void UpdateReady() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool HasRoom() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // The committer's thread.
  void Run() ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status Write(Batch& batch) ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status WriteFirst(Batch& batch) ABSL_LOCKS_EXCLUDED(mu_);
  void Finish(Batch batch) ABSL_LOCKS_EXCLUDED(mu_);
  void Fail(absl::Status reason) ABSL_LOCKS_EXCLUDED(mu_);

  Clock& clock_;
  const JournalOptions options_;
  const uint32_t run_;
  const std::unique_ptr<SegmentPool> pool_;
  Listeners listeners_;
  std::atomic<bool> ready_{true};
  std::atomic<uint64_t> last_appended_;
  std::atomic<uint64_t> durable_;

  CurrentSegment current_;  // the committer's
  absl::BitGen random_;     // the committer's

  mutable Mutex mu_;
  CondVar wake_;          // the committer waits for work
  CondVar durable_grew_;  // WaitDurable waits
  Batch filling_ ABSL_GUARDED_BY(mu_);
  std::deque<Batch> full_ ABSL_GUARDED_BY(mu_);
  std::vector<AlignedBuffer> free_buffers_ ABSL_GUARDED_BY(mu_);  // all of the usual size
  uint64_t queued_bytes_ ABSL_GUARDED_BY(mu_) = 0;  // of full_ and the batch in flight, padded
  uint64_t room_ ABSL_GUARDED_BY(mu_);         // left in the current segment by finished batches
  bool rolling_ ABSL_GUARDED_BY(mu_) = false;  // a batch that begins a segment is under way
  bool idle_ ABSL_GUARDED_BY(mu_) = false;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  int waiters_ ABSL_GUARDED_BY(mu_) = 0;
  absl::Status failure_ ABSL_GUARDED_BY(mu_);
  std::function<void(absl::Status)> on_failure_ ABSL_GUARDED_BY(mu_);
  JournalStats stats_ ABSL_GUARDED_BY(mu_);
  std::thread committer_;
};

}  // namespace cairn::namenode
