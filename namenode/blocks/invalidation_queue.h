// namenode/blocks/invalidation_queue.h - replicas that datanodes are to delete.
//
// An order leaves only when the edit that made the replica superfluous is durable: otherwise a
// crash could take the edit back and the bytes would be gone. Each heartbeat takes a bounded batch,
// so that a datanode is never flooded. The queue is not stored: after a crash, or when an order is
// lost on its way, the next full report shows the replica again as unknown and it is queued anew.
//
// Only storages of registered, living datanodes have a queue (Open, Close): orders for one that
// does not come would wait for ever, and hold up those who wait for room. When it comes back, its
// full report tells what is still there.
//
// Bounded: callers that make orders in bulk (reclaiming a deleted directory) pause while
// IsFull(); 24 bytes an order.
//
// Threads: any; own mutex, a leaf of the lock order.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "absl/container/flat_hash_map.h"
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
  struct Options {
    uint32_t batch = 1000;         // dfs.block.invalidate.limit: per heartbeat
    uint64_t full_at = 4'000'000;  // orders in all queues
  };

  explicit InvalidationQueue(Options options) : options_(options) {}

  // Their datanode has registered: orders for these storages are kept from now on.
  void Open(std::span<const uint32_t> storages) ABSL_LOCKS_EXCLUDED(mu_);
  // It died: its orders are dropped.
  void Close(std::span<const uint32_t> storages) ABSL_LOCKS_EXCLUDED(mu_);

  // No effect for a storage that is not open. `ticket`: the edit that must be durable first.
  // Tickets do not decrease, as they are taken under the namespace lock; an order waits for those
  // queued before it on its storage.
  void Add(uint32_t storage, InvalidationOrder order, TxId ticket) ABSL_LOCKS_EXCLUDED(mu_);
  void Add(std::span<const uint32_t> storages, InvalidationOrder order, TxId ticket)
      ABSL_LOCKS_EXCLUDED(mu_);

  // Removes and returns what one heartbeat of the datanode with these storages carries: each
  // storage gets its share of the batch. `durable`: the journal's position.
  std::vector<InvalidationOrder> Take(std::span<const uint32_t> storages, TxId durable)
      ABSL_LOCKS_EXCLUDED(mu_);

  uint64_t pending() const ABSL_LOCKS_EXCLUDED(mu_);
  bool IsFull() const ABSL_LOCKS_EXCLUDED(mu_) { return pending() >= options_.full_at; }

 private:
  struct Pending {
    InvalidationOrder order;
    TxId ticket;
  };
  void AddLocked(uint32_t storage, InvalidationOrder order, TxId ticket)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const Options options_;
  mutable Mutex mu_;
  absl::flat_hash_map<uint32_t, std::deque<Pending>> queues_ ABSL_GUARDED_BY(mu_);
  uint64_t pending_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace cairn::namenode
