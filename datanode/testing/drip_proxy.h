// datanode/testing/drip_proxy.h - a way to a datanode that becomes very slow: some bytes pass at
// once, then one every 10 ms.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "common/check.h"
#include "common/mutex.h"

namespace cairn::datanode::testing {

class DripProxy {
 public:
  static constexpr size_t kAll = std::numeric_limits<size_t>::max();

  // So many bytes of each connection pass at once to the datanode, and so many from it.
  DripProxy(uint16_t to, size_t there, size_t back)
      : to_(to), there_(there), back_(back), listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
    const int size = 4096;  // of what it takes in without passing it on
    CHECK(::setsockopt(listener_, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)) == 0);
    sockaddr_in address = Loopback(0);
    socklen_t length = sizeof(address);
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    CHECK(::bind(listener_, any, length) == 0 && ::listen(listener_, 8) == 0);
    CHECK(::getsockname(listener_, any, &length) == 0);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { Accept(); });
  }
  ~DripProxy() {
    stop_.Notify();
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    MutexLock lock(mu_);
    for (const int fd : sockets_) ::shutdown(fd, SHUT_RDWR);
    for (std::thread& thread : threads_) thread.join();
    for (const int fd : sockets_) ::close(fd);
    ::close(listener_);
  }
  DripProxy(const DripProxy&) = delete;
  DripProxy& operator=(const DripProxy&) = delete;

  uint16_t port() const { return port_; }

 private:
  static sockaddr_in Loopback(uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
  }

  void Accept() {
    while (true) {
      const int client = ::accept(listener_, nullptr, nullptr);
      if (client < 0) return;  // it ends
      const int node = ::socket(AF_INET, SOCK_STREAM, 0);
      const sockaddr_in address = Loopback(to_);
      CHECK(::connect(node, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
      MutexLock lock(mu_);
      sockets_.insert(sockets_.end(), {client, node});
      threads_.emplace_back([this, client, node] { Pass(client, node, there_); });
      threads_.emplace_back([this, client, node] { Pass(node, client, back_); });
    }
  }

  // Until one of them closes.
  void Pass(int from, int to, size_t at_once) {
    std::vector<char> bytes(size_t{64} << 10);
    while (true) {
      const size_t most = std::clamp(at_once, size_t{1}, bytes.size());
      const ssize_t count = ::recv(from, bytes.data(), most, 0);
      if (count <= 0) break;
      ssize_t sent = 0;
      while (sent < count) {
        const ssize_t more =
            ::send(to, bytes.data() + sent, static_cast<size_t>(count - sent), MSG_NOSIGNAL);
        if (more <= 0) break;
        sent += more;
      }
      if (sent < count) break;
      if (at_once == 0 && stop_.WaitForNotificationWithTimeout(absl::Milliseconds(10))) break;
      if (at_once != kAll) at_once -= std::min(at_once, static_cast<size_t>(count));
    }
    ::shutdown(from, SHUT_RDWR);
    ::shutdown(to, SHUT_RDWR);
  }

  const uint16_t to_;
  const size_t there_, back_;
  const int listener_;
  uint16_t port_ = 0;
  absl::Notification stop_;
  std::thread acceptor_;
  Mutex mu_;
  std::vector<int> sockets_ ABSL_GUARDED_BY(mu_);
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::datanode::testing
