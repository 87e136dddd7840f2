#include "namenode/service/rpc/operation_counters.h"

#include <optional>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/testing/status_matchers.h"

namespace cairn::namenode {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;
using ::testing::SizeIs;

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

// One call each, under names of which there are always new ones.
void CountCrowd(OperationCounters& counters, size_t calls) {
  static size_t next = 0;
  for (size_t i = 0; i < calls; ++i) counters.Count("getFileInfo", absl::StrCat("user", ++next));
}

std::optional<uint64_t> CallsOf(const OperationCounters::Totals& totals, absl::string_view user) {
  for (const auto& [name, calls] : totals.users) {
    if (name == user) return calls;
  }
  return std::nullopt;
}

TEST(OperationCountersTest, UsersThatAreForgottenOrNotListedAreCountedTogether) {
  OperationCounters counters;
  for (int i = 0; i < 3; ++i) counters.Count("mkdirs", "alice");
  CountCrowd(counters, 10);
  const OperationCounters::Totals few = counters.Sum(2);
  ASSERT_THAT(few.users, SizeIs(3));
  EXPECT_THAT(few.users[0], Pair("alice", 3));
  EXPECT_THAT(few.users[2], Pair(OperationCounters::kOthers, 9));
  EXPECT_THAT(counters.Sum(11).users, SizeIs(11)) << "all are listed";

  CountCrowd(counters, 100'000);
  const OperationCounters::Totals totals = counters.Sum(1'000'000);
  EXPECT_LE(totals.users.size(), 2 * OperationCounters::kMostUsers + 1);
  uint64_t sum = 0;
  for (const auto& [name, calls] : totals.users) sum += calls;
  EXPECT_EQ(sum, 100'013u);
  EXPECT_THAT(totals.methods, ElementsAre(Pair("getFileInfo", 100'010), Pair("mkdirs", 3)));
}

TEST(OperationCountersTest, InventedNamesHideNobodyWhoCallsMuch) {
  OperationCounters counters;
  CountCrowd(counters, 10'000);
  for (int i = 0; i < 1000; ++i) {
    CountCrowd(counters, 200);
    counters.Count("mkdirs", "alice");  // one in two hundred
  }
  const OperationCounters::Totals totals = counters.Sum(1);
  ASSERT_FALSE(totals.users.empty());
  EXPECT_EQ(totals.users[0].first, "alice");
  EXPECT_LE(totals.users[0].second, 1000u) << "never more than there were";
  EXPECT_GE(totals.users[0].second, 990u) << "forgotten at most before she had called ten times";
}

// What others have called months ago is not what the cluster does now.
TEST(OperationCountersTest, WhoCallsMuchNowComesFirst) {
  OperationCounters counters;
  for (int i = 0; i < 1'000'000; ++i) counters.Count("getFileInfo", "yesterday");
  for (int i = 0; i < 200'000; ++i) counters.Count("mkdirs", "now");
  const OperationCounters::Totals totals = counters.Sum();
  EXPECT_THAT(totals.users, ElementsAre(Pair("now", 200'000), Pair("yesterday", 1'000'000)));
}

TEST(OperationCountersTest, ALongNameTakesNoRoom) {
  OperationCounters counters;
  counters.Count("mkdirs", std::string(OperationCounters::kMaxNameBytes, 'a'));
  counters.Count("mkdirs", std::string(OperationCounters::kMaxNameBytes + 1, 'a'));
  const OperationCounters::Totals totals = counters.Sum();
  EXPECT_EQ(CallsOf(totals, std::string(OperationCounters::kMaxNameBytes, 'a')), 1u);
  EXPECT_EQ(CallsOf(totals, OperationCounters::kOthers), 1u);
  EXPECT_THAT(totals.users, SizeIs(2));
}

}  // namespace
}  // namespace cairn::namenode
