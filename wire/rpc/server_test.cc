// RpcServer over real loopback sockets, with a client that sends what it likes.
#include "wire/rpc/server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/testing/eventually.h"
#include "common/testing/fake_clock.h"
#include "common/testing/status_matchers.h"
#include "wire/rpc/remote_exception.h"
#include "wire/rpc/test_frames.h"
#include "wire/rpc/test_service.h"

namespace cairn::rpc {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class RawClient {
 public:
  explicit RawClient(uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
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

class RpcServerTest : public testing::Test {
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

TEST_F(RpcServerTest, PreambleContextAndCallInOneSegment) {
  Start();
  RawClient client = Connect();
  client.Send(absl::StrCat(kSimplePreamble, ContextFrame(), PingFrame(), CallFrame(0, "user", "")));
  EXPECT_EQ(client.ReadAnswer(), std::make_pair(0, std::string("alice")));
}

TEST_F(RpcServerTest, EveryByteMayArriveAlone) {
  Start();
  RawClient client = Connect();
  const std::string bytes = absl::StrCat(kSaslPreamble, NegotiateFrame(), ContextFrame(),
                                         CallFrame(3, "echo", Text("x").SerializeAsString()),
                                         PingFrame(), CallFrame(4, "user", ""));
  for (const char c : bytes) client.Send(absl::string_view(&c, 1));
  EXPECT_EQ(client.ReadFrame(), SaslSuccessAnswer().substr(kLengthBytes));
  EXPECT_EQ(client.ReadAnswer(), std::make_pair(3, std::string("x")));
  EXPECT_EQ(client.ReadAnswer(), std::make_pair(4, std::string("alice")));
}

TEST_F(RpcServerTest, PipelinedCallsAreAnsweredInOrder) {
  Start();
  RawClient client = Established();
  std::string batch;
  for (int i = 0; i < 5000; ++i) {
    batch += CallFrame(i, "echo", Text(absl::StrCat("text ", i)).SerializeAsString());
  }
  std::thread sender([&] { client.Send(batch); });
  for (int i = 0; i < 5000; ++i) {
    ASSERT_EQ(client.ReadAnswer(), std::make_pair(i, absl::StrCat("text ", i)));
  }
  sender.join();
  EVENTUALLY(stats().calls.load() == 5000u);
}

TEST_F(RpcServerTest, ConnectionsOfAllThreadsAreServed) {
  Start();
  std::vector<RawClient> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(Connect());
    clients.back().Establish(absl::StrCat("user", i));
  }
  for (auto& client : clients) client.Call(1, "user", "");
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(clients[static_cast<size_t>(i)].ReadAnswer().second, absl::StrCat("user", i));
  }
  EXPECT_EQ(stats().open_connections.load(), 20);
  EXPECT_EQ(stats().open_pre_auth_connections.load(), 0);
  clients.clear();
  EVENTUALLY(stats().open_connections.load() == 0);
}

TEST_F(RpcServerTest, AnswersOfAConnectionThatFailedGoToNobodyElse) {
  Start();
  RawClient failing = Established();
  RawClient others[] = {Established(), Established()};  // one of them on its thread
  failing.Send(absl::StrCat(CallFrame(1, "echo", Text("secret").SerializeAsString()),
                            CallFrame(2, "throw", Text("secret").SerializeAsString())));
  EXPECT_TRUE(failing.ClosedByServer());
  for (RawClient& other : others) {
    other.Call(7, "user", "");
    EXPECT_EQ(other.ReadAnswer(), std::make_pair(7, std::string("alice")));
  }
}

TEST_F(RpcServerTest, ErrorsKeepTheConnection) {
  Start();
  RawClient client = Established();
  client.Call(1, "fail", "File does not exist: /x");
  EXPECT_EQ(client.ReadAnswer().second,
            "ERROR java.io.FileNotFoundException: File does not exist: /x\n");
  client.Call(2, "noSuchThing", "");
  EXPECT_THAT(client.ReadAnswer().second,
              StartsWith("ERROR org.apache.hadoop.ipc.RpcNoSuchMethodException: Unknown method "
                         "noSuchThing called on"));
  client.Send(CallFrame(3, "echo", "", "org.example.Nothing"));
  EXPECT_EQ(client.ReadAnswer().second,
            "ERROR org.apache.hadoop.ipc.RpcNoSuchProtocolException: Unknown protocol: "
            "org.example.Nothing\n");
  client.Send(CallFrame(4, "echo", "", std::string(1 << 20, 'x')));
  EXPECT_THAT(client.ReadAnswer().second, testing::SizeIs(testing::Lt(300)));
  client.Send(CallFrame(4, "echo", "", kTestProtocol, 2));
  EXPECT_THAT(client.ReadAnswer().second,
              StartsWith("ERROR org.apache.hadoop.ipc.RPC$VersionMismatch: Protocol"));
  client.Send(CallFrame(5, "echo", "\xff\xff"));
  EXPECT_THAT(client.ReadAnswer().second, HasSubstr("the request does not parse"));
  client.Call(6, "user", "");
  EXPECT_EQ(client.ReadAnswer(), std::make_pair(6, std::string("alice")));
}

TEST_F(RpcServerTest, SeveralProtocolsShareAConnection) {
  Start();
  RawClient client = Established();
  for (int i = 0; i < 4; ++i) {
    client.Send(CallFrame(i, "echo", "", i % 2 == 0 ? kTestProtocol : other_.protocol()));
    EXPECT_EQ(client.ReadAnswer().first, i);
  }
  EXPECT_EQ(service_.calls.load(), 2);
  EXPECT_EQ(other_.calls.load(), 2);
}

TEST_F(RpcServerTest, AnswerWaitsForTheGateAndLaterOnesPass) {
  Start();
  RawClient client = Established();
  client.Call(1, "at", "5");
  client.Call(2, "at", "7");
  client.Call(3, "echo", "free");
  EXPECT_EQ(client.ReadAnswer().first, 3);
  gate_.MoveTo(6);
  EXPECT_EQ(client.ReadAnswer().first, 1);
  client.Call(4, "at", "6");
  EXPECT_EQ(client.ReadAnswer().first, 4);
  gate_.MoveTo(7);
  EXPECT_EQ(client.ReadAnswer().first, 2);
}

TEST_F(RpcServerTest, NoAnswerIsForgottenWhileTheGateRaces) {
  Start();
  std::atomic<bool> done{false};
  std::thread journal([&] {
    for (uint64_t ticket = 1; !done.load(); ++ticket) gate_.MoveTo(ticket / 8);
  });
  RawClient client = Established();
  for (int i = 0; i < 3000; ++i) {
    // Close to where the gate is: some pass at once, some must wait.
    client.Call(i, "at", absl::StrCat(gate_.Passed() + static_cast<uint64_t>(i % 3)));
    ASSERT_EQ(client.ReadAnswer().first, i);
  }
  done.store(true);
  journal.join();
}

TEST_F(RpcServerTest, DeferredAnswerComesFromAnotherThread) {
  Start();
  RawClient client = Established();
  client.Call(1, "later", "");
  client.Call(2, "later", "");
  client.Call(3, "later", "");
  client.Call(4, "echo", "now");
  EXPECT_EQ(client.ReadAnswer().first, 4);
  std::vector<DeferredReply> deferred = service_.TakeDeferred();
  ASSERT_EQ(deferred.size(), 3u);
  deferred[0].SendAt(9, Text("late"));
  deferred[1].FailAt(0, MakeFsError(FsError::kSafeMode, "no"));
  EXPECT_EQ(client.ReadAnswer().second,
            "ERROR org.apache.hadoop.hdfs.server.namenode.SafeModeException: no\n");
  deferred.clear();  // the third is dropped
  EXPECT_EQ(client.ReadAnswer(),
            std::make_pair(3, std::string("ERROR java.io.IOException: the server dropped the "
                                          "call\n")));
  gate_.MoveTo(9);
  EXPECT_EQ(client.ReadAnswer(), std::make_pair(1, std::string("late")));
}

TEST_F(RpcServerTest, DeferredAnswerMayOutliveConnectionAndServer) {
  Start();
  {
    RawClient client = Established();
    client.Call(1, "later", "");
    client.Call(2, "later", "");
    EVENTUALLY(service_.deferred_count() == 2);
  }
  std::vector<DeferredReply> deferred = service_.TakeDeferred();
  EVENTUALLY(stats().open_connections.load() == 0);
  deferred[0].SendAt(0, Text("x"));
  server_.reset();
  threads_.Stop();
  deferred[1].SendAt(0, Text("x"));
}

TEST_F(RpcServerTest, ServerMayEndAfterItsThreads) {
  Start();
  RawClient client = Established();
  client.Call(1, "later", "");
  EVENTUALLY(service_.deferred_count() == 1);
  threads_.Stop();
  server_.reset();
  EXPECT_TRUE(client.ClosedByServer());
}

TEST_F(RpcServerTest, ResentCallKeepsItsIdentityOnAnotherConnection) {
  Start();
  std::string first;
  {
    RawClient client = Established();
    client.Call(17, "identity", "");
    first = client.ReadAnswer().second;
  }
  RawClient client = Established();
  client.Send(CallFrame(17, "identity", "", kTestProtocol, 1, /*retry_count=*/1));
  EXPECT_EQ(client.ReadAnswer().second, first);
  EXPECT_EQ(first, "000102030405060708090a0b0c0d0e0f 17");
}

TEST_F(RpcServerTest, HttpClientIsToldSo) {
  Start();
  RawClient client = Connect();
  client.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(client.ReadAll(), StartsWith("HTTP/1.1 404"));
}

TEST_F(RpcServerTest, GarbageIsAnsweredOnceAndClosed) {
  Start();
  RawClient client = Connect();
  client.Send(std::string(100'000, 'Z'));
  EXPECT_THAT(client.ReadAnswer(),
              testing::Pair(-1, StartsWith("FATAL org.apache.hadoop.ipc.RPC$VersionMismatch")));
  EXPECT_TRUE(client.ClosedByServer());
  EVENTUALLY(stats().fatal_replies.load() == 1u);
}

TEST_F(RpcServerTest, CallBeforeContextEndsTheConnection) {
  Start();
  RawClient client = Connect();
  client.Send(absl::StrCat(kSimplePreamble, NotFoundCall(), NotFoundCall()));
  EXPECT_THAT(client.ReadAnswer().second,
              StartsWith("FATAL org.apache.hadoop.ipc.RpcServerException"));
  EXPECT_TRUE(client.ClosedByServer());
  EXPECT_EQ(service_.calls.load(), 0);
}

TEST_F(RpcServerTest, CallsBeforeAFatalErrorAreAnswered) {
  Start();
  RawClient client = Established();
  client.Send(absl::StrCat(CallFrame(1, "user", ""), ContextFrame(), CallFrame(2, "user", "")));
  EXPECT_EQ(client.ReadAnswer().first, 1);
  EXPECT_THAT(client.ReadAnswer().second, StartsWith("FATAL"));
  EXPECT_TRUE(client.ClosedByServer());
  EXPECT_EQ(service_.calls.load(), 1);
}

TEST_F(RpcServerTest, OverlongFramesCloseAtOnce) {
  Start();
  for (const absl::string_view length : {"04 00 00 01", "80 00 00 00", "ff ff ff ff"}) {
    RawClient client = Established();
    client.Send(Hex(length));
    EXPECT_TRUE(client.ClosedByServer()) << length;
  }
  RawClient before_context = Connect();
  before_context.Send(absl::StrCat(kSimplePreamble, Hex("00 01 00 01")));
  EXPECT_TRUE(before_context.ClosedByServer());
}

TEST_F(RpcServerTest, LargestFramesAreServed) {
  Start();
  RawClient client = Established();
  const std::string text(kMaxRequestBytes - 200, 'b');
  std::thread sender([&] { client.Call(1, "echo", text); });
  const auto answer = client.ReadAnswer();
  sender.join();
  EXPECT_EQ(answer.first, 1);
  EXPECT_TRUE(answer.second == text);
  client.Call(2, "user", "");
  EXPECT_EQ(client.ReadAnswer().second, "alice");
  EXPECT_EQ(stats().partial_request_bytes.load(), 0);
}

TEST_F(RpcServerTest, AnnouncedLengthReservesNothing) {
  RpcServerOptions options;
  options.max_partial_request_bytes = 1 << 20;
  Start(options);
  std::vector<RawClient> clients;
  for (int i = 0; i < 50; ++i) {
    clients.push_back(Established());
    clients.back().Send(Hex("03 00 00 00 00"));
  }
  EVENTUALLY(stats().partial_request_bytes.load() == 50 * 5);
  // Whoever goes beyond the bound for all is closed, the others are not.
  clients[0].SendSome(std::string(4 << 20, 'x'));
  EVENTUALLY(stats().connections_refused.load() == 1u);
  EVENTUALLY(stats().open_connections.load() == 49);
}

TEST_F(RpcServerTest, OverlongAnswerBecomesAnError) {
  RpcServerOptions options;
  options.max_response_bytes = 1000;
  Start(options);
  RawClient client = Established();
  client.Call(1, "grow", "900");
  EXPECT_EQ(client.ReadAnswer().second.size(), 900u);
  client.Call(2, "grow", "1000");
  EXPECT_THAT(client.ReadAnswer().second, HasSubstr("longer than 1000 bytes"));
}

TEST_F(RpcServerTest, ReadingPausesAtTheLimitOfCallsInFlight) {
  RpcServerOptions options;
  options.max_calls_in_flight = 4;
  Start(options);
  RawClient client = Established();
  std::string batch;
  for (int i = 0; i < 10; ++i) {
    batch += CallFrame(i, "at", Text(absl::StrCat(i / 2 + 1)).SerializeAsString());
  }
  client.Send(batch);
  EVENTUALLY(service_.calls.load() == 4);
  gate_.MoveTo(1);
  EXPECT_EQ(client.ReadAnswer().first, 0);
  EXPECT_EQ(client.ReadAnswer().first, 1);
  EVENTUALLY(service_.calls.load() == 6);
  gate_.MoveTo(100);
  for (int i = 2; i < 10; ++i) EXPECT_EQ(client.ReadAnswer().first, i);
  client.Call(10, "user", "");
  EXPECT_EQ(client.ReadAnswer().first, 10);
}

// However the bytes are cut, and wherever reading pauses, each call is handled once.
TEST_F(RpcServerTest, CallsSurviveAnyCutAndAnyPause) {
  RpcServerOptions options;
  options.max_calls_in_flight = 3;
  Start(options);
  std::atomic<bool> done{false};
  std::thread journal([&] {
    for (uint64_t ticket = 1; !done.load(); ++ticket) gate_.MoveTo(ticket / 64);
  });
  std::mt19937_64 random(testing::UnitTest::GetInstance()->random_seed());
  RawClient client = Connect();
  constexpr int kCalls = 2000;
  std::string bytes = absl::StrCat(kSimplePreamble, ContextFrame());
  for (int i = 0; i < kCalls; ++i) {
    const bool waits = random() % 2 == 0;
    const std::string text = waits ? absl::StrCat(i / 4) : std::string(random() % 3000, 'x');
    bytes += CallFrame(i, waits ? "at" : "echo", Text(text).SerializeAsString());
    if (random() % 8 == 0) bytes += PingFrame();
  }
  std::thread sender([&] {
    absl::string_view rest = bytes;
    while (!rest.empty()) {
      const size_t cut = std::min<size_t>(rest.size(), 1 + random() % (1u << (random() % 14)));
      client.Send(rest.substr(0, cut));
      rest.remove_prefix(cut);
    }
  });
  std::vector<int> answered(kCalls);
  for (int i = 0; i < kCalls; ++i) {
    const int id = client.ReadAnswer().first;
    if (id < 0) break;  // lost: the count below tells
    ++answered[static_cast<size_t>(id)];
  }
  sender.join();
  done.store(true);
  journal.join();
  EXPECT_THAT(answered, testing::Each(1));
  EXPECT_EQ(service_.calls.load(), kCalls);
}

TEST_F(RpcServerTest, DeferredCallsCountAsInFlight) {
  RpcServerOptions options;
  options.max_calls_in_flight = 2;
  Start(options);
  RawClient client = Established();
  for (int i = 0; i < 3; ++i) client.Call(i, "later", "");
  client.Call(3, "user", "");
  EVENTUALLY(service_.deferred_count() == 2);
  for (DeferredReply& reply : service_.TakeDeferred()) reply.SendAt(0, Text("x"));
  EXPECT_EQ(client.ReadAnswer().first, 0);
  EXPECT_EQ(client.ReadAnswer().first, 1);
  EXPECT_EQ(client.ReadAnswer().first, 3);
  service_.TakeDeferred()[0].SendAt(0, Text("x"));
  EXPECT_EQ(client.ReadAnswer().first, 2);
}

TEST_F(RpcServerTest, ReadingPausesWhileTheClientTakesNoAnswers) {
  RpcServerOptions options;
  options.max_queued_output_bytes = 1 << 20;
  Start(options);
  RawClient client = Established();
  constexpr int kCalls = 200;
  std::string batch;
  for (int i = 0; i < kCalls; ++i) {
    batch += CallFrame(i, "grow", Text("1000000").SerializeAsString());
  }
  client.Send(batch);
  EVENTUALLY(service_.calls.load() > 1);
  for (int i = 0; i < kCalls; ++i) {
    // Kernel buffers take some MiB beyond what has been read; the server does not run ahead of it.
    ASSERT_LT(service_.calls.load(), i + 100);
    ASSERT_EQ(client.ReadAnswer().first, i);
  }
}

// Each is within its own limit; whoever goes beyond the one for all is closed, the other is not.
TEST_F(RpcServerTest, ClientsThatTakeNoAnswersShareALimit) {
  RpcServerOptions options;
  options.max_queued_output_bytes = 64 << 20;
  options.max_unsent_answer_bytes = 22 << 20;
  Start(options);
  constexpr int kCalls = 20;  // sockets take 10 MB at most
  std::string batch;
  for (int i = 0; i < kCalls; ++i) {
    batch += CallFrame(i, "grow", Text("1000000").SerializeAsString());
  }
  RawClient first = Established();
  first.Send(batch);
  EVENTUALLY(stats().bytes_sent.load() +
                 static_cast<uint64_t>(stats().unsent_answer_bytes.load()) >=
             kCalls * 1'000'000u);
  RawClient second = Established();
  second.Send(batch + batch);
  EVENTUALLY(stats().connections_refused.load() == 1u);
  for (int i = 0; i < kCalls; ++i) ASSERT_EQ(first.ReadAnswer().first, i);
  EXPECT_TRUE(second.ClosedByServer());
  EVENTUALLY(stats().unsent_answer_bytes.load() == 0);
}

TEST_F(RpcServerTest, AnswersBehindTheGateCountAsUnsent) {
  RpcServerOptions options;
  options.max_unsent_answer_bytes = 100'000;
  options.connection_share_bytes = 50'000;
  Start(options);
  const std::string ticket = absl::StrCat("5", std::string(60'000, ' '));
  RawClient first = Established();
  first.Call(1, "at", ticket);
  EVENTUALLY(stats().unsent_answer_bytes.load() > 60'000);
  RawClient second = Established();
  second.Call(2, "at", ticket);
  EXPECT_TRUE(second.ClosedByServer());
  EXPECT_EQ(stats().connections_refused.load(), 1u);
  // Who holds little is let be, though the others hold all there is.
  RawClient third = Established();
  third.Call(3, "at", absl::StrCat("5", std::string(45'000, ' ')));
  EVENTUALLY(stats().unsent_answer_bytes.load() > 105'000);
  gate_.MoveTo(5);
  EXPECT_EQ(first.ReadAnswer().first, 1);
  EXPECT_EQ(third.ReadAnswer().first, 3);
  EXPECT_EQ(stats().connections_refused.load(), 1u);
  EVENTUALLY(stats().unsent_answer_bytes.load() == 0);
}

TEST_F(RpcServerTest, SilentClientIsClosedAfterTheHeaderTimeout) {
  Start();
  RawClient silent = Connect();
  RawClient half = Connect();
  half.Send(kSimplePreamble);
  RawClient good = Established();
  good.Call(1, "user", "");
  EXPECT_EQ(good.ReadAnswer().first, 1);
  EVENTUALLY(stats().open_connections.load() == 3);
  clock_.Advance(absl::Seconds(11));
  EXPECT_TRUE(silent.ClosedByServer());
  EXPECT_TRUE(half.ClosedByServer());
  EXPECT_EQ(stats().connections_timed_out.load(), 2u);
  good.Call(2, "user", "");  // an idle connection is left alone
  EXPECT_EQ(good.ReadAnswer().first, 2);
}

// Whatever the time was when it came.
TEST_F(RpcServerTest, FirstBytesThatAreNoWholePreambleHaveTheHeaderTimeoutToo) {
  Start();
  RawClient first = Connect();  // on one I/O thread each
  RawClient second = Connect();
  for (RawClient* const client : {&first, &second}) client->Send(kSimplePreamble.substr(0, 1));
  EVENTUALLY(stats().partial_request_bytes.load() == 2);
  clock_.Advance(absl::Seconds(6));
  RawClient slow = Connect();
  slow.Send(kSimplePreamble.substr(0, 3));
  EVENTUALLY(stats().partial_request_bytes.load() == 5);
  clock_.Advance(absl::Seconds(5));
  EXPECT_TRUE(first.ClosedByServer());
  EXPECT_TRUE(second.ClosedByServer());
  slow.Send(absl::StrCat(kSimplePreamble.substr(3), ContextFrame(), CallFrame(0, "user", "")));
  EXPECT_EQ(slow.ReadAnswer(), std::make_pair(0, std::string("alice")));
  EXPECT_EQ(stats().connections_timed_out.load(), 2u);
}

TEST_F(RpcServerTest, FrameThatNeverEndsIsClosed) {
  Start();
  RawClient client = Established();
  client.Call(1, "user", "");
  EXPECT_EQ(client.ReadAnswer().first, 1);
  client.Send(Hex("00 00 10"));
  EVENTUALLY(stats().partial_request_bytes.load() == 3);
  clock_.Advance(absl::Seconds(100));
  client.Send(Hex("00"));  // a byte now and then does not help
  EVENTUALLY(stats().partial_request_bytes.load() == 4);
  EXPECT_EQ(stats().connections_timed_out.load(), 0u);
  clock_.Advance(absl::Seconds(21));
  EXPECT_TRUE(client.ClosedByServer());
  EXPECT_EQ(stats().connections_timed_out.load(), 1u);
}

TEST_F(RpcServerTest, ClientThatTakesNoAnswersIsClosed) {
  Start();
  RawClient client = Established();
  for (int i = 0; i < 40; ++i) client.Call(i, "grow", "1000000");
  EVENTUALLY(stats().bytes_sent.load() > 0u && service_.calls.load() > 1);
  EVENTUALLY([&] {  // the sweep may look before the socket is full
    clock_.Advance(absl::Seconds(121));
    return stats().connections_timed_out.load() == 1u;
  }());
  EVENTUALLY(stats().open_connections.load() == 0);
}

TEST_F(RpcServerTest, IdleConnectionsAreClosedOnlyInACrowd) {
  RpcServerOptions options;
  options.idle_scan_threshold = 2;
  Start(options);
  RawClient a = Established();
  RawClient b = Established();
  EVENTUALLY(stats().open_connections.load() == 2 && stats().open_pre_auth_connections.load() == 0);
  clock_.Advance(absl::Seconds(60));
  RawClient c = Established();
  c.Call(1, "later", "");
  EVENTUALLY(service_.deferred_count() == 1);
  EVENTUALLY(stats().connections_timed_out.load() >= 1u);
  clock_.Advance(absl::Seconds(60));
  EVENTUALLY(stats().open_connections.load() <= 2);
  for (DeferredReply& reply : service_.TakeDeferred()) reply.SendAt(0, Text("x"));
  EXPECT_EQ(c.ReadAnswer().first, 1);  // it was owed an answer, and so was not idle
}

TEST_F(RpcServerTest, ConnectionsOverTheLimitAreRefused) {
  RpcServerOptions options;
  options.max_connections = 2;
  Start(options);
  RawClient a = Established();
  RawClient b = Established();
  EVENTUALLY(stats().open_connections.load() == 2);
  RawClient c = Connect();
  EXPECT_TRUE(c.ClosedByServer());
  EXPECT_EQ(stats().connections_refused.load(), 1u);
}

TEST_F(RpcServerTest, UnauthenticatedConnectionsHaveTheirOwnLimit) {
  RpcServerOptions options;
  options.max_pre_auth_connections = 2;
  Start(options);
  RawClient a = Connect();
  RawClient b = Connect();
  EVENTUALLY(stats().open_pre_auth_connections.load() == 2);
  RawClient c = Connect();
  EXPECT_TRUE(c.ClosedByServer());
  a.Establish();
  EVENTUALLY(stats().open_pre_auth_connections.load() == 1);
  RawClient d = Established();
  d.Call(1, "user", "");
  EXPECT_EQ(d.ReadAnswer().first, 1);
}

TEST_F(RpcServerTest, LackOfDescriptorsPausesAcceptingOnly) {
  Start();
  RawClient old = Established();
  old.Call(1, "user", "");
  EXPECT_EQ(old.ReadAnswer().first, 1);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const int next = ::open("/dev/null", O_RDONLY);
  ASSERT_GE(next, 0);
  ::close(next);
  // Room for the client's own socket, none for the server's end of it.
  rlimit tight = before;
  tight.rlim_cur = static_cast<rlim_t>(next) + 1;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
  RawClient late = Connect();
  late.Establish();
  late.Call(1, "user", "");
  EVENTUALLY(stats().accept_errors.load() > 0u);
  old.Call(2, "user", "");
  EXPECT_EQ(old.ReadAnswer().first, 2);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(late.ReadAnswer().first, 1);
}

TEST_F(RpcServerTest, DrainWaitsForAnswersThatAreOwed) {
  Start();
  RawClient idle = Established();
  RawClient busy = Established();
  busy.Call(1, "at", "3");
  EVENTUALLY(service_.calls.load() == 1);
  std::thread journal([&] {
    EXPECT_TRUE(idle.ClosedByServer());
    gate_.MoveTo(3);
  });
  EXPECT_TRUE(server_->Drain(absl::Seconds(30)));
  journal.join();
  EXPECT_EQ(busy.ReadAnswer().first, 1);
  EXPECT_TRUE(busy.ClosedByServer());
}

TEST_F(RpcServerTest, DrainGivesUpAtItsLimit) {
  Start();
  RawClient client = Established();
  client.Call(1, "at", "3");
  EVENTUALLY(service_.calls.load() == 1);
  EXPECT_FALSE(server_->Drain(absl::Milliseconds(20)));
  EXPECT_TRUE(client.ClosedByServer());
}

TEST_F(RpcServerTest, BadAddressesAreNamed) {
  RpcServerOptions options;
  options.bind_address = "not-an-address";
  EXPECT_THAT(RpcServer::Start(options, threads_, nullptr, {}).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not-an-address")));
  Start();
  options.bind_address = "127.0.0.1";
  options.port = server_->port();
  EXPECT_THAT(RpcServer::Start(options, threads_, nullptr, {}).status(),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("in use")));
}

}  // namespace
}  // namespace cairn::rpc
