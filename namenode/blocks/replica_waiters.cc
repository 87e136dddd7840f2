#include "namenode/blocks/replica_waiters.h"

#include <iterator>
#include <utility>

namespace cairn::namenode {

void ReplicaWaiters::Add(BlockId block, Callback wake) {
  Callback pushed_out;  // destroyed after the lock is released: it may own anything
  MutexLock lock(mu_);
  std::deque<Callback>& callbacks = waiting_[block];
  if (callbacks.size() >= kMaxPerBlock) {
    pushed_out = std::move(callbacks.front());
    callbacks.pop_front();
  }
  callbacks.push_back(std::move(wake));
}

std::vector<ReplicaWaiters::Callback> ReplicaWaiters::Take(BlockId block) {
  MutexLock lock(mu_);
  const auto found = waiting_.find(block);
  if (found == waiting_.end()) return {};
  std::vector<Callback> taken(std::make_move_iterator(found->second.begin()),
                              std::make_move_iterator(found->second.end()));
  waiting_.erase(found);
  return taken;
}

size_t ReplicaWaiters::blocks() const {
  MutexLock lock(mu_);
  return waiting_.size();
}

}  // namespace cairn::namenode
