// What RpcServer bears of clients: the limits and time-outs of RpcServerOptions.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/testing/eventually.h"
#include "common/testing/few_descriptors.h"
#include "wire/rpc/server_fixture.h"

namespace cairn::rpc {
namespace {

using testing::HasSubstr;

class RpcServerLimitsTest : public RpcServerFixture {};

TEST_F(RpcServerLimitsTest, OverlongFramesCloseAtOnce) {
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

TEST_F(RpcServerLimitsTest, LargestFramesAreServed) {
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

TEST_F(RpcServerLimitsTest, AnnouncedLengthReservesNothing) {
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

TEST_F(RpcServerLimitsTest, OverlongAnswerBecomesAnError) {
  RpcServerOptions options;
  options.max_response_bytes = 1000;
  Start(options);
  RawClient client = Established();
  client.Call(1, "grow", "900");
  EXPECT_EQ(client.ReadAnswer().second.size(), 900u);
  client.Call(2, "grow", "1000");
  EXPECT_THAT(client.ReadAnswer().second, HasSubstr("longer than 1000 bytes"));
}

TEST_F(RpcServerLimitsTest, ReadingPausesAtTheLimitOfCallsInFlight) {
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
TEST_F(RpcServerLimitsTest, CallsSurviveAnyCutAndAnyPause) {
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

TEST_F(RpcServerLimitsTest, DeferredCallsCountAsInFlight) {
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

TEST_F(RpcServerLimitsTest, ReadingPausesWhileTheClientTakesNoAnswers) {
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
TEST_F(RpcServerLimitsTest, ClientsThatTakeNoAnswersShareALimit) {
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

TEST_F(RpcServerLimitsTest, AnswersBehindTheGateCountAsUnsent) {
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

TEST_F(RpcServerLimitsTest, SilentClientIsClosedAfterTheHeaderTimeout) {
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
TEST_F(RpcServerLimitsTest, FirstBytesThatAreNoWholePreambleHaveTheHeaderTimeoutToo) {
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

TEST_F(RpcServerLimitsTest, FrameThatNeverEndsIsClosed) {
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

TEST_F(RpcServerLimitsTest, ClientThatTakesNoAnswersIsClosed) {
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

TEST_F(RpcServerLimitsTest, IdleConnectionsAreClosedOnlyInACrowd) {
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

TEST_F(RpcServerLimitsTest, ConnectionsOverTheLimitAreRefused) {
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

TEST_F(RpcServerLimitsTest, UnauthenticatedConnectionsHaveTheirOwnLimit) {
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

TEST_F(RpcServerLimitsTest, OneAddressHasAShareOfTheUnfinishedHandshakes) {
  RpcServerOptions options;
  options.max_pre_auth_per_address = 2;
  Start(options);
  // Those that have ended theirs do not count, however many they are.
  std::vector<RawClient> established;
  for (int i = 0; i < 10; ++i) {
    established.push_back(Established());
    established.back().Call(1, "user", "");
    ASSERT_EQ(established.back().ReadAnswer().first, 1);
  }
  // Nor do those that have just come.
  RawClient a = Connect();
  RawClient b = Connect();
  RawClient c = Connect();
  EVENTUALLY(stats().open_pre_auth_connections.load() == 3);
  clock_.Advance(absl::Seconds(1));
  EVENTUALLY(stats().open_pre_auth_connections.load() == 2);
  EXPECT_EQ(stats().connections_timed_out.load(), 1u);
  EXPECT_TRUE(Connect().ClosedByServer());
  EXPECT_EQ(stats().connections_refused.load(), 1u);
  RawClient elsewhere(server_->port(), /*from=*/2);
  elsewhere.Establish();
  elsewhere.Call(1, "user", "");
  EXPECT_EQ(elsewhere.ReadAnswer().first, 1) << "another address";

  clock_.Advance(absl::Seconds(10));  // the two are cut off
  EVENTUALLY(stats().open_pre_auth_connections.load() == 0);
  RawClient late = Established();
  late.Call(1, "user", "");
  EXPECT_EQ(late.ReadAnswer().first, 1);
  established.front().Call(2, "user", "");
  EXPECT_EQ(established.front().ReadAnswer().first, 2);
}

TEST_F(RpcServerLimitsTest, FewerConnectionsHaveFewerUnfinishedHandshakes) {
  RpcServerOptions options;
  options.LimitConnections(8);
  Start(options);
  RawClient a = Connect();
  RawClient b = Connect();
  EVENTUALLY(stats().open_pre_auth_connections.load() == 2);
  EXPECT_TRUE(Connect().ClosedByServer());

  RpcServerOptions unchanged;
  unchanged.LimitConnections(RpcServerOptions().max_connections);
  EXPECT_EQ(unchanged.max_pre_auth_connections, RpcServerOptions().max_pre_auth_connections);
  EXPECT_EQ(unchanged.max_pre_auth_per_address, RpcServerOptions().max_pre_auth_per_address);
}

TEST_F(RpcServerLimitsTest, LackOfDescriptorsPausesAcceptingOnly) {
  Start();
  RawClient old = Established();
  old.Call(1, "user", "");
  EXPECT_EQ(old.ReadAnswer().first, 1);
  // Room for the client's own socket, none for the server's end of it.
  std::optional<FewDescriptors> few(1);
  RawClient late = Connect();
  late.Establish();
  late.Call(1, "user", "");
  EVENTUALLY(stats().accept_errors.load() > 0u);
  old.Call(2, "user", "");
  EXPECT_EQ(old.ReadAnswer().first, 2);
  few.reset();
  EXPECT_EQ(late.ReadAnswer().first, 1);
}

}  // namespace
}  // namespace cairn::rpc
