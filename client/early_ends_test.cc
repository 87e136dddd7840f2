#include "client/early_ends.h"

#include "gtest/gtest.h"

namespace cairn::client {
namespace {

constexpr uint64_t kStripe = 6;
constexpr uint64_t kGroup = 128 * kStripe;

TEST(EarlyEndsTest, EachEarlyEndNeedsAGroupTwiceAsLong) {
  EarlyEnds ends(kStripe, kGroup);
  for (const uint64_t least : {1, 2, 4, 8, 16, 32, 64, 128, 128, 128}) {
    EXPECT_FALSE(ends.IsDue(least * kStripe - 1, /*can_lose_one=*/true));
    EXPECT_TRUE(ends.IsDue(least * kStripe, /*can_lose_one=*/true));
    ends.EndedEarly();
  }
}

TEST(EarlyEndsTest, AGroupThatCanLoseNoMoreEndsAtOnce) {
  EarlyEnds ends(kStripe, kGroup);
  for (int i = 0; i < 9; ++i) ends.EndedEarly();
  EXPECT_TRUE(ends.IsDue(kStripe, /*can_lose_one=*/false));
}

TEST(EarlyEndsTest, GroupsThatGetFullAndWholeMakeUpForEarlyEnds) {
  EarlyEnds ends(kStripe, kGroup);
  for (int i = 0; i < 3; ++i) ends.EndedEarly();
  EXPECT_FALSE(ends.IsDue(4 * kStripe, true));
  ends.GotFullAndWhole();
  EXPECT_TRUE(ends.IsDue(4 * kStripe, true));
  for (int i = 0; i < 9; ++i) ends.GotFullAndWhole();
  EXPECT_FALSE(ends.IsDue(kStripe - 1, true));
  EXPECT_TRUE(ends.IsDue(kStripe, true));
}

// A datanode that fails after each stripe, for ever.
TEST(EarlyEndsTest, AFlappingDatanodeCostsFewGroups) {
  EarlyEnds ends(kStripe, kGroup);
  int groups = 0;
  uint64_t bytes = 0;
  for (int stripes = 0; stripes < 100 * 128; ++stripes) {
    bytes += kStripe;
    const bool early = ends.IsDue(bytes, /*can_lose_one=*/true);
    if (!early && bytes < kGroup) continue;
    if (bytes < kGroup) ends.EndedEarly();
    ++groups;
    bytes = 0;
  }
  EXPECT_EQ(groups, 100 + 7 - 1) << "the first seven have the bytes of one";
}

}  // namespace
}  // namespace cairn::client
