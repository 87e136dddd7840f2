#include "common/io/read_some.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/io/errno_code.h"

namespace cairn {

absl::StatusOr<bool> ReadSome(int fd, std::string* to) {
  char buffer[4096];
  const ssize_t got = ::read(fd, buffer, sizeof buffer);
  if (got < 0) {
    const int error = errno;
    if (error == EINTR || error == EAGAIN) return true;
    return absl::Status(CodeOfErrno(error), absl::StrCat("read: ", std::strerror(error)));
  }
  to->append(buffer, static_cast<size_t>(got));
  return got > 0;
}

}  // namespace cairn
