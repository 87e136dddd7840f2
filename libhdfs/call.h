// libhdfs/call.h - the border between C and C++: what every function of the API goes through.
//
//   int hdfsExists(hdfsFS fs, const char* path) {
//     return Call("hdfsExists", -1, [&]() -> absl::StatusOr<int> { ... });
//   }
//
// The body's status becomes errno and what hdfsGetLastException... tell this thread. No exception
// gets out: a caller in C could not catch it.
#pragma once

#include <cerrno>
#include <new>
#include <utility>

#include "absl/status/statusor.h"
#include "hdfs/hdfs.h"

namespace cairn::libhdfs {

// Of the calling thread.
void ForgetFailure();
// Returns the errno.
int RememberFailure(const char* function, const absl::Status& status);

// The value of `body`, an absl::StatusOr<T>, or `failed`. errno changes only if it failed: what the
// calls inside left there is nobody's business.
template <typename T, typename Body>
T Call(const char* function, T failed, Body&& body) noexcept {
  const int errno_before = errno;
  try {
    ForgetFailure();
    absl::StatusOr<T> result = std::forward<Body>(body)();
    if (result.ok()) {
      errno = errno_before;
      return *std::move(result);
    }
    errno = RememberFailure(function, result.status());
  } catch (const std::bad_alloc&) {
    errno = ENOMEM;
  } catch (...) {
    errno = EINTERNAL;
  }
  return failed;
}

// For functions that return the errno itself.
template <typename Body>
int CallForErrno(const char* function, Body&& body) noexcept {
  return Call(function, -1, std::forward<Body>(body)) == 0 ? 0 : errno;
}

}  // namespace cairn::libhdfs
