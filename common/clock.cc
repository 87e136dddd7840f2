#include "common/clock.h"

#include <time.h>

#include "absl/time/clock.h"

namespace cairn {
namespace {

class RealClock final : public Clock {
 public:
  absl::Time Now() override { return absl::Now(); }
  absl::Duration Monotonic() override {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);  // cannot fail with this clock and a valid pointer
    return absl::DurationFromTimespec(now);
  }
};

}  // namespace

Clock& SystemClock() {
  static Clock* const clock = new RealClock;
  return *clock;
}

}  // namespace cairn
