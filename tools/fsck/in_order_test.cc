#include "tools/fsck/in_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <memory>
#include <thread>
#include <utility>

namespace cairn::tools {
namespace {

using ::testing::ElementsAre;

TEST(InOrderTest, OutcomesAreUsedInTheOrderInWhichWorkWasGiven) {
  std::vector<int> used;
  InOrder in_order(2, 1000);
  std::latch second_is_done(1);
  in_order.Add({[&] { second_is_done.wait(); }}, 1, [&] { used.push_back(1); });
  in_order.Add({[&] { second_is_done.count_down(); }}, 1, [&] { used.push_back(2); });
  in_order.Add({}, 1, [&] { used.push_back(3); });
  in_order.Finish();
  EXPECT_THAT(used, ElementsAre(1, 2, 3));
}

TEST(InOrderTest, AnOutcomeIsUsedOnceAllOfItsWorkIsDone) {
  InOrder in_order(3, 1000);
  for (int i = 0; i < 200; ++i) {
    const auto done = std::make_shared<std::atomic<int>>(0);
    in_order.Add(std::vector<InOrder::Act>(5, [done] { ++*done; }), 1,
                 [done] { EXPECT_EQ(*done, 5); });
  }
  in_order.Finish();
}

TEST(InOrderTest, WhoAddsMoreThanIsDoneWaits) {
  std::atomic<int> added = 0, done = 0;
  InOrder in_order(2, 1000);
  for (int i = 0; i < 500; ++i) {
    in_order.Add({[&] {
                   EXPECT_LT(added - done, 10);
                   ++done;
                 }},
                 1, [] {});
    ++added;
  }
  in_order.Finish();
  EXPECT_EQ(done, 500);
}

// Of the one whose turn it is, however much it is, they are no part.
TEST(InOrderTest, WhoKeepsMoreThanMayWaitForItsTurnWaits) {
  std::atomic<int> made = 0, used = 0;
  InOrder in_order(1, 10);
  const auto add = [&](std::vector<InOrder::Act> work, size_t weight) {
    ++made;
    in_order.Add(std::move(work), weight, [&] { ++used; });
  };
  const InOrder::Act slow = [&] {
    while (made < 4) std::this_thread::yield();
    for (int i = 0; i < 10'000; ++i) {
      ASSERT_EQ(made, 4);
      std::this_thread::yield();
    }
  };
  add({slow}, 1000);
  for (int i = 0; i < 100; ++i) add({}, 4);
  in_order.Finish();
  EXPECT_EQ(used, 101);
}

TEST(InOrderTest, WhatIsDroppedIsNotUsedAndWhatWasBegunBeforeIs) {
  std::vector<int> used;
  std::atomic<int> late = 0;
  std::latch both_begun(2), dropped(1);
  InOrder in_order(2, 1000);
  in_order.Add({[&] { both_begun.arrive_and_wait(), dropped.wait(); }}, 1,
               [&] { used.push_back(1); });
  in_order.Add({[&] {
                 both_begun.arrive_and_wait();
                 in_order.Drop();
                 dropped.count_down();
               }},
               1, [&] { used.push_back(2); });
  in_order.Finish();
  in_order.Add({[&] { ++late; }}, 1, [&] { used.push_back(3); });
  in_order.Add({}, 1, [&] { used.push_back(4); });
  in_order.Finish();
  EXPECT_THAT(used, ElementsAre(1, 2));
  EXPECT_EQ(late, 0);
}

// What has some of its work done is not used either.
TEST(InOrderTest, WhoLacksSomeWorkIsNotUsedNorWhatComesAfter) {
  std::vector<int> used;
  std::latch all_given(1);
  InOrder in_order(1, 1000);
  in_order.Add({[&] {
                  all_given.wait();
                  in_order.Drop();
                },
                [] { ADD_FAILURE() << "it was dropped"; }},
               1, [&] { used.push_back(1); });
  in_order.Add({}, 1, [&] { used.push_back(2); });
  all_given.count_down();
  in_order.Finish();
  EXPECT_THAT(used, ::testing::IsEmpty());
}

TEST(InOrderTest, WhatHasBegunIsWaitedForAtTheEndAndNotUsed) {
  std::atomic<bool> done = false;
  bool used = false;
  std::latch begun(1), go(1);
  {
    InOrder in_order(1, 1000);
    in_order.Add({[&] { begun.count_down(), go.wait(), done = true; }}, 1, [&] { used = true; });
    begun.wait();
    go.count_down();
  }
  EXPECT_TRUE(done);
  EXPECT_FALSE(used);
}

}  // namespace
}  // namespace cairn::tools
