#include "namenode/core/safe_mode.h"

#include <gtest/gtest.h>

namespace cairn::namenode {
namespace {

TEST(SafeModeTest, OneLineTellsWhatIsKnownWhatIsMissingAndWhenItEnds) {
  SafeModeState state;
  state.EnterAtStartup({.known = 6}, absl::Seconds(130));
  state.Update({.known = 6, .registered = 2, .reported = 1, .missing = {"dn-a", "dn-b", "dn-c"}},
               absl::Seconds(113));
  EXPECT_TRUE(state.temporary());
  EXPECT_EQ(
      state.Describe(absl::Seconds(113)),
      "2 of 6 known datanodes have registered, 1 of them have told all their replicas; missing: "
      "dn-a, dn-b, dn-c and 1 more. Safe mode will be turned off automatically when all have "
      "registered, in 17 seconds at the latest.");
}

TEST(SafeModeTest, EndsWhenAllAreThereOrTheTimeIsOver) {
  SafeModeState all;
  all.EnterAtStartup({.known = 2}, absl::Seconds(30));
  all.Update({.known = 2, .registered = 1}, absl::Seconds(1));
  EXPECT_TRUE(all.on());
  all.Update({.known = 2, .registered = 2}, absl::Seconds(2));
  EXPECT_FALSE(all.on());
  EXPECT_EQ(all.Describe(absl::Seconds(2)), "");

  SafeModeState late;
  late.EnterAtStartup({.known = 2}, absl::Seconds(30));
  late.Update({.known = 2, .registered = 1}, absl::Seconds(30));
  EXPECT_FALSE(late.on());
}

TEST(SafeModeTest, AskedForByAnAdministratorItDoesNotEndByItself) {
  SafeModeState state;
  state.EnterManually();
  state.Update({}, absl::Hours(1));
  EXPECT_TRUE(state.on());
  EXPECT_FALSE(state.temporary());
  state.Leave();
  EXPECT_FALSE(state.on());
}

}  // namespace
}  // namespace cairn::namenode
