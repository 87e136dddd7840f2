// tools/ec/pacer.h - a bound on bytes per second, shared by threads.
//
// Thread-safe.
#pragma once

#include <algorithm>
#include <cstdint>

#include "absl/time/time.h"
#include "common/mutex.h"

namespace cairn::tools {

class Pacer {
 public:
  // 0: no bound.
  explicit Pacer(uint64_t bytes_per_second) : bytes_per_second_(bytes_per_second) {}

  // How long who is to move `bytes` now waits before it does. What was not used is not saved up.
  // `now`: of a monotonic clock.
  absl::Duration Wait(uint64_t bytes, absl::Duration now) ABSL_LOCKS_EXCLUDED(mu_) {
    if (bytes_per_second_ == 0) return absl::ZeroDuration();
    MutexLock lock(mu_);
    const absl::Duration turn = std::max(next_, now);
    next_ =
        turn + absl::Seconds(static_cast<double>(bytes) / static_cast<double>(bytes_per_second_));
    return turn - now;
  }

 private:
  const uint64_t bytes_per_second_;
  Mutex mu_;
  absl::Duration next_ ABSL_GUARDED_BY(mu_) = -absl::InfiniteDuration();
};

}  // namespace cairn::tools
