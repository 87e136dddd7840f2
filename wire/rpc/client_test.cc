// RpcClient against our own server, and against servers that behave badly.
#include "wire/rpc/client.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/check.h"
#include "common/mutex.h"
#include "common/net/io_threads.h"
#include "common/testing/eventually.h"
#include "common/testing/status_matchers.h"
#include "wire/rpc/server.h"
#include "wire/rpc/test_frames.h"
#include "wire/rpc/test_service.h"

namespace cairn::rpc {
namespace {

using google::protobuf::StringValue;
using testing::HasSubstr;

// The result of a CallAsync.
class AsyncResult {
 public:
  std::function<void(absl::Status)> Callback() {
    return [this](absl::Status status) {
      MutexLock lock(mu_);
      CHECK(!done_) << "called back twice";
      status_ = std::move(status);
      done_ = true;
    };
  }
  bool done() {
    MutexLock lock(mu_);
    return done_;
  }
  absl::Status status() {
    MutexLock lock(mu_);
    return status_;
  }
  StringValue response;

 private:
  Mutex mu_;
  bool done_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mu_);
};

class RpcClientTest : public testing::Test {
 protected:
  void StartServer(uint16_t port = 0) {
    RpcServerOptions options;
    options.bind_address = "127.0.0.1";
    options.port = port;
    auto server = RpcServer::Start(options, server_threads_, &gate_, {&service_});
    ASSERT_OK(server);
    server_ = *std::move(server);
  }
  RpcClientOptions Options(uint16_t port) {
    RpcClientOptions options;
    options.host = "127.0.0.1";
    options.port = port;
    options.protocol = std::string(kTestProtocol);
    options.user = "alice";
    options.backoff_min = absl::Milliseconds(5);
    options.backoff_max = absl::Milliseconds(20);
    options.retries = retries_;
    return options;
  }
  void StartBoth() {
    StartServer();
    client_ = std::make_unique<RpcClient>(Options(server_->port()), client_threads_);
  }
  absl::StatusOr<std::string> Call(absl::string_view method, absl::string_view text,
                                   const CallOptions& options = {}) {
    StringValue response;
    RETURN_IF_ERROR(client_->Call(method, Text(text), &response, options));
    return response.value();
  }

