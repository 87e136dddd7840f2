#include "namenode/blocks/order_bell.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <thread>

#include "common/testing/eventually.h"
#include "common/testing/status_matchers.h"

namespace cairn::namenode {
namespace {

using absl::StatusCode;
using For = OrderBell::For;

constexpr absl::Duration kStart = absl::Hours(1);

// Keeps its answer.
class Call final : public OrderWait {
 public:
  void Answer(absl::StatusOr<bool> orders) override {
    MutexLock lock(mu_);
    EXPECT_FALSE(answer_.has_value()) << "answered twice";
    answer_ = std::move(orders);
  }
  bool abandoned() const override { return abandoned_; }
  void HangUp() { abandoned_ = true; }
  bool answered() const {
    MutexLock lock(mu_);
    return answer_.has_value();
  }
  absl::StatusOr<bool> answer() const {
    MutexLock lock(mu_);
    return answer_.value_or(absl::UnknownError("it waits"));
  }

 private:
  mutable Mutex mu_;
  std::optional<absl::StatusOr<bool>> answer_ ABSL_GUARDED_BY(mu_);
  std::atomic<bool> abandoned_{false};
};

class OrderBellTest : public ::testing::Test {
 protected:
  OrderBellTest() {
    bell_.Open("a", 1);
    bell_.Open("b", 1);
  }
  std::shared_ptr<Call> Wait(absl::string_view uuid, absl::Duration now, uint64_t session = 1) {
    auto call = std::make_shared<Call>();
    bell_.Wait(uuid, session, now, call);
    return call;
  }
  // Answers who is due; the moment to look again.
  absl::Duration Look(absl::Duration now) {
    OrderBell::Due due = bell_.TakeDue(now);
    for (auto& [wait, orders] : due.answers) wait->Answer(std::move(orders));
    return due.next;
  }
  // Woken for `what` at kStart, its heartbeat made, and it waits again.
  std::shared_ptr<Call> WakeOnce(For what) {
    Wait("a", kStart);
    bell_.Ring("a", what);
    Look(kStart);
    bell_.Taken("a");
    return Wait("a", kStart);
  }
  OrderBell bell_{{}};
};

TEST_F(OrderBellTest, AnOrderWakesItsDatanodeAtOnceAndNoOther) {
  const auto a = Wait("a", kStart), b = Wait("b", kStart);
  bell_.Ring("a", For::kOrder);
  Look(kStart);
  EXPECT_THAT(a->answer(), IsOkAndHolds(true));
  EXPECT_FALSE(b->answered());
}

TEST_F(OrderBellTest, AnOrderThatCameWhileNobodyWaitedIsToldToTheNextWait) {
  bell_.Ring("a", For::kOrder);
  const auto call = Wait("a", kStart);
  Look(kStart);
  EXPECT_THAT(call->answer(), IsOkAndHolds(true));
}

TEST_F(OrderBellTest, WhatAHeartbeatHasTakenIsNotToldAgain) {
  bell_.Ring("a", For::kOrder);
  bell_.Taken("a");
  const auto call = Wait("a", kStart);
  Look(kStart);
  EXPECT_FALSE(call->answered());
}

TEST_F(OrderBellTest, OrdersSoonAfterAWakingWaitForCompany) {
  const auto again = WakeOnce(For::kOrder);
  bell_.Ring("a", For::kOrder);
  const absl::Duration next = Look(kStart);
  EXPECT_FALSE(again->answered());
  EXPECT_EQ(next, kStart + OrderBell::Options().order_pause);
  Look(next);
  EXPECT_THAT(again->answer(), IsOkAndHolds(true));
}

TEST_F(OrderBellTest, DeletionsWaitLongerButAnOrderTakesThemAlong) {
  const auto again = WakeOnce(For::kDeletion);
  bell_.Ring("a", For::kDeletion);
  EXPECT_EQ(Look(kStart), kStart + OrderBell::Options().deletion_pause);
  bell_.Ring("a", For::kOrder);
  Look(kStart);
  EXPECT_THAT(again->answer(), IsOkAndHolds(true));
}

TEST_F(OrderBellTest, AQuietWaitEndsAfterItsTime) {
  const auto call = Wait("a", kStart);
  const absl::Duration end = kStart + OrderBell::Options().longest_wait;
  EXPECT_EQ(Look(end - absl::Milliseconds(1)), end);
  EXPECT_FALSE(call->answered());
  Look(end);
  EXPECT_THAT(call->answer(), IsOkAndHolds(false));
}

TEST_F(OrderBellTest, ANewSessionEndsTheOldOnesWaitAndForgetsItsOrders) {
  const auto old = Wait("a", kStart);
  bell_.Ring("a", For::kOrder);
  bell_.Open("a", 2);
  const auto fresh = Wait("a", kStart, 2);
  Look(kStart);
  EXPECT_THAT(old->answer(), StatusIs(StatusCode::kAborted));
  EXPECT_FALSE(fresh->answered());
  EXPECT_THAT(Wait("a", kStart, 1)->answer(), StatusIs(StatusCode::kAborted));
}

TEST_F(OrderBellTest, DeathEndsTheWaitUnlessTheDatanodeIsBackAlready) {
  const auto a = Wait("a", kStart);
  bell_.Close("a", 1);
  bell_.Open("b", 2);
  const auto b = Wait("b", kStart, 2);
  bell_.Close("b", 1);
  Look(kStart);
  EXPECT_THAT(a->answer(), StatusIs(StatusCode::kAborted));
  EXPECT_THAT(Wait("a", kStart)->answer(), StatusIs(StatusCode::kAborted));
  EXPECT_FALSE(b->answered());
}

TEST_F(OrderBellTest, OfTwoWaitsTheOlderOneEnds) {
  const auto older = Wait("a", kStart), newer = Wait("a", kStart);
  bell_.Ring("a", For::kOrder);
  Look(kStart);
  EXPECT_THAT(older->answer(), StatusIs(StatusCode::kAborted));
  EXPECT_THAT(newer->answer(), IsOkAndHolds(true));
}

TEST_F(OrderBellTest, WhoHasHungUpDoesNotWait) {
  const auto call = Wait("a", kStart);
  EXPECT_TRUE(bell_.IsWaiting("a"));
  EXPECT_FALSE(bell_.IsWaiting("b"));
  call->HangUp();
  EXPECT_FALSE(bell_.IsWaiting("a"));
}

// With its thread: rings reach those who wait, and Stop leaves nobody waiting.
TEST(OrderBellThreadTest, AnswersAThousandWaitsAndEndsThemAllWhenItStops) {
  OrderBell bell{{}};
  std::vector<std::shared_ptr<Call>> calls;
  for (int node = 0; node < 1000; ++node) {
    const std::string uuid = std::to_string(node);
    bell.Open(uuid, 1);
    calls.push_back(std::make_shared<Call>());
    bell.Wait(uuid, 1, SystemClock().Monotonic(), calls.back());
  }
  std::thread thread([&] { bell.Run(SystemClock()); });
  for (int node = 0; node < 1000; node += 2) bell.Ring(std::to_string(node), For::kOrder);
  for (int node = 0; node < 1000; node += 2) EVENTUALLY(calls[node]->answered());
  for (int node = 0; node < 1000; ++node) EXPECT_EQ(calls[node]->answered(), node % 2 == 0);
  bell.Stop();
  thread.join();
  for (int node = 1; node < 1000; node += 2) {
    EXPECT_THAT(calls[node]->answer(), StatusIs(StatusCode::kUnavailable));
  }
  const auto late = std::make_shared<Call>();
  bell.Wait("0", 1, SystemClock().Monotonic(), late);
  EXPECT_THAT(late->answer(), StatusIs(StatusCode::kUnavailable));
}

}  // namespace
}  // namespace cairn::namenode
