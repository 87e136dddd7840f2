// namenode/blocks/invalidation_queue.h - replicas that datanodes are to delete.
//
// An order leaves only when the edit that made the replica superfluous is durable: otherwise a
// crash could take the edit back and the bytes would be gone. Each heartbeat takes a bounded batch,
// so that a datanode is never flooded. The queue is not stored: after a crash the full reports show
// the replicas as unknown and they are queued anew.
//
// An order that was taken may be lost on its way, and no full report would tell as long as the
// session lasts. So it is remembered until Settle, and given again after a time; to delete what is
// deleted does nothing but that the datanode says so once more. After kMostTimes the order is
// forgotten.
//
// Repair's orders are right at the moment: the datanodes that keep the others may be lost while the
// order waits for its turn, or for the end of safe mode. So these have a time within which they are
// taken, else they are withdrawn (TakeWithdrawn) and repair judges anew; they are given only once,
// in the session that repair meant.
//
// Only storages of registered, living datanodes have a queue (Open, Close): orders for one that
// does not come would wait for ever, and hold up those who wait for room. When it comes back, its
// full report tells what is still there.
//
// Bounded: callers that make orders in bulk (reclaiming a deleted directory) pause while IsFull(),
// 24 bytes an order; of those taken most_taken are remembered, some 60 bytes each. Whoever finds
// replicas to delete while it is full says Missed: a full report is asked for when there is room.
//
// Threads: any; own mutex, a leaf of the lock order.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "common/ids.h"
#include "common/mutex.h"

namespace cairn::namenode {

// Delete replicas of `id` with this stamp or an older one.
struct InvalidationOrder {
  BlockId id{};
  GenerationStamp stamp{};
};

class InvalidationQueue {
 public:
  static constexpr int kMostTimes = 3;  // that an order is given

  struct Options {
    uint32_t batch = 1000;            // dfs.block.invalidate.limit: per heartbeat
    uint64_t full_at = 4'000'000;     // orders in all queues
    uint64_t most_taken = 1'000'000;  // remembered, of all storages; others are given only once
    absl::Duration again_after = absl::Minutes(5);
  };

  explicit InvalidationQueue(Options options) : options_(options) {}

  // Their datanode has registered, and will send a full report: orders for these storages are kept
  // from now on, and what it was told before is forgotten. Sessions grow.
  void Open(std::span<const uint32_t> storages, uint64_t session) ABSL_LOCKS_EXCLUDED(mu_);
  // It died in this session: its orders are dropped, unless it has registered again meanwhile.
  // Those that have a time are withdrawn.
  void Close(std::span<const uint32_t> storages, uint64_t session) ABSL_LOCKS_EXCLUDED(mu_);

  // No effect for a storage that is not open. `ticket`: the edit that must be durable first.
  // Tickets do not decrease, as they are taken under the namespace lock; an order waits for those
  // queued before it on its storage.
  void Add(uint32_t storage, InvalidationOrder order, TxId ticket) ABSL_LOCKS_EXCLUDED(mu_);
  void Add(std::span<const uint32_t> storages, InvalidationOrder order, TxId ticket)
      ABSL_LOCKS_EXCLUDED(mu_);
  // The same, withdrawn if it is not taken before `until`. False: nothing was done, since the
  // storage is not open in this session.
  bool AddUntil(absl::Duration until, uint32_t storage, uint64_t session, InvalidationOrder order,
                TxId ticket) ABSL_LOCKS_EXCLUDED(mu_);

  // Removes and returns what one heartbeat of the datanode with these storages carries: each
  // storage that has orders gets its share of the batch, those first whose turn was longest ago.
  // `durable`: the journal's position; `now`: of the monotonic clock.
  std::vector<InvalidationOrder> Take(std::span<const uint32_t> storages, TxId durable,
                                      absl::Duration now) ABSL_LOCKS_EXCLUDED(mu_);
  // Orders that were not taken in time, `most` at a time: no datanode has heard of them. Each is
  // told once.
  struct Withdrawn {
    uint32_t storage = 0;
    uint64_t session = 0;
    BlockId block{};
  };
  std::vector<Withdrawn> TakeWithdrawn(size_t most) ABSL_LOCKS_EXCLUDED(mu_);
  // The storages for which Take or TakeMissed would have something to say by now.
  std::vector<uint32_t> Ready(TxId durable, absl::Duration now) const ABSL_LOCKS_EXCLUDED(mu_);
  // The datanode says that it deleted the block there, or that it has a good replica by now: an
  // order that was taken is not given again.
  void Settle(uint32_t storage, BlockId block) ABSL_LOCKS_EXCLUDED(mu_);

  // A replica on this storage is to be deleted, and there was no room to say so.
  void Missed(uint32_t storage) ABSL_LOCKS_EXCLUDED(mu_);
  // Whether one of the storages missed something and there is room again: once.
  bool TakeMissed(std::span<const uint32_t> storages) ABSL_LOCKS_EXCLUDED(mu_);

  // How many orders wait for each storage that has some, by number.
  std::vector<std::pair<uint32_t, uint64_t>> Counts() const ABSL_LOCKS_EXCLUDED(mu_);
  uint64_t pending() const ABSL_LOCKS_EXCLUDED(mu_) { return pendings().all; }
  struct Pendings {
    uint64_t all = 0;
    uint64_t of_units = 0;  // of these, of block groups
  };
  Pendings pendings() const ABSL_LOCKS_EXCLUDED(mu_);
  bool IsFull() const ABSL_LOCKS_EXCLUDED(mu_) { return pending() >= options_.full_at; }

 private:
  struct Pending {
    InvalidationOrder order;
    TxId ticket;
    bool again = false;  // it was taken before
    absl::Duration until = absl::InfiniteDuration();
  };
  struct Taken {
    GenerationStamp stamp{};
    absl::Duration again;  // when
    int times = 0;
  };
  struct Queue {
    uint64_t session = 0;
    std::deque<Pending> orders;
    uint64_t last_turn = 0;
    absl::flat_hash_map<BlockId, Taken> taken;
    // When to give which again, the earliest first. Older than what `taken` says: means nothing.
    std::deque<std::pair<absl::Duration, BlockId>> again;
    bool missed = false;
  };
  void AddLocked(uint32_t storage, const Pending& order) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Push(Queue& queue, const Pending& order) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // It is in no queue any more.
  void Uncount(const Pending& order) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Remember(Queue& queue, InvalidationOrder order, absl::Duration now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void QueueAgain(Queue& queue, absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ForgetTaken(Queue& queue) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const Options options_;
  mutable Mutex mu_;
  absl::flat_hash_map<uint32_t, Queue> queues_ ABSL_GUARDED_BY(mu_);
  uint64_t turns_ ABSL_GUARDED_BY(mu_) = 0;
  std::vector<Withdrawn> withdrawn_ ABSL_GUARDED_BY(mu_);
  Pendings pending_ ABSL_GUARDED_BY(mu_);
  uint64_t taken_ ABSL_GUARDED_BY(mu_) = 0;  // entries of all Queue::again
};

}  // namespace cairn::namenode
