#include "client/read_interrupt.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

namespace cairn::client {

absl::Status ReadInterrupt::Watch(const Socket& socket) {
  MutexLock lock(mu_);
  if (ended_) return absl::CancelledError("nobody waits for it any more");
  Forget();
  // Without a descriptor left the read goes on, and ends by its own limits only.
  fd_ = ::fcntl(socket.fd(), F_DUPFD_CLOEXEC, 0);
  return absl::OkStatus();
}

bool ReadInterrupt::Release() {
  MutexLock lock(mu_);
  Forget();
  return !ended_;
}

void ReadInterrupt::End() {
  MutexLock lock(mu_);
  ended_ = true;
  if (fd_ >= 0) ::shutdown(fd_, SHUT_RDWR);
}

bool ReadInterrupt::has_ended() const {
  MutexLock lock(mu_);
  return ended_;
}

void ReadInterrupt::Forget() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

}  // namespace cairn::client
