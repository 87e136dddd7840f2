#include "namenode/blocks/read_retries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/ids.h"

namespace cairn::namenode {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Retries = ReadRetries<BlockId>;

constexpr BlockId kA{1}, kB{2}, kC{3};
constexpr absl::Duration kMoment = absl::Milliseconds(1);

TEST(ReadRetriesTest, ThePauseGrowsFromAMinuteToAnHour) {
  Retries retries(10);
  absl::Duration now = absl::Hours(7);
  absl::Duration pause = absl::Minutes(1);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(retries.Failed(kA, now), now + pause);
    EXPECT_THAT(retries.TakeDue(now + pause - kMoment, 9), IsEmpty());
    now += pause;
    EXPECT_THAT(retries.TakeDue(now, 9), ElementsAre(kA));
    pause = std::min(2 * pause, absl::Hours(1));
  }
  EXPECT_EQ(pause, absl::Hours(1));
  retries.Forget(kA);
  EXPECT_TRUE(retries.empty());
  EXPECT_EQ(retries.Failed(kA, now), now + absl::Minutes(1)) << "it has been well in between";
}

TEST(ReadRetriesTest, AFailureBeforeItsTimeDoesNotCount) {
  Retries retries(10);
  const absl::Duration next = retries.Failed(kA, absl::ZeroDuration());
  EXPECT_EQ(retries.Failed(kA, next - kMoment), next);
  EXPECT_EQ(retries.Failed(kA, next), next + absl::Minutes(2)) << "whoever has tried it then";
}

TEST(ReadRetriesTest, WhatWasDueAndNotTriedIsDueAgainAfterTheSamePause) {
  Retries retries(10);
  const absl::Duration due = retries.Failed(kA, absl::ZeroDuration());
  EXPECT_THAT(retries.TakeDue(due, 9), ElementsAre(kA));
  EXPECT_THAT(retries.TakeDue(due, 9), IsEmpty());
  EXPECT_THAT(retries.TakeDue(due + absl::Minutes(1), 9), ElementsAre(kA));
}

TEST(ReadRetriesTest, TheyAreTakenInTheOrderOfTheirTimes) {
  Retries retries(10);
  retries.Failed(kB, absl::ZeroDuration());
  retries.Failed(kA, kMoment);
  retries.Failed(kC, kMoment);
  EXPECT_THAT(retries.TakeDue(absl::Hours(1), 2), ElementsAre(kB, kA));
  EXPECT_THAT(retries.TakeDue(absl::Hours(1), 2), ElementsAre(kC));
}

TEST(ReadRetriesTest, WhatFindsNoRoomIsForAWalkWhenHalfOfItIsFree) {
  Retries retries(2);
  retries.Failed(kA, absl::ZeroDuration());
  retries.Failed(kB, absl::ZeroDuration());
  EXPECT_FALSE(retries.TakeOverflow());
  EXPECT_EQ(retries.Failed(kC, absl::ZeroDuration()), absl::Minutes(1));
  EXPECT_EQ(retries.size(), 2u);
  EXPECT_FALSE(retries.TakeOverflow()) << "no room yet";
  retries.Forget(kC);  // is not there
  retries.Forget(kB);
  EXPECT_TRUE(retries.TakeOverflow());
  EXPECT_FALSE(retries.TakeOverflow());
}

}  // namespace
}  // namespace cairn::namenode
