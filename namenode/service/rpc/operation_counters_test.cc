#include "namenode/service/rpc/operation_counters.h"

#include <thread>

#include "absl/strings/str_cat.h"
#include "common/testing/status_matchers.h"

namespace cairn::namenode {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(OperationCountersTest, CallsOfAllThreadsAreSummedTheMostFrequentFirst) {
  OperationCounters counters;
  const auto work = [&] {
    for (int i = 0; i < 100; ++i) counters.Count("getFileInfo", "alice");
    counters.Count("mkdirs", "bob");
  };
  std::thread one(work), two(work);
  one.join();
  two.join();
  const OperationCounters::Totals totals = counters.Sum();
  EXPECT_THAT(totals.methods, ElementsAre(Pair("getFileInfo", 200), Pair("mkdirs", 2)));
  EXPECT_THAT(totals.users, ElementsAre(Pair("alice", 200), Pair("bob", 2)));
}

TEST(OperationCountersTest, MoreUsersThanAreRememberedAreCountedTogether) {
  OperationCounters counters;
  for (size_t i = 0; i < OperationCounters::kMostUsers + 5; ++i) {
    counters.Count("getFileInfo", absl::StrCat("user", i));
  }
  const OperationCounters::Totals totals = counters.Sum();
  EXPECT_EQ(totals.users.size(), OperationCounters::kMostUsers + 1);
  EXPECT_THAT(totals.users[0], Pair(OperationCounters::kOthers, 5));
}

}  // namespace
}  // namespace cairn::namenode
