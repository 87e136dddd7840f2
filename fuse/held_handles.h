// fuse/held_handles.h - the handles that the kernel knows by number, from their open to their
// release. Those that it never releases, since the program is told to end, go with the mount.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "common/mutex.h"

namespace cairn::fuse {

// Thread-safe.
class HeldHandles {
 public:
  // As fuse_file_info::fh has it: the address. To be called before the kernel is told.
  template <typename Handle>
  uint64_t Hold(std::unique_ptr<Handle> handle) ABSL_LOCKS_EXCLUDED(mu_) {
    const auto number = reinterpret_cast<uint64_t>(handle.get());
    MutexLock lock(mu_);
    held_.emplace(number, std::shared_ptr<void>(std::move(handle)));
    return number;
  }

  // Ends it, for which it may call the cluster.
  void Drop(uint64_t number) ABSL_LOCKS_EXCLUDED(mu_) {
    std::shared_ptr<void> dropped;  // outlives the lock
    MutexLock lock(mu_);
    if (const auto held = held_.find(number); held != held_.end()) {
      dropped = std::move(held->second);
      held_.erase(held);
    }
  }

 private:
  Mutex mu_;
  absl::flat_hash_map<uint64_t, std::shared_ptr<void>> held_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::fuse
