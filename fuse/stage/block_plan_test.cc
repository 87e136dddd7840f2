#include "fuse/stage/block_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/testing/status_matchers.h"

namespace cairn::fuse {
namespace {

using ::testing::ElementsAre;

constexpr uint64_t kBlock = 100;

// Blocks 1, 2, ... of these lengths.
std::vector<client::BlockVersion> Blocks(std::vector<uint64_t> lengths) {
  std::vector<client::BlockVersion> blocks;
  for (const uint64_t length : lengths) {
    blocks.push_back({.id = blocks.size() + 1, .stamp = 1001, .length = length});
  }
  return blocks;
}

// As "keep 1, write 100-200".
std::string Plan(std::vector<uint64_t> lengths, std::vector<ByteRange> changed, uint64_t length,
                 uint64_t intact = UINT64_MAX) {
  const auto plan = PlanBlocks(Blocks(std::move(lengths)), kBlock,
                               {.ranges = std::move(changed), .intact = intact, .length = length});
  return absl::StrJoin(plan, ", ", [](std::string* out, const PlannedPart& part) {
    if (part.kept.has_value()) {
      absl::StrAppend(out, "keep ", *part.kept);
    } else {
      absl::StrAppend(out, "write ", part.range.begin, "-", part.range.end);
    }
  });
}

TEST(BlockPlan, OnlyTheBlocksWithAChangedByteAreWritten) {
  EXPECT_EQ(Plan({100, 100, 50}, {{0, 1}}, 250), "write 0-100, keep 2, keep 3");
  EXPECT_EQ(Plan({100, 100, 50}, {{99, 100}}, 250), "write 0-100, keep 2, keep 3");
  EXPECT_EQ(Plan({100, 100, 50}, {{100, 101}}, 250), "keep 1, write 100-200, keep 3");
  EXPECT_EQ(Plan({100, 100, 50}, {{249, 250}}, 250), "keep 1, keep 2, write 200-250");
  EXPECT_EQ(Plan({100, 100, 50}, {{0, 1}, {210, 220}}, 250), "write 0-100, keep 2, write 200-250");
}

TEST(BlockPlan, NeighboursAreOneRange) {
  EXPECT_EQ(Plan({100, 100, 50}, {{99, 101}}, 250), "write 0-200, keep 3");
  EXPECT_EQ(Plan({100, 100, 50}, {{0, 1}, {150, 151}, {200, 201}}, 250), "write 0-250");
}

TEST(BlockPlan, AShorterFileLosesBlocksAndHasTheOneWrittenThatIsCut) {
  EXPECT_EQ(Plan({100, 100, 50}, {}, 200, 200), "keep 1, keep 2");
  EXPECT_EQ(Plan({100, 100, 50}, {}, 150, 150), "keep 1, write 100-150");
  EXPECT_EQ(Plan({100, 100, 50}, {}, 0, 0), "");
}

TEST(BlockPlan, ALongerFileHasItsShortTailWrittenWithIt) {
  EXPECT_EQ(Plan({100, 50}, {}, 320, 150), "keep 1, write 100-320");
  EXPECT_EQ(Plan({100, 100}, {}, 320, 200), "keep 1, keep 2, write 200-320");
  EXPECT_EQ(Plan({}, {{0, 10}}, 10), "write 0-10");
}

// Of an erasure-coded file a full block is a group of several cells' rows: longer than a unit.
TEST(BlockPlan, WhetherATailIsShortGoesByWhatAFullBlockHolds) {
  const std::vector<client::BlockVersion> blocks = Blocks({300, 200});
  const ChangedBytes grown{.intact = 500, .length = 510};
  EXPECT_EQ(PlanBlocks(blocks, /*full_block_bytes=*/300, grown).size(), 2u);
  const auto plan = PlanBlocks(blocks, /*full_block_bytes=*/200, grown);
  ASSERT_EQ(plan.size(), 3u);
  EXPECT_EQ(plan[1].kept, std::optional<uint64_t>(2));
}

// Cut, and then longer again: zeros are where the bytes were.
TEST(BlockPlan, WhatIsNotIntactIsWritten) {
  EXPECT_EQ(Plan({100, 100, 50}, {}, 250, 120), "keep 1, write 100-250");
}

// As concat leaves them, or a change before this one.
TEST(BlockPlan, BlocksOfAnyLengthAreKept) {
  EXPECT_EQ(Plan({10, 100, 7, 100}, {{50, 60}}, 217), "keep 1, write 10-110, keep 3, keep 4");
}

TEST(BlockPlan, TheNewBlocksTakeThePlacesOfTheRanges) {
  const auto plan = PlanBlocks(Blocks({100, 100, 100}), kBlock,
                               {.ranges = {{0, 1}, {250, 260}}, .intact = 300, .length = 330});
  std::vector<client::BlockVersion> written = {
      {.id = 11, .length = 100}, {.id = 12, .length = 100}, {.id = 13, .length = 30}};
  EXPECT_THAT(BlocksOfPlan(plan, written), IsOkAndHolds(ElementsAre(11, 2, 12, 13)));
  written[0].length = 101;
  EXPECT_THAT(BlocksOfPlan(plan, written), StatusIs(absl::StatusCode::kInternal));
  written[0].length = 100;
  written.push_back({.id = 14, .length = 1});
  EXPECT_THAT(BlocksOfPlan(plan, written), StatusIs(absl::StatusCode::kInternal));
}

}  // namespace
}  // namespace cairn::fuse
