#include "tools/balancer/follower.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace cairn::tools {
namespace {

using client::BalanceIteration;
using ::testing::HasSubstr;

BalanceIteration Iteration(uint64_t number, uint64_t left, uint64_t planned, uint64_t moved,
                           uint64_t before) {
  return {.number = number,
          .ended = absl::FromUnixSeconds(1'796'000'000),
          .bytes_left = left,
          .bytes_planned = planned,
          .bytes_moved = moved,
          .bytes_moved_before = before};
}

TEST(BalanceFollowerTest, ItGoesOnUntilNothingIsLeft) {
  BalanceFollower follower(5);
  follower.Begun();
  EXPECT_EQ(follower.Take(Iteration(0, 100, 80, 80, 0)), BalanceEnd::kInProgress);
  EXPECT_EQ(follower.asked_from(), 1u);
  EXPECT_EQ(follower.bytes_moved(), 80u);
  EXPECT_EQ(follower.Take(Iteration(1, 0, 0, 0, 80)), BalanceEnd::kSuccess);
  EXPECT_EQ(follower.bytes_moved(), 80u);
}

TEST(BalanceFollowerTest, WhereNobodyCanTakeAnythingItEnds) {
  BalanceFollower follower(5);
  EXPECT_EQ(follower.Take(Iteration(0, 100, 0, 0, 0)), BalanceEnd::kNoMoveBlock);
}

TEST(BalanceFollowerTest, IdleIterationsInARowEndIt) {
  BalanceFollower follower(2);
  EXPECT_EQ(follower.Take(Iteration(0, 9, 9, 0, 0)), BalanceEnd::kInProgress);
  EXPECT_EQ(follower.Take(Iteration(1, 9, 9, 1, 0)), BalanceEnd::kInProgress);
  EXPECT_EQ(follower.Take(Iteration(2, 9, 9, 0, 1)), BalanceEnd::kInProgress);
  EXPECT_EQ(follower.Take(Iteration(3, 9, 9, 0, 1)), BalanceEnd::kNoMoveProgress);
  BalanceFollower hasty(0);
  EXPECT_EQ(hasty.Take(Iteration(0, 9, 9, 1, 0)), BalanceEnd::kInProgress);
  EXPECT_EQ(hasty.Take(Iteration(1, 9, 9, 0, 1)), BalanceEnd::kNoMoveProgress);
  BalanceFollower patient(-1);
  for (uint64_t i = 0; i < 100; ++i) {
    EXPECT_EQ(patient.Take(Iteration(i, 9, 9, 0, 0)), BalanceEnd::kInProgress);
  }
}

TEST(BalanceFollowerTest, AJobThatTheNamenodeBeganAnewIsCountedOn) {
  BalanceFollower follower(5);
  follower.Begun();
  follower.Take(Iteration(0, 100, 80, 30, 0));
  follower.Begun();
  EXPECT_EQ(follower.asked_from(), 0u);
  follower.Take(Iteration(0, 70, 50, 50, 0));
  EXPECT_EQ(follower.bytes_moved(), 80u);
  EXPECT_EQ(follower.iterations(), 2u);
}

TEST(BalanceFollowerTest, ExitCodesAreHdfss) {
  EXPECT_EQ(ExitCodeOf(BalanceEnd::kSuccess), 0);
  EXPECT_EQ(ExitCodeOf(BalanceEnd::kAlreadyRunning), 255);
  EXPECT_EQ(ExitCodeOf(BalanceEnd::kNoMoveBlock), 254);
  EXPECT_EQ(ExitCodeOf(BalanceEnd::kNoMoveProgress), 253);
  EXPECT_EQ(ExitCodeOf(BalanceEnd::kIoException), 252);
  EXPECT_EQ(ExitCodeOf(BalanceEnd::kIllegalArguments), 251);
  EXPECT_EQ(ExitCodeOf(BalanceEnd::kInterrupted), 250);
}

TEST(BalanceFollowerTest, ARowIsHdfssRow) {
  BalanceFollower follower(5);
  const BalanceIteration iteration = Iteration(0, uint64_t{3} << 30, 1536, 80, 0);
  follower.Take(iteration);
  std::ostringstream out;
  PrintIteration(iteration, follower, "hdfs://nn:8020", out);
  EXPECT_THAT(out.str(),
              HasSubstr("          0                 80 B                3 GB            1.50 KB  "
                        "hdfs://nn:8020\n"));
  EXPECT_EQ(out.str().find("hdfs://"), std::string(kBalanceHeader).find("NameNode"));
}

TEST(BalanceFollowerTest, TimesAreWrittenAsJavaDoes) {
  EXPECT_EQ(
      BalanceTime(absl::FromCivil(absl::CivilSecond(2026, 11, 9, 13, 5, 7), absl::LocalTimeZone())),
      "Nov 9, 2026 1:05:07 PM  ");
  EXPECT_EQ(
      BalanceTime(absl::FromCivil(absl::CivilSecond(2026, 11, 29, 0, 5, 7), absl::LocalTimeZone())),
      "Nov 29, 2026 12:05:07 AM");
  EXPECT_EQ(ElapsedText(absl::Milliseconds(12)), "12.0 milliseconds");
  EXPECT_EQ(ElapsedText(absl::Seconds(1.5)), "1.5 seconds");
  EXPECT_EQ(ElapsedText(absl::Minutes(90)), "1.5 hours");
}

TEST(BalanceFollowerTest, ProgramsGetALineForEach) {
  BalanceFollower follower(5);
  const BalanceIteration iteration = Iteration(0, 9, 8, 7, 0);
  follower.Take(iteration);
  std::ostringstream out;
  {
    JsonWriter json(out);
    WriteIteration(iteration, follower, json);
  }
  EXPECT_THAT(out.str(), HasSubstr("\"bytes_already_moved\":7"));
  EXPECT_THAT(out.str(), HasSubstr("\"bytes_left_to_move\":9"));
  out.str("");
  {
    JsonWriter json(out);
    WriteEnd(BalanceEnd::kNoMoveProgress, "why", 7, absl::Seconds(2), json);
  }
  EXPECT_THAT(out.str(), HasSubstr("\"status\":\"NO_MOVE_PROGRESS\""));
  EXPECT_THAT(out.str(), HasSubstr("\"exit_code\":253"));
}

}  // namespace
}  // namespace cairn::tools
