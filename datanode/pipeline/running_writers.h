// datanode/pipeline/running_writers.h - who is to be told that this datanode is about to restart.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/mutex.h"

namespace cairn::datanode {

class RunningWriters {
 public:
  // `tell` is called at most once, from any thread, at once if the end has been announced already.
  // Must be quick.
  uint64_t Add(std::function<void()> tell) ABSL_LOCKS_EXCLUDED(mu_) {
    {
      MutexLock lock(mu_);
      if (!announced_) {
        tell_.emplace(++last_, std::move(tell));
        return last_;
      }
    }
    tell();
    return 0;
  }
  void Remove(uint64_t id) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    tell_.erase(id);
  }
  void AnnounceRestart() ABSL_LOCKS_EXCLUDED(mu_) {
    absl::flat_hash_map<uint64_t, std::function<void()>> all;
    {
      MutexLock lock(mu_);
      announced_ = true;
      all.swap(tell_);
    }
    for (const auto& [id, tell] : all) tell();
  }

 private:
  Mutex mu_;
  bool announced_ ABSL_GUARDED_BY(mu_) = false;
  uint64_t last_ ABSL_GUARDED_BY(mu_) = 0;
  absl::flat_hash_map<uint64_t, std::function<void()>> tell_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::datanode
