// namenode/blocks/replica_waiters.h - calls that wait until a block has its minimum of replicas.
//
// complete() answers false while the last block lacks it, addBlock() NotReplicatedYetException
// while the one before the last does, and the Go client makes an error of either: so the front end
// waits a little. It leaves a callback here; the report that brings the replica takes the callbacks
// out under the namespace lock, and runs them after releasing it.
//
//   waiters.Add(block, [call] { call->Retry(); });                 // the call, under the lock
//   auto ready = waiters.Take(block);                              // report, under the lock
//   ... release the namespace lock ...
//   for (auto& wake : ready) wake();
//
// Each callback is taken at most once. The front end gives up by time-out on its own; its callback
// then runs later or never, and must bear both. A block keeps at most kMaxPerBlock of them: a
// client that repeats its call again and again pushes out its own older ones.
//
// Threads: any; own mutex, a leaf of the lock order.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/ids.h"
#include "common/mutex.h"

namespace cairn::namenode {

class ReplicaWaiters {
 public:
  using Callback = std::function<void()>;
  static constexpr size_t kMaxPerBlock = 16;

  void Add(BlockId block, Callback wake) ABSL_LOCKS_EXCLUDED(mu_);
  // Removes and returns the callbacks for `block`: it has its minimum, or is gone.
  std::vector<Callback> Take(BlockId block) ABSL_LOCKS_EXCLUDED(mu_);
  size_t blocks() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  mutable Mutex mu_;
  absl::flat_hash_map<BlockId, std::deque<Callback>> waiting_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::namenode
