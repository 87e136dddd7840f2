// wire/rpc/server_fixture.h - an RpcServer over real loopback sockets, and a client that sends what
// it likes, for the tests of this folder.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "common/testing/fake_clock.h"
#include "common/testing/status_matchers.h"
#include "wire/rpc/server.h"
#include "wire/rpc/test_frames.h"
#include "wire/rpc/test_service.h"

namespace cairn::rpc {

class RawClient {
 public:
  // `from`: the last byte of its own address, 127.0.0.x; 0: as the kernel chooses.
  explicit RawClient(uint16_t port, uint32_t from = 0) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    if (from != 0) {
      address.sin_addr.s_addr = htonl((INADDR_LOOPBACK & ~uint32_t{0xff}) | from);
      EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    }
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    const timeval limit{.tv_sec = 30, .tv_usec = 0};  // a lost answer fails the test, not hangs it
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    const int one = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  }
  ~RawClient() {
    if (fd_ >= 0) ::close(fd_);
  }
  RawClient(RawClient&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

  void Send(absl::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      ASSERT_GT(n, 0) << strerror(errno);
      bytes.remove_prefix(static_cast<size_t>(n));
    }
  }
  // What the socket takes now.
  size_t SendSome(absl::string_view bytes) {
    const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return n < 0 ? 0 : static_cast<size_t>(n);
  }
  void Establish(absl::string_view user = "alice") {
    Send(absl::StrCat(kSimplePreamble, ContextFrame(user)));
  }
  void Call(int32_t id, absl::string_view method, absl::string_view text) {
    Send(CallFrame(id, method, Text(text).SerializeAsString()));
  }
  // Without its length; "" at the end of the stream.
  std::string ReadFrame() {
    std::string length;
    if (!ReadExactly(kLengthBytes, &length)) return "";
    std::string frame;
    const size_t bytes = ScanFrame(length, kMaxResponseBytes).bytes - kLengthBytes;
    EXPECT_TRUE(ReadExactly(bytes, &frame));
    return frame;
  }
  // The response's text, or its exception's class and text.
  std::pair<int, std::string> ReadAnswer() {
    const std::string frame = ReadFrame();
    TestResponse response;
    if (frame.empty() || !ParseResponse(frame, &response)) return {-999, "end of stream"};
    const int id = response.header.call_id;
    if (response.header.status != RpcStatus::kSuccess) {
      EXPECT_EQ(response.body, "");
      return {id,
              absl::StrCat(response.header.status == RpcStatus::kFatal ? "FATAL " : "ERROR ",
                           response.header.exception_class, ": ", response.header.error_message)};
    }
    absl::string_view body;
    EXPECT_TRUE(TakeDelimited(&response.body, &body));
    EXPECT_EQ(response.body, "");
    google::protobuf::StringValue value;
    EXPECT_TRUE(value.ParseFromArray(body.data(), static_cast<int>(body.size())));
    return {id, value.value()};
  }
  std::string ReadAll() {
    std::string all;
    char buffer[4096];
    for (;;) {
      const ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
      if (n <= 0) {
        closed_by_server_ = n == 0 || errno == ECONNRESET;
        return all;
      }
      all.append(buffer, static_cast<size_t>(n));
    }
  }
  bool ClosedByServer() {
    ReadAll();
    return closed_by_server_;
  }

 private:
  bool ReadExactly(size_t bytes, std::string* out) {
    out->resize(bytes);
    size_t have = 0;
    while (have < bytes) {
      const ssize_t n = ::recv(fd_, out->data() + have, bytes - have, 0);
      if (n <= 0) return false;
      have += static_cast<size_t>(n);
    }
    return true;
  }

  int fd_;
  bool closed_by_server_ = false;
};

class RpcServerFixture : public testing::Test {
 protected:
  void Start(RpcServerOptions options = {}) {
    options.bind_address = "127.0.0.1";
    options.clock = &clock_;
    options.sweep_interval = absl::Milliseconds(5);
    auto server = RpcServer::Start(std::move(options), threads_, &gate_, {&service_, &other_});
    ASSERT_OK(server);
    server_ = *std::move(server);
  }
  RawClient Connect() { return RawClient(server_->port()); }
  RawClient Established() {
    RawClient client = Connect();
    client.Establish();
    return client;
  }
  const RpcServerStats& stats() { return server_->stats(); }

  FakeClock clock_;
  TestGate gate_;
  TestService service_;
  TestService other_{"org.example.OtherProtocol"};
  IoThreads threads_{2, "rpc-test"};
  std::unique_ptr<RpcServer> server_;
};

}  // namespace cairn::rpc
