// namenode/journal/listeners.h - who is told when more edits are durable.
//
// Calling does not hold the list's lock, so a listener may be added from within a call. Destroying
// a handle waits for a running call of that listener only. Thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "common/mutex.h"

namespace cairn::namenode {

class Listeners {
 public:
  // The handle must not be destroyed from within the call. It may outlive this.
  std::shared_ptr<void> Add(std::function<void()> call) ABSL_LOCKS_EXCLUDED(mu_) {
    auto entry = std::make_shared<Entry>();
    {
      MutexLock lock(entry->mu);
      entry->call = std::move(call);
    }
    MutexLock lock(mu_);
    auto changed = std::make_shared<Entries>();
    for (const auto& old : *entries_) {
      if (!old->IsGone()) changed->push_back(old);
    }
    changed->push_back(entry);
    entries_ = std::move(changed);
    return std::shared_ptr<void>(nullptr, [entry](void*) { entry->Clear(); });
  }

  void Call() ABSL_LOCKS_EXCLUDED(mu_) {
    std::shared_ptr<const Entries> entries;
    {
      MutexLock lock(mu_);
      entries = entries_;
    }
    for (const auto& entry : *entries) {
      MutexLock lock(entry->mu);
      if (entry->call) entry->call();
    }
  }

 private:
  struct Entry {
    Mutex mu;
    std::function<void()> call ABSL_GUARDED_BY(mu);  // empty: the handle is gone

    // Waits for a running call: it holds mu.
    void Clear() {
      std::function<void()> old;  // destroyed without the lock
      MutexLock lock(mu);
      old.swap(call);
    }
    // A listener that is in its call is not gone, and may be the one that adds: do not wait for it.
    bool IsGone() {
      if (!mu.try_lock()) return false;
      const bool gone = !call;
      mu.unlock();
      return gone;
    }
  };
  using Entries = std::vector<std::shared_ptr<Entry>>;

  Mutex mu_;
  std::shared_ptr<const Entries> entries_ ABSL_GUARDED_BY(mu_) = std::make_shared<Entries>();
};

}  // namespace cairn::namenode
