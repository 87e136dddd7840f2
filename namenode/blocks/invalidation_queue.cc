#include "namenode/blocks/invalidation_queue.h"

#include <algorithm>

namespace cairn::namenode {

void InvalidationQueue::AddLocked(uint32_t storage, InvalidationOrder order, TxId ticket) {
  const auto found = queues_.find(storage);
  if (found == queues_.end()) return;
  found->second.push_back({order, ticket});
  ++pending_;
}

void InvalidationQueue::Add(uint32_t storage, InvalidationOrder order, TxId ticket) {
  MutexLock lock(mu_);
  AddLocked(storage, order, ticket);
}

void InvalidationQueue::Add(std::span<const uint32_t> storages, InvalidationOrder order,
                            TxId ticket) {
  MutexLock lock(mu_);
  for (const uint32_t storage : storages) AddLocked(storage, order, ticket);
}

std::vector<InvalidationOrder> InvalidationQueue::Take(std::span<const uint32_t> storages,
                                                       TxId durable) {
  std::vector<InvalidationOrder> taken;
  MutexLock lock(mu_);
  size_t left = storages.size();
  for (const uint32_t storage : storages) {
    // An equal share of what is left: what one volume does not need, the later ones get.
    const size_t share = (options_.batch - taken.size()) / left--;
    const auto found = queues_.find(storage);
    if (found == queues_.end()) continue;
    std::deque<Pending>& queue = found->second;
    for (size_t i = 0; i < share && !queue.empty() && queue.front().ticket <= durable; ++i) {
      taken.push_back(queue.front().order);
      queue.pop_front();
      --pending_;
    }
    if (queue.empty()) queue.shrink_to_fit();
  }
  return taken;
}

void InvalidationQueue::Open(std::span<const uint32_t> storages) {
  MutexLock lock(mu_);
  for (const uint32_t storage : storages) queues_.try_emplace(storage);
}

void InvalidationQueue::Close(std::span<const uint32_t> storages) {
  MutexLock lock(mu_);
  for (const uint32_t storage : storages) {
    const auto found = queues_.find(storage);
    if (found == queues_.end()) continue;
    pending_ -= found->second.size();
    queues_.erase(found);
  }
}

uint64_t InvalidationQueue::pending() const {
  MutexLock lock(mu_);
  return pending_;
}

}  // namespace cairn::namenode
