// client/registry.h - objects that a background thread calls, and that may go at any time.
//
// The thread never owns an object: an output stream holds the context, and the context the thread,
// so that whoever dropped the last stream on that thread would have it join itself. Objects remove
// themselves instead, and wait while the thread is just calling them. Thread-safe.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/mutex.h"

namespace cairn::client {

template <typename T>
class Registry {
 public:
  void Add(T& object) ABSL_LOCKS_EXCLUDED(mu_) {
    const auto entry = std::make_shared<Entry>();
    {
      MutexLock lock(entry->mu);
      entry->object = &object;
    }
    MutexLock lock(mu_);
    entries_[&object] = entry;
  }

  // Idempotent. `object` is in no call from ForEach when this returns; not to be called with a lock
  // that those calls take.
  void Remove(T& object) ABSL_LOCKS_EXCLUDED(mu_) {
    std::shared_ptr<Entry> entry;
    {
      MutexLock lock(mu_);
      const auto found = entries_.find(&object);
      if (found == entries_.end()) return;
      entry = std::move(found->second);
      entries_.erase(found);
    }
    MutexLock lock(entry->mu);
    entry->object = nullptr;
  }

  bool empty() const ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    return entries_.empty();
  }

  // Calls `call` with each object, one after the other; only the lock of that one is held.
  template <typename Call>
  void ForEach(const Call& call) ABSL_LOCKS_EXCLUDED(mu_) {
    std::vector<std::shared_ptr<Entry>> entries;
    {
      MutexLock lock(mu_);
      entries.reserve(entries_.size());
      for (const auto& [object, entry] : entries_) entries.push_back(entry);
    }
    for (const std::shared_ptr<Entry>& entry : entries) {
      MutexLock lock(entry->mu);
      if (entry->object != nullptr) call(*entry->object);
    }
  }

 private:
  struct Entry {
    Mutex mu;                                 // held while the object is called
    T* object ABSL_GUARDED_BY(mu) = nullptr;  // null: removed
  };

  mutable Mutex mu_;
  absl::flat_hash_map<T*, std::shared_ptr<Entry>> entries_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::client
