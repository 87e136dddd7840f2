#include "common/crash_point.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <string>
#include <vector>

namespace cairn {
namespace {

using ::testing::ElementsAre;

TEST(CrashPointTest, HookSeesEachPointUntilItIsRemoved) {
  std::vector<std::string> seen;
  SetCrashPointHook([&](absl::string_view name) { seen.emplace_back(name); });
  CRASH_POINT("one");
  CRASH_POINT("two");
  SetCrashPointHook(nullptr);
  CRASH_POINT("three");
  EXPECT_THAT(seen, ElementsAre("one", "two"));
}

// The death test of style "threadsafe" starts this program anew, with the environment set here.
void PassThreeTimes() {
  for (int i = 1; i <= 3; ++i) {
    std::fprintf(stderr, "before %d\n", i);
    CRASH_POINT("crash_point_test");
    CRASH_POINT("crash_point_other");
  }
  std::_Exit(0);
}

TEST(CrashPointDeathTest, NthPassOfTheNamedPointKillsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  setenv("CAIRN_CRASH_POINT", "crash_point_test:2", 1);
  EXPECT_EXIT(PassThreeTimes(), testing::KilledBySignal(SIGKILL), "before 1\nbefore 2\n$");
  setenv("CAIRN_CRASH_POINT", "crash_point_unknown", 1);
  EXPECT_EXIT(PassThreeTimes(), testing::ExitedWithCode(0), "before 3");
  unsetenv("CAIRN_CRASH_POINT");
}

}  // namespace
}  // namespace cairn
