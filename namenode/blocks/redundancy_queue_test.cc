#include "namenode/blocks/redundancy_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cairn::namenode {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr absl::Duration kNow = absl::Seconds(1000);

BlockId B(uint64_t id) { return BlockId{id}; }

class RedundancyQueueTest : public ::testing::Test {
 protected:
  RedundancyQueue queue_{{.most = 3, .most_missing = 2}};
};

TEST_F(RedundancyQueueTest, TheMostUrgentComesFirstAndOfEquallyUrgentTheOldest) {
  RedundancyQueue queue{{}};
  queue.Put(B(1), Need::kSurplus, 3, kNow);
  queue.Put(B(2), Need::kMissing, 3, kNow);
  queue.Put(B(3), Need::kLow, 3, kNow);
  queue.Put(B(9), Need::kHighest, 3, kNow);
  queue.Put(B(4), Need::kHighest, 3, kNow);
  queue.Put(B(5), Need::kVeryLow, 9, kNow);
  queue.Put(B(6), Need::kBadlySpread, 3, kNow);
  EXPECT_THAT(queue.Due(kNow, 100), ElementsAre(B(9), B(4), B(5), B(3), B(6), B(2), B(1)));
  EXPECT_THAT(queue.Due(kNow, 2), ElementsAre(B(9), B(4)));
}

// Those of one busy datanode come back every moment.
TEST_F(RedundancyQueueTest, ManyUrgentOnesLeaveAPlaceForEachOtherNeed) {
  RedundancyQueue queue{{}};
  for (uint64_t id = 1; id <= 300; ++id) queue.Put(B(id), Need::kHighest, 1, kNow);
  queue.Put(B(1001), Need::kLow, 3, kNow);
  queue.Put(B(1002), Need::kSurplus, 3, kNow);
  EXPECT_THAT(queue.Due(kNow, 8),
              ElementsAre(B(1), B(2), B(3), B(4), B(5), B(6), B(1001), B(1002)));
}

TEST_F(RedundancyQueueTest, AFailureDoublesThePauseUpToItsBound) {
  queue_.Put(B(1), Need::kLow, 3, kNow);
  absl::Duration now = kNow;
  for (const absl::Duration pause : {absl::Seconds(5), absl::Seconds(10), absl::Seconds(20)}) {
    queue_.Failed(B(1), now, "no room");
    EXPECT_THAT(queue_.Due(now + pause - absl::Milliseconds(1), 10), IsEmpty());
    now += pause;
    EXPECT_THAT(queue_.Due(now, 10), ElementsAre(B(1)));
  }
  for (int i = 0; i < 50; ++i) queue_.Failed(B(1), now, "no room");
  EXPECT_EQ(queue_.Find(B(1))->next_try, now + RedundancyQueue::kLongestPause);
  EXPECT_EQ(queue_.Find(B(1))->blocked_by, "no room");
}

TEST_F(RedundancyQueueTest, AChangedNeedIsDueAtOnceAndAnUnchangedOneKeepsItsPause) {
  queue_.Put(B(1), Need::kLow, 3, kNow);
  queue_.Failed(B(1), kNow, "no room");
  queue_.Put(B(1), Need::kLow, 3, kNow);
  EXPECT_THAT(queue_.Due(kNow, 10), IsEmpty());
  queue_.Put(B(1), Need::kHighest, 3, kNow + absl::Seconds(1));
  EXPECT_THAT(queue_.Due(kNow + absl::Seconds(1), 10), ElementsAre(B(1)));
  EXPECT_EQ(queue_.Find(B(1))->since, kNow) << "it has been at risk all the time";
  EXPECT_EQ(queue_.count(Need::kLow), 0u);
  EXPECT_EQ(queue_.count(Need::kHighest), 1u);
}

