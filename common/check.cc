#include "common/check.h"

#include <unistd.h>

#include <cstdlib>
#include <string>

namespace cairn::check_internal {

Failure::Failure(const char* file, int line, const char* what) {
  text_ << file << ":" << line << ": CHECK failed: " << what << " ";
}

Failure::~Failure() {
  const std::string message = text_.str() + "\n";
  // write(2), not the logger: the bug may be in the logger.
  [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, message.data(), message.size());
  std::abort();
}

}  // namespace cairn::check_internal
