// RpcServer over real loopback sockets, with a client that sends what it likes.
#include "wire/rpc/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/out_of_memory.h"
#include "common/testing/eventually.h"
#include "common/testing/status_matchers.h"
#include "wire/rpc/remote_exception.h"
#include "wire/rpc/server_fixture.h"

namespace cairn::rpc {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class RpcServerTest : public RpcServerFixture {};
class RpcServerDeathTest : public RpcServerFixture {};

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

// What a busy client's calls cost depends on it: a system call is dearer than most calls.
TEST_F(RpcServerTest, CallsThatArriveTogetherAreReadTogetherAndAnsweredTogether) {
  constexpr int kCalls = 100;
  Start();
  RawClient client = Established();
  client.Call(kCalls, "echo", "the handshake is over");
  client.ReadAnswer();
  EVENTUALLY(stats().calls.load() == 1u);  // counted after its answer is sent, as are those below
  const uint64_t reads = stats().reads.load(), sends = stats().sends.load();
  std::string batch;
  for (int i = 0; i < kCalls; ++i) {
    batch += CallFrame(i, "echo", Text(absl::StrCat("text ", i)).SerializeAsString());
  }
  client.Send(batch);
  for (int i = 0; i < kCalls; ++i) {
    ASSERT_EQ(client.ReadAnswer(), std::make_pair(i, absl::StrCat("text ", i)));
  }
  EVENTUALLY(stats().calls.load() == kCalls + 1u);
  // One of each; TCP may cut what is sent at once.
  EXPECT_GT(stats().reads.load(), reads);
  EXPECT_LE(stats().reads.load(), reads + 4);
  EXPECT_GT(stats().sends.load(), sends);
  EXPECT_LE(stats().sends.load(), sends + 4);
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

// What it does may be half done.
TEST_F(RpcServerDeathTest, AServiceWithoutMemoryEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // the server has threads
  EXPECT_DEATH(
      {
        SayWhenOutOfMemory();
        Start();
        RawClient client = Established();
        client.Call(1, "throw", "");
        client.ReadAnswer();
        client.ReadAnswer();
      },
      "out of memory");
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
  EXPECT_FALSE(deferred[0].ConnectionGone());
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
  EVENTUALLY(deferred[0].ConnectionGone());
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
