// common/crash_point.h - named places where a test may have the process die.
//
//   CRASH_POINT("edit_log_before_sync");
//
// Does nothing but one relaxed load, unless the environment says CAIRN_CRASH_POINT=name[:nth]: then
// the nth time (1 if not given) that any thread passes the point of that name, the process kills
// itself with SIGKILL, as a power cut of the process would. A malformed value stops the program at
// its start. Tests in one process set a hook instead.
#pragma once

#include <atomic>
#include <functional>

#include "absl/base/optimization.h"
#include "absl/strings/string_view.h"

namespace cairn {

// Called at every crash point, on the thread that passes it, with no lock held; it may throw
// nothing. An empty function removes the hook; a thread that is in the old one may still be
// finishing it.
using CrashPointHook = std::function<void(absl::string_view name)>;
void SetCrashPointHook(CrashPointHook hook);

namespace crash_point_internal {
extern std::atomic<bool> armed;
void Hit(absl::string_view name);
}  // namespace crash_point_internal

}  // namespace cairn

#define CRASH_POINT(name)                                                            \
  do {                                                                               \
    if (ABSL_PREDICT_FALSE(                                                          \
            ::cairn::crash_point_internal::armed.load(std::memory_order_relaxed))) { \
      ::cairn::crash_point_internal::Hit(name);                                      \
    }                                                                                \
  } while (false)
