// libhdfs/handle_table.h - what a handle of the C API stands for.
//
// A handle is a number in the shape of a pointer, and is never given twice: a program that uses one
// after it was closed gets EBADF, and never what another thread has opened meanwhile. A call holds
// what it found until it returns, so that closing a file under a reader is harmless.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/mutex.h"

namespace cairn::libhdfs {

template <typename T>
class HandleTable {
 public:
  // See fork.h. Empty; its handles come after those of `parent`.
  static HandleTable* ForChild(const HandleTable& parent) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    auto* const table = new HandleTable;
    table->next_ = parent.next_;
    return table;
  }

  void* Add(std::shared_ptr<T> object) ABSL_LOCKS_EXCLUDED(mu_) {
    WriterLock lock(mu_);
    next_ += kStep;
    objects_[next_] = std::move(object);
    return reinterpret_cast<void*>(next_);
  }

  // Null: there is none.
  std::shared_ptr<T> Find(const void* handle) const ABSL_LOCKS_EXCLUDED(mu_) {
    ReaderLock lock(mu_);
    const auto found = objects_.find(reinterpret_cast<uintptr_t>(handle));
    return found == objects_.end() ? nullptr : found->second;
  }

  std::shared_ptr<T> Remove(const void* handle) ABSL_LOCKS_EXCLUDED(mu_) {
    WriterLock lock(mu_);
    const auto found = objects_.find(reinterpret_cast<uintptr_t>(handle));
    if (found == objects_.end()) return nullptr;
    std::shared_ptr<T> object = std::move(found->second);
    objects_.erase(found);
    return object;
  }

  std::vector<std::shared_ptr<T>> All() const ABSL_LOCKS_EXCLUDED(mu_) {
    ReaderLock lock(mu_);
    std::vector<std::shared_ptr<T>> all;
    for (const auto& [handle, object] : objects_) all.push_back(object);
    return all;
  }

 private:
  // As if aligned; who looks behind one of the first thousands faults at once.
  static constexpr uintptr_t kStep = 16;

  mutable SharedMutex mu_;
  uintptr_t next_ ABSL_GUARDED_BY(mu_) = 0;
  absl::flat_hash_map<uintptr_t, std::shared_ptr<T>> objects_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::libhdfs
