#include "common/random_bytes.h"

#include <sys/random.h>

#include <cerrno>

#include "common/check.h"

namespace cairn {

void FillRandom(std::span<std::byte> out) {
  while (!out.empty()) {
    const ssize_t drawn = ::getrandom(out.data(), out.size(), 0);
    if (drawn >= 0) {
      out = out.subspan(static_cast<size_t>(drawn));
    } else {
      CHECK(errno == EINTR) << "getrandom fails with " << errno;
    }
  }
}

}  // namespace cairn
