#include "namenode/core/superseded_blocks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cairn::namenode {
namespace {

using ::testing::Field;
using ::testing::Optional;

BlockVersion Block(uint64_t id) { return {BlockId{id}, GenerationStamp{7}, 100 + id}; }
auto IsBlock(uint64_t id) { return Optional(Field(&BlockVersion::id, BlockId{id})); }

TEST(SupersededBlocksTest, EachWaitsUntilItsTimeIsOver) {
  SupersededBlocks blocks(10);
  ASSERT_TRUE(blocks.Add(absl::Seconds(5), Block(2)));
  ASSERT_TRUE(blocks.Add(absl::Seconds(6), Block(1)));
  EXPECT_FALSE(blocks.HasDue(absl::Seconds(5) - absl::Nanoseconds(1)));
  EXPECT_FALSE(blocks.TakeDue(absl::Seconds(5) - absl::Nanoseconds(1)).has_value());
  EXPECT_TRUE(blocks.HasDue(absl::Seconds(5)));
  EXPECT_THAT(blocks.TakeDue(absl::Seconds(5)), IsBlock(2));
  EXPECT_FALSE(blocks.TakeDue(absl::Seconds(5)).has_value());
  EXPECT_EQ(blocks.Find(BlockId{2}), nullptr);
  ASSERT_NE(blocks.Find(BlockId{1}), nullptr);
  EXPECT_EQ(blocks.Find(BlockId{1})->length, 101u);
  EXPECT_THAT(blocks.TakeDue(absl::Seconds(9)), IsBlock(1));
  EXPECT_FALSE(blocks.HasDue(absl::InfiniteDuration()));
}

TEST(SupersededBlocksTest, ThereAreOnlySoMany) {
  SupersededBlocks blocks(2);
  EXPECT_TRUE(blocks.Add(absl::Seconds(5), Block(1)));
  EXPECT_TRUE(blocks.Add(absl::Seconds(5), Block(2)));
  EXPECT_FALSE(blocks.Add(absl::Seconds(5), Block(3)));
  EXPECT_EQ(blocks.Find(BlockId{3}), nullptr);
  EXPECT_THAT(blocks.TakeDue(absl::Seconds(5)), IsBlock(1));
  EXPECT_TRUE(blocks.Add(absl::Seconds(6), Block(3)));
}

}  // namespace
}  // namespace cairn::namenode