  const std::shared_ptr<std::atomic<uint64_t>> retries_ =
      std::make_shared<std::atomic<uint64_t>>(0);
  TestGate gate_;
  TestService service_;
  IoThreads server_threads_{1, "rpc-server"};
  IoThreads client_threads_{1, "rpc-client"};
  std::unique_ptr<RpcServer> server_;
  std::unique_ptr<RpcClient> client_;
};

// What a child draws; the parent has no threads.
std::string ClientIdOfAChild() {
  int ends[2];
  CHECK(::pipe(ends) == 0) << errno;
  const pid_t child = ::fork();
  CHECK(child >= 0) << errno;
  if (child == 0) {
    IoThreads threads(1, "rpc-child");
    const RpcClient client({.host = "127.0.0.1", .port = 1}, threads);
    const ClientId& id = client.client_id();
    ::_exit(::write(ends[1], id.data(), id.size()) == static_cast<ssize_t>(id.size()) ? 0 : 1);
  }
  ::close(ends[1]);
  std::string id(sizeof(ClientId), '\0');
  CHECK(::read(ends[0], id.data(), id.size()) == static_cast<ssize_t>(id.size())) << errno;
  ::close(ends[0]);
  int status = 0;
  CHECK(::waitpid(child, &status, 0) == child && status == 0) << status;
  return id;
}

// A server would answer the calls of one with what it has answered the other.
TEST(RpcClientIdTest, ForkedChildrenHaveDifferentOnes) {
  {
    IoThreads threads(1, "rpc-parent");
    const RpcClient client({.host = "127.0.0.1", .port = 1}, threads);
  }
  const std::string first = ClientIdOfAChild();
  EXPECT_NE(first, ClientIdOfAChild());
}

TEST_F(RpcClientTest, CallsAreAnswered) {
  StartBoth();
  EXPECT_THAT(Call("echo", "hello"), IsOkAndHolds("hello"));
  EXPECT_THAT(Call("user", ""), IsOkAndHolds("alice"));
  EXPECT_THAT(Call("echo", ""), IsOkAndHolds(""));
}

TEST_F(RpcClientTest, HostNamesAreResolved) {
  StartServer();
  RpcClientOptions options = Options(server_->port());
  options.host = "localhost";
  client_ = std::make_unique<RpcClient>(options, client_threads_);
  EXPECT_THAT(Call("user", ""), IsOkAndHolds("alice"));
}

TEST_F(RpcClientTest, ExceptionsBecomeStatuses) {
  StartBoth();
  const absl::Status missing = Call("fail", "File does not exist: /x").status();
  EXPECT_THAT(missing, IsFsError(FsError::kFileNotFound));
  EXPECT_EQ(missing.message(), "File does not exist: /x");
  EXPECT_THAT(Call("noSuchThing", "").status(), IsFsError(FsError::kNoSuchMethod));
  EXPECT_THAT(Call("user", ""), IsOkAndHolds("alice"));
}

TEST_F(RpcClientTest, FatalReplyFailsTheCallsAtOnce) {
  StartServer();
  RpcClientOptions options = Options(server_->port());
  options.user = "";
  client_ = std::make_unique<RpcClient>(options, client_threads_);
  EXPECT_THAT(Call("user", "").status(), IsFsError(FsError::kAccessControl));
  options = Options(server_->port());
  options.real_user = "oozie";
  client_ = std::make_unique<RpcClient>(options, client_threads_);
  EXPECT_THAT(Call("user", "").status(), IsFsError(FsError::kAuthorization));
}

TEST_F(RpcClientTest, ManyThreadsShareOneConnection) {
  StartBoth();
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        const std::string text = absl::StrCat(t, "-", i);
        EXPECT_THAT(Call("echo", text), IsOkAndHolds(text));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(server_->stats().connections_accepted.load(), 1u);
}

TEST_F(RpcClientTest, ManyCallsAreUnderWayAtOnce) {
  StartBoth();
  std::vector<AsyncResult> results(3000);
  for (size_t i = 0; i < results.size(); ++i) {
    client_->CallAsync("echo", Text(absl::StrCat(i)), &results[i].response, {},
                       results[i].Callback());
  }
  for (size_t i = 0; i < results.size(); ++i) {
    EVENTUALLY(results[i].done());
    EXPECT_OK(results[i].status());
    EXPECT_EQ(results[i].response.value(), absl::StrCat(i));
  }
}

TEST_F(RpcClientTest, LargeRequestsAndAnswersPass) {
  StartBoth();
  const std::string text(20 << 20, 'b');
  const absl::StatusOr<std::string> answer = Call("echo", text);
  ASSERT_OK(answer);
  EXPECT_TRUE(*answer == text);
  EXPECT_THAT(Call("echo", std::string(kMaxRequestBytes, 'b')).status(),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Call("user", ""), IsOkAndHolds("alice"));
}

TEST_F(RpcClientTest, LostReplyIsAskedForAgainUnderTheSameIds) {
  StartBoth();
  const uint16_t port = server_->port();
  AsyncResult result;
  client_->CallAsync("later", Text(""), &result.response, {}, result.Callback());
  EVENTUALLY(service_.deferred_count() == 1);
  server_.reset();  // the reply can no longer arrive
  service_.TakeDeferred()[0].SendAt(0, Text("lost"));
  StartServer(port);
  EVENTUALLY(service_.deferred_count() == 1);
  service_.TakeDeferred()[0].SendAt(0, Text("found"));
  EVENTUALLY(result.done());
  EXPECT_OK(result.status());
  EXPECT_EQ(result.response.value(), "found");

  const auto calls = service_.deferred_calls();
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_EQ(calls[0].client_id, calls[1].client_id);
  EXPECT_EQ(calls[0].client_id,
            std::string(client_->client_id().begin(), client_->client_id().end()));
  EXPECT_EQ(calls[0].call_id, calls[1].call_id);
  EXPECT_EQ(calls[0].retry_count, 0);
  EXPECT_GE(calls[1].retry_count, 1);
  EXPECT_EQ(retries_->load(), static_cast<uint64_t>(calls[1].retry_count));
}

TEST_F(RpcClientTest, CallThatMayNotBeRepeatedIsNot) {
  StartBoth();
  const uint16_t port = server_->port();
  AsyncResult result;
  CallOptions options;
  options.idempotency = Idempotency::kNone;
  client_->CallAsync("later", Text(""), &result.response, options, result.Callback());
  EVENTUALLY(service_.deferred_count() == 1);
  server_.reset();
  EVENTUALLY(result.done());
  EXPECT_THAT(result.status(), StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("unknown")));
  StartServer(port);
  EXPECT_THAT(Call("user", ""), IsOkAndHolds("alice"));
  EXPECT_EQ(service_.deferred_calls().size(), 1u);
}

