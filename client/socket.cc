#include "client/socket.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/net/congestion.h"
#include "common/status_macros.h"

namespace cairn::client {
namespace {

timeval TimeoutValue(absl::Duration d) {
  if (d == absl::InfiniteDuration()) return {};  // the kernel's "for ever"
  return absl::ToTimeval(std::max(d, absl::Milliseconds(1)));
}

int ToPollMillis(absl::Duration d) {
  return static_cast<int>(std::min<int64_t>(
      absl::ToInt64Milliseconds(absl::Ceil(d, absl::Milliseconds(1))), INT32_MAX));
}

int PollRetrying(int fd, short events, absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  while (true) {
    pollfd p{.fd = fd, .events = events, .revents = 0};
    const int n =
        ::poll(&p, 1, ToPollMillis(std::max(deadline - absl::Now(), absl::ZeroDuration())));
    if (n >= 0 || errno != EINTR) return n;
  }
}

// 0, or errno.
int ConnectWithin(int fd, const sockaddr* address, socklen_t size, absl::Duration timeout) {
  if (::connect(fd, address, size) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  const int n = PollRetrying(fd, POLLOUT, timeout);
  if (n < 0) return errno;
  if (n == 0) return ETIMEDOUT;
  int error = 0;
  socklen_t length = sizeof(error);
  return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? error : errno;
}

// 0, or an error for gai_strerror.
int LookUp(const std::string& host, uint16_t port, addrinfo** found) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  return ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, found);
}

void FreeAddresses(addrinfo* addresses) {
  if (addresses != nullptr) ::freeaddrinfo(addresses);
}

void Advance(std::span<iovec>& buffers, size_t done) {
  while (!buffers.empty() && done >= buffers.front().iov_len) {
    done -= buffers.front().iov_len;
    buffers = buffers.subspan(1);
  }
  if (!buffers.empty()) {
    buffers.front().iov_base = static_cast<char*>(buffers.front().iov_base) + done;
    buffers.front().iov_len -= done;
  }
}

bool WouldBlock(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

}  // namespace

Socket::Socket(int fd, std::string peer, const SocketOptions& options)
    : fd_(fd), peer_(std::move(peer)) {
  const int one = 1;
  const timeval send = TimeoutValue(options.write_timeout);
  // Best effort: a connection without these is slower, not wrong.
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  SetReadTimeout(options.read_timeout);
  ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &send, sizeof(send));
  SetCongestionControl(fd_, options.congestion_control);
}

Socket::Socket(Socket&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      low_water_(other.low_water_),
      peer_(std::move(other.peer_)) {}

Socket& Socket::operator=(Socket&& other) noexcept {
  if (this != &other) {
    Close();
    fd_ = std::exchange(other.fd_, -1);
    low_water_ = other.low_water_;
    peer_ = std::move(other.peer_);
  }
  return *this;
}

Socket::~Socket() { Close(); }

void Socket::Close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

void Socket::Shutdown() {
  if (fd_ >= 0) ::shutdown(fd_, SHUT_RDWR);
}

void Socket::SetReadTimeout(absl::Duration timeout) {
  const timeval value = TimeoutValue(timeout);
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &value, sizeof(value));
}

absl::Status Socket::Error(const char* what, int error) const {
  return absl::UnavailableError(
      absl::StrCat(peer_, ": ", what, ": ",
                   WouldBlock(error) ? "timed out" : std::string(std::strerror(error))));
}

absl::StatusOr<Socket> Socket::Connect(const std::string& host, uint16_t port,
                                       const SocketOptions& options) {
  const std::string peer = absl::StrCat(host, ":", port);
  addrinfo* found = nullptr;
  const int failed = LookUp(host, port, &found);
  if (failed != 0) {
    return absl::UnavailableError(absl::StrCat(peer, ": ", ::gai_strerror(failed)));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, &::freeaddrinfo);
  int error = EHOSTUNREACH;
  for (const addrinfo* a = found; a != nullptr; a = a->ai_next) {
    const int fd = ::socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
      error = errno;
      continue;
    }
    error = ConnectWithin(fd, a->ai_addr, a->ai_addrlen, options.connect_timeout);
    if (error == 0) {
      ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_NONBLOCK);
      return Socket(fd, peer, options);
    }
    ::close(fd);
  }
  return absl::UnavailableError(absl::StrCat(peer, ": connect: ", std::strerror(error)));
}

absl::StatusOr<Socket> Socket::ConnectLocally(const std::string& path,
                                              const SocketOptions& options) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": too long for a UNIX socket"));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return absl::UnavailableError(absl::StrCat(path, ": ", std::strerror(errno)));
  // The send time-out bounds a connect that waits for room in the queue of the one who listens.
  Socket socket(fd, path, options);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return socket.Error("connect", errno);
  }
  return socket;
}

