#include "tools/fsck/in_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <memory>

namespace cairn::tools {
namespace {

using ::testing::ElementsAre;

TEST(InOrderTest, OutcomesAreUsedInTheOrderInWhichWorkWasGiven) {
  std::vector<int> used;
  InOrder in_order(2);
  std::latch second_is_done(1);
  in_order.Add({[&] { second_is_done.wait(); }}, [&] { used.push_back(1); });
  in_order.Add({[&] { second_is_done.count_down(); }}, [&] { used.push_back(2); });
  in_order.Add({}, [&] { used.push_back(3); });
  in_order.Finish();
  EXPECT_THAT(used, ElementsAre(1, 2, 3));
}

TEST(InOrderTest, AnOutcomeIsUsedOnceAllOfItsWorkIsDone) {
  InOrder in_order(3);
  for (int i = 0; i < 200; ++i) {
    const auto done = std::make_shared<std::atomic<int>>(0);
    in_order.Add(std::vector<InOrder::Act>(5, [done] { ++*done; }),
                 [done] { EXPECT_EQ(*done, 5); });
  }
  in_order.Finish();
}

TEST(InOrderTest, WhoAddsMoreThanIsDoneWaits) {
  std::atomic<int> added = 0, done = 0;
  InOrder in_order(2);
  for (int i = 0; i < 500; ++i) {
    in_order.Add({[&] {
                   EXPECT_LT(added - done, 10);
                   ++done;
                 }},
                 [] {});
    ++added;
  }
  in_order.Finish();
  EXPECT_EQ(done, 500);
}

TEST(InOrderTest, WhatHasBegunIsWaitedForAtTheEndAndNotUsed) {
  std::atomic<bool> done = false;
  bool used = false;
  std::latch begun(1), go(1);
  {
    InOrder in_order(1);
    in_order.Add({[&] { begun.count_down(), go.wait(), done = true; }}, [&] { used = true; });
    begun.wait();
    go.count_down();
  }
  EXPECT_TRUE(done);
  EXPECT_FALSE(used);
}

}  // namespace
}  // namespace cairn::tools
