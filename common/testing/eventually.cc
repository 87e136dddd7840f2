#include "common/testing/eventually.h"

#include <algorithm>

#include "absl/time/clock.h"

namespace cairn {

bool Eventually(absl::FunctionRef<bool()> condition, absl::Duration limit) {
  const absl::Time give_up = absl::Now() + limit;
  absl::Duration pause = absl::Microseconds(100);
  while (!condition()) {
    if (absl::Now() > give_up) return false;
    absl::SleepFor(pause);
    pause = std::min(pause * 2, absl::Milliseconds(20));
  }
  return true;
}

}  // namespace cairn