absl::Status Socket::Send(std::span<const std::byte> data) {
  while (!data.empty()) {
    const ssize_t n = ::send(fd_, data.data(), data.size(), MSG_NOSIGNAL);
    if (n < 0) {
      if (errno == EINTR) continue;
      return Error("send", errno);
    }
    data = data.subspan(static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

absl::Status Socket::Receive(std::span<std::byte> out) {
  iovec buffer{.iov_base = out.data(), .iov_len = out.size()};
  return ReceiveAll(std::span(&buffer, 1));
}

absl::Status Socket::ReceiveAll(std::span<iovec> buffers) {
  Advance(buffers, 0);
  while (!buffers.empty()) {
    msghdr message{};
    message.msg_iov = buffers.data();
    message.msg_iovlen = buffers.size();
    const ssize_t n = ::recvmsg(fd_, &message, MSG_WAITALL);
    if (n < 0) {
      if (errno == EINTR) continue;
      return Error("receive", errno);
    }
    if (n == 0) return absl::UnavailableError(absl::StrCat(peer_, ": closed the connection"));
    Advance(buffers, static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

absl::StatusOr<size_t> Socket::ReceiveSome(std::span<std::byte> out) {
  while (true) {
    const ssize_t n = ::recv(fd_, out.data(), out.size(), 0);
    if (n > 0) return static_cast<size_t>(n);
    if (n == 0) return absl::UnavailableError(absl::StrCat(peer_, ": closed the connection"));
    if (errno != EINTR) return Error("receive", errno);
  }
}

void Socket::SetLowWater(size_t bytes) {
  int wanted = 1;
  if (bytes > 1) {
    int receive_buffer = 0;
    socklen_t size = sizeof(receive_buffer);
    if (::getsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, &size) == 0) {
      // More would make the kernel fix the window at that size.
      wanted = std::max(std::min(static_cast<int>(bytes), receive_buffer / 4), 1);
    }
  }
  if (wanted == low_water_) return;
  if (::setsockopt(fd_, SOL_SOCKET, SO_RCVLOWAT, &wanted, sizeof(wanted)) == 0) low_water_ = wanted;
}

absl::StatusOr<size_t> Socket::SendNow(std::span<iovec> buffers) {
  msghdr message{};
  message.msg_iov = buffers.data();
  message.msg_iovlen = buffers.size();
  while (true) {
    const ssize_t n = ::sendmsg(fd_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) return static_cast<size_t>(n);
    if (WouldBlock(errno)) return 0;
    if (errno != EINTR) return Error("send", errno);
  }
}

absl::StatusOr<size_t> Socket::ReceiveNow(std::span<std::byte> out) {
  while (true) {
    const ssize_t n = ::recv(fd_, out.data(), out.size(), MSG_DONTWAIT);
    if (n > 0) return static_cast<size_t>(n);
    if (n == 0) return absl::UnavailableError(absl::StrCat(peer_, ": closed the connection"));
    if (WouldBlock(errno)) return 0;
    if (errno != EINTR) return Error("receive", errno);
  }
}

absl::StatusOr<bool> Socket::Wait(bool or_writable, absl::Duration timeout) {
  const int n =
      PollRetrying(fd_, static_cast<short>(POLLIN | (or_writable ? POLLOUT : 0)), timeout);
  if (n < 0) return Error("poll", errno);
  return n > 0;
}

bool Socket::IsLocal() const {
  sockaddr_storage ends[2] = {};
  socklen_t size = sizeof(ends[0]);
  if (::getsockname(fd_, reinterpret_cast<sockaddr*>(&ends[0]), &size) != 0) return false;
  size = sizeof(ends[1]);
  if (::getpeername(fd_, reinterpret_cast<sockaddr*>(&ends[1]), &size) != 0) return false;
  if (ends[0].ss_family != AF_INET || ends[1].ss_family != AF_INET) return false;
  return reinterpret_cast<const sockaddr_in&>(ends[0]).sin_addr.s_addr ==
         reinterpret_cast<const sockaddr_in&>(ends[1]).sin_addr.s_addr;
}

bool Socket::IsStale() const {
  char byte;
  const ssize_t n = ::recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return n >= 0 || !WouldBlock(errno);
}

// ---- Connections on their way ----

PendingSocket::PendingSocket(const std::string& host, uint16_t port, const SocketOptions& options)
    : peer_(absl::StrCat(host, ":", port)), options_(options), addresses_(nullptr, &FreeAddresses) {
  addrinfo* found = nullptr;
  if (const int failed = LookUp(host, port, &found); failed != 0) why_ = ::gai_strerror(failed);
  addresses_.reset(found);
  next_ = found;
}

PendingSocket::~PendingSocket() {
  if (fd_ >= 0) ::close(fd_);
}

void PendingSocket::Drop(int error) {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  why_ = absl::StrCat("connect: ", std::strerror(error));
}

absl::StatusOr<std::optional<Socket>> PendingSocket::Move() {
  while (true) {
    if (fd_ < 0) {
      if (next_ == nullptr) return absl::UnavailableError(absl::StrCat(peer_, ": ", why_));
      const addrinfo& a = *std::exchange(next_, next_->ai_next);
      fd_ = ::socket(a.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
      if (fd_ < 0 || (::connect(fd_, a.ai_addr, a.ai_addrlen) != 0 && errno != EINPROGRESS)) {
        Drop(errno);
        continue;
      }
    }
    const int n = PollRetrying(fd_, POLLOUT, absl::ZeroDuration());
    if (n == 0) return std::optional<Socket>();
    int error = 0;
    socklen_t length = sizeof(error);
    if (n < 0 || ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &length) != 0) error = errno;
    if (error == 0) {
      ::fcntl(fd_, F_SETFL, ::fcntl(fd_, F_GETFL) & ~O_NONBLOCK);
      return std::optional<Socket>(Socket(std::exchange(fd_, -1), peer_, options_));
    }
    Drop(error);
  }
}

}  // namespace cairn::client
