#include "libhdfs/call.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "libhdfs/errno.h"

namespace cairn::libhdfs {
namespace {

struct Failure {
  std::string root_cause;  // empty: the latest call did not fail
  std::string stack_trace;
};
thread_local Failure failure;

char* OrNull(std::string& text) { return text.empty() ? nullptr : text.data(); }

}  // namespace

void ForgetFailure() {
  failure.root_cause.clear();
  failure.stack_trace.clear();
}

int RememberFailure(const char* function, const absl::Status& status) {
  failure.root_cause = RootCauseOf(status);
  failure.stack_trace = absl::StrCat(failure.root_cause, "\n\tat ", function);
  return ErrnoOf(status);
}

}  // namespace cairn::libhdfs

char* hdfsGetLastExceptionRootCause(void) {
  return cairn::libhdfs::OrNull(cairn::libhdfs::failure.root_cause);
}

char* hdfsGetLastExceptionStackTrace(void) {
  return cairn::libhdfs::OrNull(cairn::libhdfs::failure.stack_trace);
}
