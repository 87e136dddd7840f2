#include "tools/fsck/in_order.h"

namespace cairn::tools {

InOrder::InOrder(size_t threads) : most_work_(2 * threads) {
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

void InOrder::Add(std::vector<Act> work, Act use) {
  {
    MutexLock lock(mu_);
    Entry& entry = entries_.emplace_back();
    entry.left = work.size();
    entry.use = std::move(use);
    for (Act& act : work) waiting_.emplace_back(std::move(act), &entry);
    unfinished_ += work.size();
    given_.NotifyAll();
  }
  UseDone(most_work_, kMostEntries);
}

void InOrder::UseDone(size_t most_work, size_t most_entries) {
  while (true) {
    Act use;
    {
      MutexLock lock(mu_);
      while (!entries_.empty() && entries_.front().left > 0 &&
             (unfinished_ > most_work || entries_.size() > most_entries)) {
        done_.Wait(mu_);
      }
      if (entries_.empty() || entries_.front().left > 0) return;
      use = std::move(entries_.front().use);
      entries_.pop_front();
    }
    use();
  }
}

}  // namespace cairn::tools
