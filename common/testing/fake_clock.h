// common/testing/fake_clock.h - a clock that stands still until the test moves it.
#pragma once

#include "common/clock.h"
#include "common/mutex.h"

namespace cairn {

class FakeClock final : public Clock {
 public:
  FakeClock() = default;
  explicit FakeClock(absl::Time now) : now_(now) {}

  absl::Time Now() override ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    return now_;
  }
  absl::Duration Monotonic() override ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    return monotonic_;
  }
  // Time passes: both clocks move.
  void Advance(absl::Duration step) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    now_ += step;
    monotonic_ += step;
  }
  // An administrator sets the wall clock, back too; monotonic time does not notice.
  void SetWallTime(absl::Time now) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    now_ = now;
  }

 private:
  Mutex mu_;
  absl::Time now_ ABSL_GUARDED_BY(mu_) = absl::FromUnixSeconds(1'600'000'000);
  absl::Duration monotonic_ ABSL_GUARDED_BY(mu_) = absl::Seconds(1000);
};

}  // namespace cairn
