#include "namenode/blocks/group_tally.h"

#include <gtest/gtest.h>

namespace cairn::namenode {
namespace {

constexpr BlockId kGroup = MakeGroupId(7);

uint64_t Groups(const GroupTally& tally) {
  uint64_t sum = 0;
  for (size_t need = 0; need < kNeeds; ++need) sum += tally.groups(static_cast<Need>(need));
  return sum;
}

TEST(GroupTallyTest, AGroupCountsOnceUnderItsWorstNeed) {
  GroupTally tally;
  tally.Add(UnitOf(kGroup, 0), Need::kSurplus);
  EXPECT_EQ(tally.groups(Need::kSurplus), 1u);
  tally.Add(UnitOf(kGroup, 1), Need::kLow);
  tally.Add(UnitOf(kGroup, 2), Need::kHighest);
  tally.Add(UnitOf(kGroup, 3), Need::kHighest);
  EXPECT_EQ(tally.groups(Need::kHighest), 1u);
  EXPECT_EQ(tally.units(Need::kHighest), 2u);
  EXPECT_EQ(Groups(tally), 1u);
  // Nothing is worse than what nobody can read.
  tally.Add(UnitOf(kGroup, 4), Need::kMissing);
  EXPECT_EQ(tally.groups(Need::kMissing), 1u);
  EXPECT_EQ(Groups(tally), 1u);
  tally.Remove(UnitOf(kGroup, 4), Need::kMissing);
  tally.Remove(UnitOf(kGroup, 2), Need::kHighest);
  tally.Remove(UnitOf(kGroup, 3), Need::kHighest);
  EXPECT_EQ(tally.groups(Need::kLow), 1u);
  tally.Remove(UnitOf(kGroup, 1), Need::kLow);
  tally.Remove(UnitOf(kGroup, 0), Need::kSurplus);
  EXPECT_EQ(Groups(tally), 0u);
  EXPECT_EQ(tally.units(Need::kHighest), 0u);
}

TEST(GroupTallyTest, GroupsAreToldApartAndBlocksDoNotCount) {
  GroupTally tally;
  tally.Add(kGroup, Need::kLow);  // unit 0
  tally.Add(UnitOf(MakeGroupId(8), 5), Need::kLow);
  tally.Add(BlockId{7}, Need::kLow);
  EXPECT_EQ(tally.groups(Need::kLow), 2u);
  EXPECT_EQ(tally.units(Need::kLow), 2u);
}

}  // namespace
}  // namespace cairn::namenode
