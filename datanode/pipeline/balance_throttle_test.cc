#include "datanode/pipeline/balance_throttle.h"

#include <gtest/gtest.h>

namespace cairn::datanode {
namespace {

constexpr absl::Duration kNow = absl::Seconds(100);

TEST(BalanceThrottleTest, BytesTakeTheTimeThatTheRateGivesThem) {
  BalanceThrottle throttle(1000);
  EXPECT_EQ(throttle.Reserve(500, kNow), absl::ZeroDuration());
  EXPECT_EQ(throttle.Reserve(2000, kNow), absl::Milliseconds(500)) << "another sender waits";
  EXPECT_EQ(throttle.Reserve(1, kNow + absl::Seconds(1)), absl::Milliseconds(1500));
}

TEST(BalanceThrottleTest, IdleTimeIsNotSavedUp) {
  BalanceThrottle throttle(1000);
  throttle.Reserve(1000, kNow);
  EXPECT_EQ(throttle.Reserve(1000, kNow + absl::Hours(1)), absl::ZeroDuration());
  EXPECT_EQ(throttle.Reserve(1000, kNow + absl::Hours(1)), absl::Seconds(1));
}

TEST(BalanceThrottleTest, ANewRateCountsForWhatComesNext) {
  BalanceThrottle throttle(1000);
  throttle.SetRate(0);
  EXPECT_EQ(throttle.rate(), 1000u);
  throttle.SetRate(2000);
  EXPECT_EQ(throttle.rate(), 2000u);
  throttle.Reserve(1000, kNow);
  EXPECT_EQ(throttle.Reserve(1, kNow), absl::Milliseconds(500));
  throttle.SetRate(1'000'000);
  EXPECT_EQ(throttle.Reserve(1, kNow), absl::ZeroDuration()) << "the old rate's debts are dropped";
}

}  // namespace
}  // namespace cairn::datanode
