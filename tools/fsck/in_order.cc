#include "tools/fsck/in_order.h"

namespace cairn::tools {

InOrder::InOrder(size_t threads, size_t most_kept)
    : most_work_(2 * threads), most_kept_(most_kept) {
  for (size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { Serve(); });
}

InOrder::~InOrder() {
  {
    MutexLock lock(mu_);
    ending_ = true;
    given_.NotifyAll();
  }
  for (std::thread& thread : threads_) thread.join();
}

void InOrder::Serve() {
  while (true) {
    std::pair<Act, Entry*> next;
    {
      MutexLock lock(mu_);
      while (waiting_.empty() && !ending_) given_.Wait(mu_);
      if (ending_) return;
      next = std::move(waiting_.front());
      waiting_.pop_front();
    }
    next.first();
    MutexLock lock(mu_);
    --next.second->left;
    --unfinished_;
    done_.NotifyOne();
  }
}

void InOrder::Add(std::vector<Act> work, size_t weight, Act use) {
  {
    MutexLock lock(mu_);
    if (!dropping_) {
      Entry& entry = entries_.emplace_back();
      entry.left = work.size();
      entry.weight = weight;
      entry.use = std::move(use);
      for (Act& act : work) waiting_.emplace_back(std::move(act), &entry);
      unfinished_ += work.size();
      kept_ += weight;
      given_.NotifyAll();
    }
  }
  UseDone(most_work_, most_kept_);
}

void InOrder::Drop() {
  std::deque<std::pair<Act, Entry*>> dropped;  // destroyed without the lock
  MutexLock lock(mu_);
  dropping_ = true;
  dropped.swap(waiting_);
  if (dropped.empty()) return;
  unfinished_ -= dropped.size();
  for (const auto& [act, entry] : dropped) --entry->left;
  bool lacks = false;
  for (Entry& entry : entries_) {
    lacks |= &entry == dropped.front().second;
    entry.dropped |= lacks;
  }
  done_.NotifyOne();
}

bool InOrder::HasToWait(size_t most_work, size_t most_kept) const {
  if (entries_.empty() || entries_.front().left == 0) return false;
  return unfinished_ > most_work || kept_ - entries_.front().weight > most_kept;
}

void InOrder::UseDone(size_t most_work, size_t most_kept) {
  while (true) {
    Entry next;
    {
      MutexLock lock(mu_);
      while (HasToWait(most_work, most_kept)) done_.Wait(mu_);
      if (entries_.empty() || entries_.front().left > 0) return;
      next = std::move(entries_.front());
      entries_.pop_front();
      kept_ -= next.weight;
    }
    if (!next.dropped) next.use();
  }
}

}  // namespace cairn::tools
