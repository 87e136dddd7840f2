// datanode/volume/replica.h - the words for one copy of a block on one datanode.
//
//   temporary        copied from another datanode; gone after a restart
//   being written    a writer has, or had, a pipeline to it ("rbw")
//   waiting          was being written when the datanode stopped ("rwr"): whole up to its length,
//                    but what the writer was told is forgotten
//   finalized        complete; on stable media
//   corrupt          found bad; kept aside, never served
//
// Readers see all of a replica that waits, acknowledged or not. HDFS shows nothing of it (a visible
// length of -1), which hides what hflush had acknowledged once all nodes of a pipeline have been
// restarted, until somebody recovers the lease. What was acknowledged is within it, and the rest is
// of the same writer: a recovery keeps the longest of those that wait. It takes bytes back that
// were seen only if a node was not restarted and has fewer, or if this one is away; and the last
// node of a pipeline, which acknowledges whatever it has, shows as many while it is being written.
// Not to show them would take a record on disk of each acknowledgement.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/ids.h"
#include "common/mutex.h"

namespace cairn::datanode {

// In memory only.
enum class ReplicaState : uint8_t {
  kFinalized,
  kBeingWritten,
  kWaitingRecovery,
  kTemporary,
  kCorrupt,
};

absl::string_view StateName(ReplicaState state);

// A copy of what the map says of one replica.
struct ReplicaInfo {
  BlockId block{};
  GenerationStamp stamp{};
  ReplicaState state = ReplicaState::kFinalized;
  // Finalized and waiting: bytes on disk. Being written: bytes acknowledged, which readers may see.
  uint64_t length = 0;
  int volume = 0;  // index
  // Corrupt only: it was found so while it waited for recovery, and its files are in rbw/.
  bool in_rbw = false;
  friend bool operator==(const ReplicaInfo&, const ReplicaInfo&) = default;
};

// For logs and messages.
std::string NameOf(BlockId block);
std::string NameOf(const ReplicaInfo& replica);

// kNotFound with FsError::kReplicaNotFound.
absl::Status ReplicaNotFound(BlockId block);
// kAborted: who asks knows an older state of `replica` than it is in, or a newer one.
absl::Status StaleReplica(const ReplicaInfo& replica, absl::string_view what);

// Block ids from `first` to `last`, both included.
struct BlockRange {
  BlockId first{}, last{};
};
inline constexpr BlockRange kAllBlocks{BlockId{0}, BlockId{~uint64_t{0}}};

// How long whoever asks a writer to stop waits for it. Longer than a writer takes to find that it
// cannot connect to the next node, which nothing interrupts.
inline constexpr absl::Duration kStopWriterLimit = absl::Seconds(30);

// What a replica being written has beyond its map entry. Shared by the map, the writer and readers
// that wait for more bytes. Thread-safe.
class OpenReplica {
 public:
  explicit OpenReplica(uint64_t length) : acked_(length), received_(length) {}

  // Bytes that every node of the pipeline has: what readers may see. Only grows.
  uint64_t acked() const { return acked_.load(std::memory_order_acquire); }
  void SetAcked(uint64_t length) { acked_.store(length, std::memory_order_release); }
  // Bytes in the files.
  uint64_t received() const { return received_.load(std::memory_order_acquire); }
  void SetReceived(uint64_t length) { received_.store(length, std::memory_order_release); }

  // A sync of the files failed, for want of space on a volume that is well otherwise: what they
  // hold must be written again before a sync means anything.
  bool sync_failed() const { return sync_failed_.load(std::memory_order_acquire); }
  void SetSyncFailed(bool failed = true) { sync_failed_.store(failed, std::memory_order_release); }

  // Somebody called hsync, or may have: the replica must be synced when it is finalized.
  bool hsynced() const { return hsynced_.load(std::memory_order_acquire); }
  void SetHsynced() { hsynced_.store(true, std::memory_order_release); }

  // The writer has met an error: it tells its client, and ends by itself.
  bool ending() const { return ending_.load(std::memory_order_acquire); }
  void SetEnding() { ending_.store(true, std::memory_order_release); }

  // A writer at work; at most one. False: another one is.
  bool TakeWriter() ABSL_LOCKS_EXCLUDED(mu_);
  // How to make the writer stop soon; called from any thread, at most once.
  void SetStopper(std::function<void()> stop) ABSL_LOCKS_EXCLUDED(mu_);
  void ReleaseWriter() ABSL_LOCKS_EXCLUDED(mu_);
  // Asks the writer to stop. `on_release` is called from any thread once there is none, at once if
  // there is none now.
  void StopWriter(std::function<void()> on_release) ABSL_LOCKS_EXCLUDED(mu_);
  // The same for somebody who may wait: a writer that ends by itself is not interrupted.
  void EndWriter(std::function<void()> on_release) ABSL_LOCKS_EXCLUDED(mu_);
  bool has_writer() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void Stop(std::function<void()> on_release, bool interrupt) ABSL_LOCKS_EXCLUDED(mu_);

  std::atomic<uint64_t> acked_;
  std::atomic<uint64_t> received_;
  std::atomic<bool> sync_failed_{false};
  std::atomic<bool> hsynced_{false};
  std::atomic<bool> ending_{false};
  mutable Mutex mu_;
  bool has_writer_ ABSL_GUARDED_BY(mu_) = false;
  bool stop_wanted_ ABSL_GUARDED_BY(mu_) = false;
  std::function<void()> stop_ ABSL_GUARDED_BY(mu_);
  std::vector<std::function<void()>> on_release_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::datanode
