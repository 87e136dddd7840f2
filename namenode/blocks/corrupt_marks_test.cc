#include "namenode/blocks/corrupt_marks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cairn::namenode {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr BlockId kBlock{7};

TEST(CorruptMarksTest, AMarkIsCertainOnceItWasFoundByTheBytes) {
  CorruptMarks marks;
  marks.Mark(kBlock, 1, /*certain=*/false);
  EXPECT_FALSE(marks.IsCertain(kBlock, 1));
  marks.Mark(kBlock, 1, /*certain=*/true);
  marks.Mark(kBlock, 1, /*certain=*/false);
  EXPECT_TRUE(marks.IsCertain(kBlock, 1));
  EXPECT_FALSE(marks.IsCertain(kBlock, 2));
  EXPECT_THAT(marks.Of(kBlock), ElementsAre(1));
  marks.Unmark(kBlock, 1);
  EXPECT_FALSE(marks.Has(kBlock));
  EXPECT_EQ(marks.blocks(), 0u);
}

TEST(CorruptMarksTest, TheLastWordTellsWhetherItIsOlder) {
  CorruptMarks marks;
  marks.MarkOlder(kBlock, 1);
  EXPECT_TRUE(marks.IsOlder(kBlock, 1));
  EXPECT_FALSE(marks.IsCertain(kBlock, 1));
  marks.Mark(kBlock, 1, /*certain=*/true);
  EXPECT_FALSE(marks.IsOlder(kBlock, 1)) << "the block's version, and bad";
  EXPECT_FALSE(marks.IsOlder(kBlock, 2));
}

// A lost disk may have any number of them.
TEST(CorruptMarksTest, AStoragesMarksAreForgottenSoManyAtATime) {
  CorruptMarks marks;
  for (uint64_t id = 1; id <= 10; ++id) {
    marks.Mark(BlockId{id}, 1, true);
    marks.Mark(BlockId{id}, 2, true);
  }
  EXPECT_TRUE(marks.ForgetSome(1, 4));
  EXPECT_THAT(marks.Of(BlockId{4}), ElementsAre(2));
  EXPECT_THAT(marks.Of(BlockId{5}), ElementsAre(1, 2)) << "its turn has not come";
  EXPECT_TRUE(marks.ForgetSome(1, 4));
  EXPECT_FALSE(marks.ForgetSome(1, 4));
  EXPECT_FALSE(marks.ForgetSome(1, 4));
  EXPECT_EQ(marks.blocks(), 10u) << "those of the other storage";
  EXPECT_FALSE(marks.ForgetSome(2, 10));
  EXPECT_EQ(marks.blocks(), 0u);
}

TEST(CorruptMarksTest, UnitsAreCountedAndEachGroupOnce) {
  CorruptMarks marks;
  const BlockId group = MakeGroupId(1);
  marks.Mark(kBlock, 1, true);
  marks.Mark(UnitOf(group, 0), 1, true);
  marks.Mark(UnitOf(group, 0), 2, true);
  marks.Mark(UnitOf(group, 4), 1, true);
  marks.MarkOlder(UnitOf(MakeGroupId(2), 4), 3);
  EXPECT_EQ(marks.blocks(), 4u);
  EXPECT_EQ(marks.units(), 3u);
  EXPECT_EQ(marks.groups(), 2u);
  marks.Unmark(UnitOf(group, 0), 1);
  marks.Forget(UnitOf(MakeGroupId(2), 4));
  marks.Forget(UnitOf(MakeGroupId(2), 4));
  EXPECT_EQ(marks.units(), 2u);
  EXPECT_EQ(marks.groups(), 1u);
  EXPECT_FALSE(marks.ForgetSome(1, 10));
  EXPECT_EQ(marks.units(), 1u) << "the one on storage 2";
  EXPECT_EQ(marks.groups(), 1u);
  marks.Unmark(UnitOf(group, 0), 2);
  EXPECT_EQ(marks.units(), 0u);
  EXPECT_EQ(marks.groups(), 0u);
}

TEST(CorruptMarksTest, ABlockThatIsNoMoreLeavesNothingWithItsStorages) {
  CorruptMarks marks;
  marks.Mark(kBlock, 1, true);
  marks.Mark(kBlock, 2, true);
  EXPECT_THAT(marks.Forget(kBlock), ElementsAre(1, 2));
  EXPECT_THAT(marks.Forget(kBlock), IsEmpty());
  marks.Mark(BlockId{8}, 1, true);
  EXPECT_FALSE(marks.ForgetSome(1, 1));
  EXPECT_EQ(marks.blocks(), 0u);
}

}  // namespace
}  // namespace cairn::namenode
