#include "common/net/acceptor.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "common/thread.h"

namespace cairn {
namespace {

constexpr int kBacklog = 1024;
// Before the next try when accepting failed, mostly because no descriptor is free.
constexpr std::chrono::milliseconds kAcceptPause{100};
// A count asks the system once for each connection; who floods the port is not to have it made for
// each of his.
constexpr absl::Duration kCountPause = absl::Milliseconds(100);

struct Endpoint {
  sockaddr_storage address{};
  socklen_t bytes = 0;
  bool wildcard = false;

  sockaddr* get() { return reinterpret_cast<sockaddr*>(&address); }
  in_port_t& port() {
    return address.ss_family == AF_INET ? reinterpret_cast<sockaddr_in*>(&address)->sin_port
                                        : reinterpret_cast<sockaddr_in6*>(&address)->sin6_port;
  }
};

Endpoint MakeEndpoint(const in_addr& ip, uint16_t port) {
  Endpoint endpoint;
  auto* const address = reinterpret_cast<sockaddr_in*>(&endpoint.address);
  address->sin_family = AF_INET;
  address->sin_addr = ip;
  address->sin_port = htons(port);
  endpoint.bytes = sizeof(*address);
  endpoint.wildcard = ip.s_addr == htonl(INADDR_ANY);
  return endpoint;
}

Endpoint MakeEndpoint(const in6_addr& ip, uint16_t port) {
  Endpoint endpoint;
  auto* const address = reinterpret_cast<sockaddr_in6*>(&endpoint.address);
  address->sin6_family = AF_INET6;
  address->sin6_addr = ip;
  address->sin6_port = htons(port);
  endpoint.bytes = sizeof(*address);
  endpoint.wildcard = IN6_IS_ADDR_UNSPECIFIED(&ip);
  return endpoint;
}

absl::StatusOr<Endpoint> ParseEndpoint(absl::string_view text) {
  const size_t colon = text.rfind(':');
  uint32_t port = 0;
  if (colon != absl::string_view::npos && absl::SimpleAtoi(text.substr(colon + 1), &port) &&
      port <= 65535) {
    absl::string_view host = text.substr(0, colon);
    in_addr ipv4;
    in6_addr ipv6;
    if (::inet_pton(AF_INET, std::string(host).c_str(), &ipv4) == 1) {
      return MakeEndpoint(ipv4, static_cast<uint16_t>(port));
    }
    if (absl::ConsumePrefix(&host, "[") && absl::ConsumeSuffix(&host, "]") &&
        ::inet_pton(AF_INET6, std::string(host).c_str(), &ipv6) == 1) {
      return MakeEndpoint(ipv6, static_cast<uint16_t>(port));
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat("not a numeric address and a port to listen on: ", text));
}

// The socket. kUnavailable: with the system's reason.
absl::StatusOr<int> BindAndListen(Endpoint endpoint) {
  const int fd =
      ::socket(endpoint.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return absl::UnavailableError(std::strerror(errno));
  absl::Cleanup close = [fd] { ::close(fd); };
  const int yes = 1, no = 0;
  bool ok = ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) == 0;
  if (endpoint.address.ss_family == AF_INET6) {
    ok = ok && ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no)) == 0;
  }
  ok = ok && ::bind(fd, endpoint.get(), endpoint.bytes) == 0 && ::listen(fd, kBacklog) == 0;
  if (!ok) return absl::UnavailableError(std::strerror(errno));
  std::move(close).Cancel();
  return fd;
}

// 0: not a socket.
ino_t SocketInode(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode) ? status.st_ino : 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Acceptor>> Acceptor::Listen(absl::string_view address,
                                                           int max_connections,
                                                           absl::Duration most_silence) {
  ASSIGN_OR_RETURN(Endpoint endpoint, ParseEndpoint(address));
  absl::StatusOr<int> fd = absl::UnavailableError("");
  if (endpoint.wildcard) {
    const uint16_t port = ntohs(endpoint.port());
    fd = BindAndListen(MakeEndpoint(in6addr_any, port));
    if (!fd.ok()) endpoint = MakeEndpoint(in_addr{htonl(INADDR_ANY)}, port);  // without IPv6
  }
  if (!fd.ok()) fd = BindAndListen(endpoint);
  if (!fd.ok()) return fd.status();
  Endpoint bound;
  bound.bytes = sizeof(bound.address);
  CHECK_EQ(::getsockname(*fd, bound.get(), &bound.bytes), 0);
  return std::unique_ptr<Acceptor>(
      new Acceptor(*fd, ntohs(bound.port()), max_connections, most_silence));
}

Acceptor::~Acceptor() { Stop(); }

void Acceptor::Start(const std::string& thread_name, Take take) {
  CHECK(!thread_.joinable() && listener_ >= 0) << "started twice, or after Stop";
  take_ = std::move(take);
  thread_ = std::thread([this, thread_name] {
    SetThreadName(thread_name);
    Run();
  });
}

void Acceptor::Stop() {
  if (listener_ < 0) return;
  {
    MutexLock lock(mu_);
    stopping_ = true;
  }
  stopped_.NotifyAll();
  ::shutdown(listener_, SHUT_RDWR);  // ends the wait for a connection
  if (thread_.joinable()) thread_.join();
  ::close(std::exchange(listener_, -1));
}

bool Acceptor::stopping() {
  MutexLock lock(mu_);
  return stopping_;
}

bool Acceptor::Pause() {
  MutexLock lock(mu_);
  if (!stopping_) stopped_.WaitFor(mu_, kAcceptPause);
  return !stopping_;
}

void Acceptor::Run() {
  while (!stopping()) {
    // Not by accept(2), which takes a descriptor before it waits.
    pollfd wait{.fd = listener_, .events = POLLIN, .revents = 0};
    if (::poll(&wait, 1, -1) < 0 && errno != EINTR && !Pause()) return;
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      Admit(fd);
      continue;
    }
    const int error = errno;
    if (stopping()) return;
    if (error == EAGAIN || error == EINTR || error == ECONNABORTED) continue;
    accept_errors_.fetch_add(1, std::memory_order_relaxed);
    LOG_EVERY_SECONDS(kWarn, 10, "accept on port {}: {}", port_, std::strerror(error));
    if (!Pause()) return;
  }
}

void Acceptor::Admit(int fd) {
  if (!HasRoom()) {
    refused_.fetch_add(1, std::memory_order_relaxed);
    LOG_EVERY_SECONDS(kWarn, 10, "port {}: {} connections are open, another one is refused", port_,
                      max_connections_);
    ::close(fd);
    return;
  }
  const int yes = 1;  // slower, not wrong, without it
  (void)::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
  const auto silence = static_cast<unsigned int>(absl::ToInt64Milliseconds(most_silence_));
  (void)::setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silence, sizeof(silence));
  // A socket with this number that was handed on earlier is closed, or it would not be free.
  handed_on_[fd] = SocketInode(fd);
  take_(fd);
}

// A number may belong to another file by now, but never to one with the same inode: the kernel
// counts those of sockets up.
bool Acceptor::HasRoom() {
  const auto most = static_cast<size_t>(max_connections_);
  if (handed_on_.size() < most) return true;
  const absl::Duration now = SystemClock().Monotonic();
  if (now < next_count_) return false;
  absl::erase_if(handed_on_, [](const auto& one) { return SocketInode(one.first) != one.second; });
  next_count_ = now + kCountPause;
  return handed_on_.size() < most;
}

}  // namespace cairn