TEST_F(RedundancyQueueTest, WhatWasTooManyIsNotAtRiskSinceThen) {
  queue_.Put(B(1), Need::kSurplus, 2, kNow);
  queue_.Put(B(1), Need::kLow, 3, kNow + absl::Minutes(1));
  EXPECT_EQ(queue_.Find(B(1))->since, kNow + absl::Minutes(1));
}

TEST_F(RedundancyQueueTest, WhatIsDueNowKeepsItsReason) {
  queue_.Put(B(1), Need::kLow, 3, kNow);
  queue_.Failed(B(1), kNow, "no room");
  queue_.SetDue(B(1), kNow);
  EXPECT_THAT(queue_.Due(kNow, 10), ElementsAre(B(1)));
  EXPECT_EQ(queue_.Find(B(1))->blocked_by, "no room");
}

TEST_F(RedundancyQueueTest, WhatFindsNoRoomIsToldUntilThereIsRoomAgain) {
  for (uint64_t id = 1; id <= 3; ++id) EXPECT_TRUE(queue_.Put(B(id), Need::kLow, 3, kNow));
  EXPECT_TRUE(queue_.IsFull());
  EXPECT_FALSE(queue_.overflowed());
  EXPECT_FALSE(queue_.Put(B(4), Need::kLow, 3, kNow));
  EXPECT_FALSE(queue_.Put(B(4), Need::kSurplus, 3, kNow));
  EXPECT_TRUE(queue_.Put(B(5), Need::kMissing, 1, kNow)) << "has room of its own";
  EXPECT_TRUE(queue_.Put(B(3), Need::kHighest, 3, kNow)) << "is here already";
  EXPECT_FALSE(queue_.TakeOverflow());
  queue_.Remove(B(1));
  queue_.Remove(B(2));
  EXPECT_TRUE(queue_.TakeOverflow());
  EXPECT_FALSE(queue_.TakeOverflow());
}

TEST_F(RedundancyQueueTest, TheMoreUrgentTakesThePlaceOfTheLessUrgentAndOfWhatHasFailed) {
  queue_.Put(B(1), Need::kLow, 3, kNow);
  queue_.Put(B(2), Need::kLow, 3, kNow);
  queue_.Put(B(3), Need::kSurplus, 3, kNow);
  EXPECT_TRUE(queue_.Put(B(4), Need::kHighest, 3, kNow));
  EXPECT_EQ(queue_.Find(B(3)), nullptr);
  EXPECT_TRUE(queue_.overflowed());
  EXPECT_FALSE(queue_.Put(B(5), Need::kLow, 3, kNow));
  queue_.Failed(B(1), kNow, "no room");
  EXPECT_FALSE(queue_.IsFull()) << "what has failed holds no walk up";
  EXPECT_TRUE(queue_.Put(B(5), Need::kLow, 3, kNow));
  EXPECT_EQ(queue_.Find(B(1)), nullptr);
  EXPECT_TRUE(queue_.IsFull());
}

TEST_F(RedundancyQueueTest, WhatHasFailedIsTriedAtOnceWhenThereIsReason) {
  RedundancyQueue queue{{}};
  for (uint64_t id = 1; id <= 3; ++id) queue.Put(B(id), Need::kLow, 3, kNow);
  queue.Failed(B(1), kNow, "no room");
  queue.Failed(B(2), kNow, "no room");
  queue.Defer(B(3), kNow + absl::Minutes(1));  // waits for a copy
  RedundancyQueue::HurryWalk walk;
  EXPECT_EQ(queue.HurryUp(kNow, 2, &walk), 2u) << "the one that waits for a copy, and another";
  EXPECT_THAT(queue.Due(kNow, 10), ElementsAre(B(2)));
  EXPECT_EQ(queue.HurryUp(kNow, 2, &walk), 1u);
  EXPECT_THAT(queue.Due(kNow, 10), ElementsAre(B(1), B(2)));
  EXPECT_EQ(queue.HurryUp(kNow, 2, &walk), 0u);
}

