// common/clock.h - how all code learns the time.
//
// Two clocks, since they answer different questions. Now() is wall time: what users see as mtime;
// an administrator may set it back, so no decision may depend on its going forward. Monotonic() is
// for leases, time-outs and pauses: it never goes backwards and has no meaning outside this
// process. Thread-safe.
#pragma once

#include "absl/time/time.h"

namespace cairn {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Now() = 0;
  virtual absl::Duration Monotonic() = 0;  // since an arbitrary start
};

// The machine's clocks. Never destroyed.
Clock& SystemClock();

}  // namespace cairn
