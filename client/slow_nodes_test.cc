#include "client/slow_nodes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cairn::client {
namespace {

using ::testing::Eq;
using ::testing::Optional;

class SlowNodesTest : public ::testing::Test {
 protected:
  SlowNodesTest() { nodes_.Restart(3); }

  // Four packets a second for so many seconds.
  void Pass(int seconds, std::vector<uint64_t> micros) {
    for (int i = 0; i < 4 * seconds; ++i, now_ += absl::Milliseconds(250)) nodes_.Add(now_, micros);
  }

  SlowNodes nodes_{{.seconds = 3, .mean = absl::Milliseconds(100), .factor = 4}};
  absl::Duration now_ = absl::Hours(5);
};

TEST_F(SlowNodesTest, ANodeIsSlowAfterSoManySecondsInARow) {
  Pass(3, {1000, 400'000, 2000});
  EXPECT_THAT(nodes_.Find(), Eq(std::nullopt));
  Pass(1, {1000, 400'000, 2000});
  EXPECT_THAT(nodes_.Find(), Optional(1u));
}

TEST_F(SlowNodesTest, AGoodSecondInBetweenClearsIt) {
  Pass(3, {1000, 400'000, 2000});
  Pass(1, {1000, 1000, 2000});
  Pass(2, {1000, 400'000, 2000});
  EXPECT_THAT(nodes_.Find(), Eq(std::nullopt));
}

// No other node would be faster.
TEST_F(SlowNodesTest, NobodyIsSlowWhereAllAre) {
  Pass(10, {300'000, 400'000, 350'000});
  EXPECT_THAT(nodes_.Find(), Eq(std::nullopt));
}

TEST_F(SlowNodesTest, ABadRatioOfGoodTimesIsNoMatter) {
  Pass(10, {100, 90'000, 100});
  EXPECT_THAT(nodes_.Find(), Eq(std::nullopt));
}

TEST_F(SlowNodesTest, AnotherPipelineStartsAfresh) {
  Pass(5, {400'000, 1000, 2000});
  EXPECT_THAT(nodes_.Find(), Optional(0u));
  nodes_.Restart(2);
  EXPECT_THAT(nodes_.Find(), Eq(std::nullopt));
  nodes_.Add(now_, std::vector<uint64_t>{1, 2, 3});  // of the old one
  Pass(5, {1000, 400'000});
  EXPECT_THAT(nodes_.Find(), Optional(1u));
}

TEST_F(SlowNodesTest, ZeroSecondsTurnItOff) {
  SlowNodes off({.seconds = 0});
  off.Restart(2);
  for (int i = 0; i < 100; ++i) off.Add(absl::Seconds(i), std::vector<uint64_t>{1, 1'000'000});
  EXPECT_THAT(off.Find(), Eq(std::nullopt));
}

}  // namespace
}  // namespace cairn::client