TEST_F(RpcClientTest, ServerMayRestartBetweenCalls) {
  StartBoth();
  const uint16_t port = server_->port();
  for (int i = 0; i < 5; ++i) {
    EXPECT_THAT(Call("echo", "x"), IsOkAndHolds("x"));
    server_.reset();
    StartServer(port);
  }
}

TEST_F(RpcClientTest, ServerMayComeUpLate) {
  StartServer();
  const uint16_t port = server_->port();
  server_.reset();
  client_ = std::make_unique<RpcClient>(Options(port), client_threads_);
  AsyncResult result;
  client_->CallAsync("echo", Text("x"), &result.response, {}, result.Callback());
  StartServer(port);
  EVENTUALLY(result.done());
  EXPECT_OK(result.status());
}

TEST_F(RpcClientTest, NoServerIsGivenUpAfterTheRetryTime) {
  StartServer();
  RpcClientOptions options = Options(server_->port());
  server_.reset();
  options.retry_time = absl::Milliseconds(200);
  client_ = std::make_unique<RpcClient>(options, client_threads_);
  EXPECT_THAT(Call("echo", "").status(),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr(absl::StrCat("127.0.0.1:", options.port))));
}

TEST_F(RpcClientTest, UnknownHostIsNamed) {
  RpcClientOptions options = Options(1);
  options.host = "no-such-host.invalid";
  options.retry_time = absl::Milliseconds(100);
  client_ = std::make_unique<RpcClient>(options, client_threads_);
  EXPECT_THAT(Call("echo", "").status(),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("no-such-host.invalid")));
}

