#include "namenode/blocks/invalidation_queue.h"

#include <algorithm>

namespace cairn::namenode {

void InvalidationQueue::Push(Queue& queue, const Pending& order) {
  queue.orders.push_back(order);
  ++pending_.all;
  pending_.of_units += IsGrouped(order.order.id);
}

void InvalidationQueue::Uncount(const Pending& order) {
  --pending_.all;
  pending_.of_units -= IsGrouped(order.order.id);
}

void InvalidationQueue::AddLocked(uint32_t storage, const Pending& order) {
  const auto found = queues_.find(storage);
  if (found == queues_.end()) return;
  Push(found->second, order);
}

void InvalidationQueue::Add(uint32_t storage, InvalidationOrder order, TxId ticket) {
  MutexLock lock(mu_);
  AddLocked(storage, {.order = order, .ticket = ticket});
}

bool InvalidationQueue::AddUntil(absl::Duration until, uint32_t storage, uint64_t session,
                                 InvalidationOrder order, TxId ticket) {
  MutexLock lock(mu_);
  const auto found = queues_.find(storage);
  if (found == queues_.end() || found->second.session != session) return false;
  AddLocked(storage, {.order = order, .ticket = ticket, .until = until});
  return true;
}

void InvalidationQueue::Add(std::span<const uint32_t> storages, InvalidationOrder order,
                            TxId ticket) {
  MutexLock lock(mu_);
  for (const uint32_t storage : storages) AddLocked(storage, {.order = order, .ticket = ticket});
}

void InvalidationQueue::Remember(Queue& queue, InvalidationOrder order, absl::Duration now) {
  if (taken_ >= options_.most_taken) {
    queue.taken.erase(order.id);
    return;
  }
  Taken& taken = queue.taken[order.id];
  taken.stamp = std::max(taken.stamp, order.stamp);
  taken.again = now + options_.again_after;
  ++taken.times;
  queue.again.emplace_back(taken.again, order.id);
  ++taken_;
}

void InvalidationQueue::QueueAgain(Queue& queue, absl::Duration now) {
  for (; !queue.again.empty() && queue.again.front().first <= now; queue.again.pop_front()) {
    --taken_;
    const auto [time, block] = queue.again.front();
    const auto taken = queue.taken.find(block);
    if (taken == queue.taken.end() || taken->second.again != time) continue;
    if (taken->second.times >= kMostTimes) {
      queue.taken.erase(taken);
      continue;
    }
    Push(queue, {{block, taken->second.stamp}, kNoTx, /*again=*/true});
  }
}

void InvalidationQueue::ForgetTaken(Queue& queue) {
  taken_ -= queue.again.size();
  queue.again.clear();
  queue.taken.clear();
}

void InvalidationQueue::Settle(uint32_t storage, BlockId block) {
  MutexLock lock(mu_);
  const auto found = queues_.find(storage);
  if (found == queues_.end()) return;
  Queue& queue = found->second;
  if (queue.taken.erase(block) == 0) return;
  // Datanodes go through their orders from front to back.
  while (!queue.again.empty() && !queue.taken.contains(queue.again.front().second)) {
    queue.again.pop_front();
    --taken_;
  }
}

std::vector<InvalidationOrder> InvalidationQueue::Take(std::span<const uint32_t> storages,
                                                       TxId durable, absl::Duration now) {
  std::vector<InvalidationOrder> taken;
  MutexLock lock(mu_);
  const auto is_ready = [durable](const Queue& queue) {
    return !queue.orders.empty() && queue.orders.front().ticket <= durable;
  };
  std::vector<std::pair<uint32_t, Queue*>> ready;
  for (const uint32_t storage : storages) {
    const auto found = queues_.find(storage);
    if (found == queues_.end()) continue;
    QueueAgain(found->second, now);
    if (is_ready(found->second)) ready.emplace_back(storage, &found->second);
  }
  // A batch smaller than the number of storages reaches only some of them each time.
  std::stable_sort(ready.begin(), ready.end(), [](const auto& a, const auto& b) {
    return a.second->last_turn < b.second->last_turn;
  });
  size_t left = ready.size();
  for (const auto& [storage, queue] : ready) {
    // An equal share of what is left, rounded up: what one does not need, the later ones get.
    const size_t share = (options_.batch - taken.size() + left - 1) / left;
    --left;
    if (share == 0) break;
    queue->last_turn = ++turns_;
    for (size_t count = 0; count < share && is_ready(*queue);) {
      const Pending next = queue->orders.front();
      queue->orders.pop_front();
      Uncount(next);
      if (next.again && !queue->taken.contains(next.order.id)) continue;  // settled meanwhile
      if (next.until <= now) {
        withdrawn_.push_back({storage, queue->session, next.order.id});
        continue;
      }
      taken.push_back(next.order);
      if (next.until == absl::InfiniteDuration()) Remember(*queue, next.order, now);
      ++count;
    }
    if (queue->orders.empty()) queue->orders.shrink_to_fit();
  }
  return taken;
}

std::vector<InvalidationQueue::Withdrawn> InvalidationQueue::TakeWithdrawn(size_t most) {
  MutexLock lock(mu_);
  const auto from =
      withdrawn_.end() - static_cast<std::ptrdiff_t>(std::min(most, withdrawn_.size()));
  std::vector<Withdrawn> taken(from, withdrawn_.end());
  withdrawn_.erase(from, withdrawn_.end());
  return taken;
}

std::vector<uint32_t> InvalidationQueue::Ready(TxId durable, absl::Duration now) const {
  std::vector<uint32_t> ready;
  MutexLock lock(mu_);
  for (const auto& [storage, queue] : queues_) {
    const bool orders = !queue.orders.empty() && queue.orders.front().ticket <= durable;
    const bool again = !queue.again.empty() && queue.again.front().first <= now;
    const bool missed = queue.missed && queue.orders.empty() && pending_.all < options_.full_at / 2;
    if (orders || again || missed) ready.push_back(storage);
  }
  return ready;
}

void InvalidationQueue::Open(std::span<const uint32_t> storages, uint64_t session) {
  MutexLock lock(mu_);
  for (const uint32_t storage : storages) {
    Queue& queue = queues_[storage];
    queue.session = std::max(queue.session, session);
    queue.missed = false;
    ForgetTaken(queue);
  }
}

void InvalidationQueue::Close(std::span<const uint32_t> storages, uint64_t session) {
  MutexLock lock(mu_);
  for (const uint32_t storage : storages) {
    const auto found = queues_.find(storage);
    if (found == queues_.end() || found->second.session > session) continue;
    Queue& queue = found->second;
    for (const Pending& pending : queue.orders) {
      Uncount(pending);
      if (pending.until == absl::InfiniteDuration()) continue;
      withdrawn_.push_back({storage, queue.session, pending.order.id});
    }
    ForgetTaken(queue);
    queues_.erase(found);
  }
}

void InvalidationQueue::Missed(uint32_t storage) {
  MutexLock lock(mu_);
  const auto found = queues_.find(storage);
  if (found != queues_.end()) found->second.missed = true;
}

bool InvalidationQueue::TakeMissed(std::span<const uint32_t> storages) {
  MutexLock lock(mu_);
  // A report that finds it full again would be for nothing.
  if (pending_.all >= options_.full_at / 2) return false;
  bool missed = false;
  for (const uint32_t storage : storages) {
    const auto found = queues_.find(storage);
    if (found == queues_.end() || !found->second.orders.empty()) continue;
    missed |= std::exchange(found->second.missed, false);
  }
  return missed;
}

std::vector<std::pair<uint32_t, uint64_t>> InvalidationQueue::Counts() const {
  std::vector<std::pair<uint32_t, uint64_t>> counts;
  {
    MutexLock lock(mu_);
    for (const auto& [storage, queue] : queues_) {
      if (!queue.orders.empty()) counts.emplace_back(storage, queue.orders.size());
    }
  }
  std::sort(counts.begin(), counts.end());
  return counts;
}

InvalidationQueue::Pendings InvalidationQueue::pendings() const {
  MutexLock lock(mu_);
  return pending_;
}

}  // namespace cairn::namenode
