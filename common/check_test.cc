#include "common/check.h"

#include <gtest/gtest.h>

namespace cairn {
namespace {

TEST(CheckDeathTest, BrokenInvariantStopsTheProgramAndSaysWhereAndWhy) {
  const int replicas = 4;
  EXPECT_DEATH(CHECK(replicas == 3) << "of block " << 7,
               "check_test.cc:[0-9]+: CHECK failed: replicas == 3 of block 7");
  EXPECT_DEATH(CHECK_LE(replicas, 3) << "replicas", "4 vs 3. replicas");
  EXPECT_DEATH(CHECK_OK(absl::NotFoundError("no /a")), "NOT_FOUND: no /a");
}

TEST(CheckTest, HoldingInvariantEvaluatesNoMessage) {
  int evaluated = 0;
  const auto message = [&] { return ++evaluated; };
  CHECK(true) << message();
  CHECK_EQ(1, 1) << message();
  CHECK_OK(absl::OkStatus());
  EXPECT_EQ(evaluated, 0);
  // One statement: it may stand alone between if and else.
  if (evaluated == 0)
    CHECK(true);
  else
    CHECK(false);
}

}  // namespace
}  // namespace cairn