TEST_F(RpcClientTest, TimeOutLeavesTheConnectionUsable) {
  StartBoth();
  CallOptions options;
  options.timeout = absl::Milliseconds(150);
  EXPECT_THAT(Call("later", "", options).status(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  service_.TakeDeferred()[0].SendAt(0, Text("too late"));
  EXPECT_THAT(Call("user", ""), IsOkAndHolds("alice"));
}

TEST_F(RpcClientTest, BusyServerIsAskedAgain) {
  StartBoth();
  service_.busy_calls.store(3);
  EXPECT_THAT(Call("busy", "x"), IsOkAndHolds("x"));
  EXPECT_EQ(service_.calls.load(), 4);
  EXPECT_EQ(retries_->load(), 3u);

  RpcClientOptions options = Options(server_->port());
  options.retry_busy = false;
  client_ = std::make_unique<RpcClient>(options, client_threads_);
  service_.busy_calls.store(1);
  EXPECT_THAT(Call("busy", "x").status(), IsFsError(FsError::kRetriable));
}

TEST_F(RpcClientTest, DestructionCancelsWhatIsUnderWay) {
  StartBoth();
  AsyncResult result;
  client_->CallAsync("later", Text(""), &result.response, {}, result.Callback());
  EVENTUALLY(service_.deferred_count() == 1);
  client_.reset();
  EXPECT_THAT(result.status(), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(RpcClientTest, ClientMayEndAfterItsThreads) {
  StartBoth();
  EXPECT_THAT(Call("echo", "x"), IsOkAndHolds("x"));
  client_threads_.Stop();
  client_.reset();
}

// A listening socket whose every connection is served by `serve`, one after another.
class FakeServer {
 public:
  explicit FakeServer(std::function<void(int)> serve) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    CHECK(::bind(fd_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    CHECK(::listen(fd_, 16) == 0);
    CHECK(::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, serve = std::move(serve)] {
      for (;;) {
        const int connection = ::accept(fd_, nullptr, nullptr);
        if (connection < 0) return;
        serve(connection);
        ::close(connection);
      }
    });
  }
  ~FakeServer() {
    ::shutdown(fd_, SHUT_RDWR);
    thread_.join();
    ::close(fd_);
  }
  uint16_t port() const { return port_; }

 private:
  const int fd_;
  uint16_t port_ = 0;
  std::thread thread_;
};

std::string ReadExactly(int fd, size_t bytes) {
  std::string all(bytes, '\0');
  size_t have = 0;
  while (have < bytes) {
    const ssize_t n = ::recv(fd, all.data() + have, bytes - have, 0);
    if (n <= 0) return "";
    have += static_cast<size_t>(n);
  }
  return all;
}

std::string ReadFrame(int fd) {
  const std::string length = ReadExactly(fd, kLengthBytes);
  if (length.empty()) return "";
  return ReadExactly(fd, ScanFrame(length, kMaxRequestBytes).bytes - kLengthBytes);
}

// Reads up to and with the first call.
RequestHeader ReadCall(int fd, std::string* frame) {
  ReadExactly(fd, kPreambleBytes);
  ReadFrame(fd);
  *frame = ReadFrame(fd);
  absl::string_view rest = *frame;
  absl::string_view bytes;
  RequestHeader header;
  if (TakeDelimited(&rest, &bytes)) ParseRequestHeader(bytes, &header);
  return header;
}

std::string AnswerTo(const RequestHeader& header, absl::string_view body) {
  OutBuffer out;
  EncodeResponseBytes({.call_id = header.call_id, .client_id = header.client_id}, body,
                      kMaxResponseBytes, &out);
  return std::string(out.view());
}

void SendAll(int fd, absl::string_view bytes) {
  EXPECT_EQ(::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(bytes.size()));
}

TEST_F(RpcClientTest, DamagedAnswersFailTheCall) {
  const std::string answers[] = {
      Hex("7f ff ff ff"),           // longer than any answer may be
      Hex("ff ff ff ff"),           // negative
      Hex("00 00 00 00"),           // no header
      Hex("00 00 00 02 7f 00"),     // header beyond the frame
      Hex("00 00 00 03 02 08 01"),  // no status
      std::string("HTTP/1.1 400 Bad Request\r\n\r\n"),
  };
  for (const std::string& answer : answers) {
    FakeServer server([&](int fd) {
      std::string frame;
      ReadCall(fd, &frame);
      SendAll(fd, answer);
    });
    client_ = std::make_unique<RpcClient>(Options(server.port()), client_threads_);
    EXPECT_THAT(Call("echo", "x").status(), StatusIs(absl::StatusCode::kInternal));
  }
}

TEST_F(RpcClientTest, AnswerThatDoesNotParseFailsOnlyItsCall) {
  FakeServer server([&](int fd) {
    std::string frame;
    const RequestHeader header = ReadCall(fd, &frame);
    SendAll(fd, AnswerTo(header, Hex("ff ff")));
    const std::string second = ReadFrame(fd);
    RequestHeader next = header;
    next.call_id = header.call_id + 1;
    SendAll(fd, AnswerTo(next, Text("fine").SerializeAsString()));
    ReadFrame(fd);
  });
  client_ = std::make_unique<RpcClient>(Options(server.port()), client_threads_);
  EXPECT_THAT(Call("echo", "x").status(), StatusIs(absl::StatusCode::kInternal));
  EXPECT_THAT(Call("echo", "x"), IsOkAndHolds("fine"));
  client_.reset();
}

TEST_F(RpcClientTest, AnswersForOthersAreIgnored) {
  FakeServer server([&](int fd) {
    std::string frame;
    const RequestHeader header = ReadCall(fd, &frame);
    RequestHeader other = header;
    other.client_id = "somebody else's.";
    SendAll(fd, AnswerTo(other, Text("not yours").SerializeAsString()));
    other = header;
    other.call_id = 12345;
    SendAll(fd, AnswerTo(other, Text("unknown").SerializeAsString()));
    SendAll(fd, AnswerTo(header, Text("yours").SerializeAsString()));
    ReadFrame(fd);
  });
  client_ = std::make_unique<RpcClient>(Options(server.port()), client_threads_);
  EXPECT_THAT(Call("echo", "x"), IsOkAndHolds("yours"));
  client_.reset();
}

TEST_F(RpcClientTest, AnswerMayArriveByteByByte) {
  FakeServer server([&](int fd) {
    std::string frame;
    const RequestHeader header = ReadCall(fd, &frame);
    for (const char c : AnswerTo(header, Text("slow").SerializeAsString())) {
      SendAll(fd, absl::string_view(&c, 1));
    }
    ReadFrame(fd);
  });
  client_ = std::make_unique<RpcClient>(Options(server.port()), client_threads_);
  EXPECT_THAT(Call("echo", "x"), IsOkAndHolds("slow"));
  client_.reset();
}

TEST_F(RpcClientTest, ConnectionThatBreaksInsideAnAnswerIsMadeAgain) {
  int connections = 0;
  FakeServer server([&](int fd) {
    std::string frame;
    const RequestHeader header = ReadCall(fd, &frame);
    const std::string answer = AnswerTo(header, Text("whole").SerializeAsString());
    const bool cut = ++connections <= 3;
    SendAll(fd, absl::string_view(answer).substr(0, cut ? answer.size() / 2 : answer.size()));
    if (!cut) ReadFrame(fd);
  });
  client_ = std::make_unique<RpcClient>(Options(server.port()), client_threads_);
  EXPECT_THAT(Call("echo", "x"), IsOkAndHolds("whole"));
  client_.reset();
}

TEST_F(RpcClientTest, PingsWhileItWaits) {
  int32_t ping_id = 0;
  FakeServer server([&](int fd) {
    std::string frame;
    const RequestHeader header = ReadCall(fd, &frame);
    const std::string ping = ReadFrame(fd);
    absl::string_view rest = ping;
    absl::string_view bytes;
    RequestHeader ping_header;
    if (TakeDelimited(&rest, &bytes) && ParseRequestHeader(bytes, &ping_header) && rest.empty()) {
      ping_id = ping_header.call_id;
    }
    SendAll(fd, AnswerTo(header, Text("at last").SerializeAsString()));
    ReadFrame(fd);
  });
  RpcClientOptions options = Options(server.port());
  options.ping_interval = absl::Milliseconds(50);
  client_ = std::make_unique<RpcClient>(options, client_threads_);
  EXPECT_THAT(Call("echo", "x"), IsOkAndHolds("at last"));
  client_.reset();
  EXPECT_EQ(ping_id, kCallIdPing);
}

}  // namespace
}  // namespace cairn::rpc
