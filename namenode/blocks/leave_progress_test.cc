#include "namenode/blocks/leave_progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cairn::namenode {
namespace {

using ::testing::Eq;
using ::testing::Optional;

constexpr uint64_t kMiB = 1 << 20;

TEST(LeaveEstimateTest, NothingIsForetoldBeforeSomethingWasDone) {
  LeaveEstimate estimate;
  estimate.Sample(absl::Seconds(10), 0);
  EXPECT_EQ(estimate.EndsIn(kMiB), std::nullopt);
  estimate.Sample(absl::Seconds(20), 0);
  EXPECT_EQ(estimate.EndsIn(kMiB), std::nullopt) << "nothing moves";
}

TEST(LeaveEstimateTest, ASteadyPaceIsCarriedOn) {
  LeaveEstimate estimate;
  for (int second = 0; second <= 30; ++second) {
    estimate.Sample(absl::Seconds(second), static_cast<uint64_t>(second) * 10 * kMiB);
  }
  EXPECT_DOUBLE_EQ(estimate.bytes_per_second(), 10 * kMiB);
  EXPECT_THAT(estimate.EndsIn(600 * kMiB), Optional(Eq(absl::Minutes(1))));
}

TEST(LeaveEstimateTest, AnOldPaceIsForgotten) {
  LeaveEstimate estimate;
  uint64_t done = 0;
  int second = 0;
  for (; second < 600; ++second) estimate.Sample(absl::Seconds(second), done += 100 * kMiB);
  for (; second < 600 + 130; ++second) estimate.Sample(absl::Seconds(second), done += kMiB);
  EXPECT_NEAR(estimate.bytes_per_second(), kMiB, 0.01 * kMiB);
}

TEST(LeaveEstimateTest, SamplesTooCloseTogetherTakeNoRoom) {
  LeaveEstimate estimate;
  for (int step = 0; step <= 1000; ++step) {
    estimate.Sample(absl::Milliseconds(10) * step, static_cast<uint64_t>(step) * kMiB);
  }
  EXPECT_NEAR(estimate.bytes_per_second(), 100 * kMiB, kMiB);
}

}  // namespace
}  // namespace cairn::namenode
