#include "namenode/blocks/replica_waiters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cairn::namenode {
namespace {

using ::testing::ElementsAre;

class ReplicaWaitersTest : public ::testing::Test {
 protected:
  void Wait(uint64_t block, int who) {
    waiters_.Add(BlockId{block}, [this, who] { woken_.push_back(who); });
  }
  void Wake(uint64_t block) {
    for (auto& wake : waiters_.Take(BlockId{block})) wake();
  }
  ReplicaWaiters waiters_;
  std::vector<int> woken_;
};

TEST_F(ReplicaWaitersTest, WakesThoseOfTheBlockOnceAndInOrder) {
  Wait(1, 10);
  Wait(1, 11);
  Wait(2, 20);
  Wake(1);
  EXPECT_THAT(woken_, ElementsAre(10, 11));
  Wake(1);
  EXPECT_THAT(woken_, ElementsAre(10, 11));
  EXPECT_EQ(waiters_.blocks(), 1u);
}

TEST_F(ReplicaWaitersTest, AClientThatAsksAgainAndAgainPushesOutItsOldestCalls) {
  for (int i = 0; i < 20; ++i) Wait(1, i);
  Wake(1);
  ASSERT_EQ(woken_.size(), ReplicaWaiters::kMaxPerBlock);
  EXPECT_EQ(woken_.front(), 4);
  EXPECT_EQ(woken_.back(), 19);
}

TEST_F(ReplicaWaitersTest, ACallbackMayWaitAgain) {
  waiters_.Add(BlockId{1}, [this] { Wait(1, 5); });
  Wake(1);
  Wake(1);
  EXPECT_THAT(woken_, ElementsAre(5));
}

}  // namespace
}  // namespace cairn::namenode