// Hundreds of thousands may wait for their copies or deletions beside those that have failed.
TEST_F(RedundancyQueueTest, AWalkThatHurriesLooksAtSoManyBlocksAtATimeWhateverTheyWaitFor) {
  constexpr uint64_t kAll = 10'000, kSlice = 100;
  RedundancyQueue queue{{}};
  for (uint64_t id = 1; id <= kAll; ++id) {
    queue.Put(B(id), id % 2 == 0 ? Need::kLow : Need::kSurplus, 3, kNow);
    queue.Defer(B(id), kNow + absl::Minutes(1));
  }
  queue.Failed(B(2), kNow, "no room");
  queue.Failed(B(kAll - 1), kNow, "no room");
  RedundancyQueue::HurryWalk walk;
  uint64_t looked = 0, slices = 0;
  for (uint64_t last = kSlice; last == kSlice; ++slices) {
    last = queue.HurryUp(kNow, kSlice, &walk);
    EXPECT_LE(last, kSlice);
    looked += last;
  }
  EXPECT_EQ(looked, kAll);
  EXPECT_EQ(slices, kAll / kSlice + 1);
  EXPECT_THAT(queue.Due(kNow, kAll), ElementsAre(B(2), B(kAll - 1)));
}

TEST_F(RedundancyQueueTest, MissingBlocksAreBoundedByThemselves) {
  EXPECT_TRUE(queue_.Put(B(1), Need::kMissing, 1, kNow));
  EXPECT_TRUE(queue_.Put(B(2), Need::kMissing, 3, kNow));
  EXPECT_FALSE(queue_.Put(B(3), Need::kMissing, 1, kNow));
  EXPECT_FALSE(queue_.IsFull());
  EXPECT_EQ(queue_.missing_single(), 1u);
  queue_.Put(B(1), Need::kHighest, 1, kNow);
  EXPECT_EQ(queue_.missing_single(), 0u);
}

TEST_F(RedundancyQueueTest, GroupsAreCountedAsTheirUnitsComeAndGo) {
  const BlockId first = UnitOf(MakeGroupId(1), 0), second = UnitOf(MakeGroupId(1), 3);
  queue_.Put(first, Need::kVeryLow, 1, kNow);
  queue_.Put(second, Need::kVeryLow, 1, kNow);
  queue_.Put(B(1), Need::kVeryLow, 3, kNow);
  EXPECT_EQ(queue_.groups().groups(Need::kVeryLow), 1u);
  EXPECT_EQ(queue_.groups().units(Need::kVeryLow), 2u);
  queue_.Failed(first, kNow, "why");
  queue_.Put(second, Need::kMissing, 1, kNow);
  EXPECT_EQ(queue_.groups().groups(Need::kVeryLow), 0u);
  EXPECT_EQ(queue_.groups().groups(Need::kMissing), 1u);
  EXPECT_EQ(queue_.missing_single(), 0u) << "a unit has one replica, and others give its bytes";
  queue_.Remove(second);
  EXPECT_EQ(queue_.groups().groups(Need::kVeryLow), 1u);
  queue_.Remove(first);
  EXPECT_EQ(queue_.groups().groups(Need::kVeryLow), 0u);
  EXPECT_EQ(queue_.groups().units(Need::kVeryLow), 0u);
}

TEST_F(RedundancyQueueTest, AListIsByIdAndGoesOnAfterOne) {
  queue_.Put(B(7), Need::kMissing, 1, kNow);
  queue_.Put(B(5), Need::kMissing, 1, kNow + absl::Seconds(1));
  queue_.Put(B(6), Need::kLow, 1, kNow);
  EXPECT_THAT(queue_.List(Need::kMissing, B(0), 10), ElementsAre(B(5), B(7)));
  EXPECT_THAT(queue_.List(Need::kMissing, B(5), 10), ElementsAre(B(7)));
  EXPECT_THAT(queue_.List(Need::kMissing, B(0), 1), ElementsAre(B(5)));
}

}  // namespace
}  // namespace cairn::namenode
