// datanode/pipeline/balance_throttle.h - paces copies that are sent for the sake of balance.
//
// All of them share one rate. Before each packet a sender reserves its bytes, and is told how long
// to wait until those that were reserved before have had their time. So many senders at once are no
// faster than one, and none is forgotten.
//
// Threads: any; own mutex, a leaf.
#pragma once

#include <algorithm>
#include <cstdint>

#include "absl/time/time.h"
#include "common/mutex.h"

namespace cairn::datanode {

class BalanceThrottle {
 public:
  explicit BalanceThrottle(uint64_t bytes_per_second)
      : rate_(std::max<uint64_t>(bytes_per_second, 1)) {}

  // Counts for what is reserved from now on. 0: no effect, as in HDFS.
  void SetRate(uint64_t bytes_per_second) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    if (bytes_per_second == 0 || bytes_per_second == rate_) return;
    rate_ = bytes_per_second;
    free_at_ = -absl::InfiniteDuration();  // the old rate may have been very low
  }
  uint64_t rate() const ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    return rate_;
  }
  // How long to wait, from `now` on the monotonic clock, before sending so many bytes.
  absl::Duration Reserve(uint64_t bytes, absl::Duration now) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    const absl::Duration start = std::max(now, free_at_);
    free_at_ = start + absl::Seconds(static_cast<double>(bytes) / static_cast<double>(rate_));
    return start - now;
  }

 private:
  mutable Mutex mu_;
  uint64_t rate_ ABSL_GUARDED_BY(mu_);
  absl::Duration free_at_ ABSL_GUARDED_BY(mu_) = -absl::InfiniteDuration();
};

}  // namespace cairn::datanode
