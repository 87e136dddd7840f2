#include "namenode/core/conversion_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cairn::namenode {
namespace {

constexpr absl::Duration kStart = absl::Hours(5);

ConversionRun Told(const std::string& holder, uint64_t files = 0) {
  ConversionRun run;
  run.holder = holder;
  run.files_converted = files;
  return run;
}

TEST(ConversionRunTest, BeforeAnybodyCameThereIsNone) {
  const ConversionRunBoard board;
  const ConversionRun run = board.Show(kStart);
  EXPECT_EQ(run.holder, "");
  EXPECT_TRUE(run.ended);
}

TEST(ConversionRunTest, ThereIsOneAtATimeAndItsHolderSaysHowFarItIs) {
  ConversionRunBoard board;
  EXPECT_EQ(board.Renew(1, Told("a"), false, kStart), "");
  EXPECT_EQ(board.Renew(2, Told("b"), false, kStart + absl::Seconds(1)), "a");
  EXPECT_EQ(board.Renew(1, Told("a", 7), false, kStart + absl::Seconds(2)), "");
  const ConversionRun run = board.Show(kStart + absl::Seconds(5));
  EXPECT_EQ(run.holder, "a");
  EXPECT_EQ(run.files_converted, 7u);
  EXPECT_FALSE(run.ended);
  EXPECT_EQ(run.heard_ago, absl::Seconds(3));
}

TEST(ConversionRunTest, WhoIsSilentForTooLongHasLostIt) {
  ConversionRunBoard board;
  EXPECT_EQ(board.Renew(1, Told("a"), false, kStart), "");
  const absl::Duration over = kStart + ConversionRunBoard::kLease;
  EXPECT_FALSE(board.Show(over - absl::Milliseconds(1)).ended);
  EXPECT_EQ(board.Renew(2, Told("b"), false, over - absl::Milliseconds(1)), "a");
  EXPECT_TRUE(board.Show(over).ended);
  EXPECT_EQ(board.Show(over).holder, "a") << "the last one is told";
  EXPECT_EQ(board.Renew(2, Told("b"), false, over), "");
  EXPECT_EQ(board.Renew(1, Told("a"), false, over), "b");
}

TEST(ConversionRunTest, OneThatHasStoppedMakesRoomAtOnce) {
  ConversionRunBoard board;
  EXPECT_EQ(board.Renew(1, Told("a"), false, kStart), "");
  EXPECT_EQ(board.Renew(1, Told("a", 3), true, kStart), "");
  EXPECT_TRUE(board.Show(kStart).ended);
  EXPECT_EQ(board.Show(kStart).files_converted, 3u);
  EXPECT_EQ(board.Renew(2, Told("b"), false, kStart), "");
  // What the first one sent again comes late.
  EXPECT_EQ(board.Renew(1, Told("a"), true, kStart), "b");
  EXPECT_EQ(board.Show(kStart).holder, "b");
}

TEST(ConversionRunTest, AStopOfARunThatNobodyKnowsBeginsNone) {
  ConversionRunBoard board;
  EXPECT_EQ(board.Renew(1, Told("a"), true, kStart), "");
  EXPECT_EQ(board.Show(kStart).holder, "");
}

}  // namespace
}  // namespace cairn::namenode
