#include "fuse/background.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/status/status.h"

namespace cairn::fuse {
namespace {

[[noreturn]] void WaitForWord(int from_child, pid_t child) {
  char word = 0;
  ssize_t bytes = 0;
  do {
    bytes = ::read(from_child, &word, 1);
  } while (bytes < 0 && errno == EINTR);
  if (bytes == 1) ::_exit(0);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  ::_exit(WIFEXITED(status) && WEXITSTATUS(status) != 0 ? WEXITSTATUS(status) : 1);
}

}  // namespace

absl::StatusOr<Background> Background::Enter() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe");
  const pid_t child = ::fork();
  if (child < 0) return absl::ErrnoToStatus(errno, "fork");
  if (child > 0) {
    ::close(ends[1]);
    WaitForWord(ends[0], child);
  }
  ::close(ends[0]);
  ::setsid();
  return Background(ends[1]);
}

Background::Background(Background&& other) noexcept
    : to_parent_(std::exchange(other.to_parent_, -1)) {}

Background::~Background() {
  if (to_parent_ >= 0) ::close(to_parent_);
}

void Background::Ready() {
  // The mount must not keep the directory it was started in busy.
  if (::chdir("/") != 0) return;
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null >= 0) {
    for (const int standard : {0, 1, 2}) ::dup2(null, standard);
    if (null > 2) ::close(null);
  }
  const char word = 1;
  // A parent that was killed needs no word.
  if (::write(to_parent_, &word, 1) < 0) return;
  ::close(std::exchange(to_parent_, -1));
}

}  // namespace cairn::fuse
