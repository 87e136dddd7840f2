// common/testing/tcp_client.h - a TCP connection to a port of this machine, by system calls alone.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/string_view.h"
#include "common/check.h"

namespace cairn {

class TcpClient {
 public:
  explicit TcpClient(uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    CHECK_GE(fd_, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    CHECK_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    const timeval patience{.tv_sec = 60, .tv_usec = 0};
    CHECK_EQ(::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
  }
  ~TcpClient() { ::close(fd_); }
  TcpClient(const TcpClient&) = delete;
  TcpClient& operator=(const TcpClient&) = delete;

  void Send(absl::string_view bytes) {
    CHECK_EQ(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
             static_cast<ssize_t>(bytes.size()));
  }
  // Waits for it. False: the other end has closed the connection, or nothing came for a minute.
  bool GetsAByte() {
    char byte = 0;
    return ::recv(fd_, &byte, 1, 0) == 1;
  }
  // Whatever comes first is read. False: the connection was still open after a silent minute.
  bool IsClosedByServer() {
    char bytes[4096];
    ssize_t got;
    do got = ::recv(fd_, bytes, sizeof(bytes), 0);
    while (got > 0);
    return got == 0 || errno == ECONNRESET;
  }

 private:
  const int fd_;
};

}  // namespace cairn
