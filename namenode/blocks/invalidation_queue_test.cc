#include "namenode/blocks/invalidation_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <tuple>
#include <vector>

namespace cairn::namenode {
namespace {

using ::testing::IsEmpty;

std::vector<uint64_t> Ids(const std::vector<InvalidationOrder>& orders) {
  std::vector<uint64_t> ids;
  for (const InvalidationOrder& order : orders) ids.push_back(ToInt(order.id));
  return ids;
}

// What is withdrawn: storage, session, block.
std::vector<std::tuple<uint32_t, uint64_t, uint64_t>> Withdrawn(InvalidationQueue& queue) {
  std::vector<std::tuple<uint32_t, uint64_t, uint64_t>> withdrawn;
  for (const auto& [storage, session, block] : queue.TakeWithdrawn(5)) {
    withdrawn.emplace_back(storage, session, ToInt(block));
  }
  return withdrawn;
}

constexpr uint32_t kAll[] = {1, 2, 3};
constexpr absl::Duration kNow = absl::Minutes(1);

InvalidationOrder Order(uint64_t id) { return {BlockId{id}, GenerationStamp{1001}}; }

// A crash that takes the deletion back must find the bytes still there.
TEST(InvalidationQueueTest, AnOrderWaitsForItsEditToBeDurable) {
  InvalidationQueue queue({});
  queue.Open(kAll, 1);
  queue.Add(1, Order(10), TxId{5});
  queue.Add(1, Order(11), TxId{6});
  const uint32_t storages[] = {1};
  EXPECT_THAT(queue.Take(storages, TxId{4}, kNow), IsEmpty());
  EXPECT_THAT(Ids(queue.Take(storages, TxId{5}, kNow)), testing::ElementsAre(10));
  EXPECT_THAT(Ids(queue.Take(storages, TxId{9}, kNow)), testing::ElementsAre(11));
  EXPECT_THAT(queue.Take(storages, TxId{9}, kNow), IsEmpty());
  EXPECT_EQ(queue.pending(), 0u);
}

TEST(InvalidationQueueTest, OrdersForUnitsOfGroupsAreCountedAmongAll) {
  InvalidationQueue queue({});
  queue.Open(kAll, 1);
  const uint64_t unit = ToInt(UnitOf(MakeGroupId(1), 2));
  queue.Add(1, Order(10), TxId{1});
  queue.Add(1, Order(unit), TxId{1});
  queue.Add(2, Order(unit), TxId{1});
  EXPECT_EQ(queue.pendings().all, 3u);
  EXPECT_EQ(queue.pendings().of_units, 2u);
  const uint32_t first[] = {1}, second[] = {2};
  queue.Take(first, TxId{1}, kNow);
  EXPECT_EQ(queue.pendings().of_units, 1u);
  queue.Close(second, 1);
  EXPECT_EQ(queue.pendings().all, 0u);
  EXPECT_EQ(queue.pendings().of_units, 0u);
}

// What made it right may be lost while it waits.
TEST(InvalidationQueueTest, AnOrderOfRepairThatIsNotTakenInTimeIsWithdrawn) {
  InvalidationQueue queue({});
  queue.Open(kAll, 1);
  EXPECT_TRUE(queue.AddUntil(kNow + absl::Minutes(1), 1, 1, Order(10), TxId{1}));
  EXPECT_TRUE(queue.AddUntil(kNow + absl::Minutes(2), 1, 1, Order(11), TxId{1}));
  queue.Add(1, Order(12), TxId{1});
  EXPECT_THAT(Ids(queue.Take(kAll, TxId{1}, kNow + absl::Minutes(1))),
              testing::ElementsAre(11, 12));
  EXPECT_THAT(Withdrawn(queue), testing::ElementsAre(testing::FieldsAre(1, 1, 10)));
  EXPECT_THAT(Withdrawn(queue), IsEmpty());
  EXPECT_EQ(queue.pending(), 0u);
  // And only the one of a removed block is given again.
  EXPECT_THAT(Ids(queue.Take(kAll, TxId{1}, kNow + absl::Hours(1))), testing::ElementsAre(12));
}

TEST(InvalidationQueueTest, AnOrderOfRepairIsOfOneSessionAndWithdrawnWithIt) {
  InvalidationQueue queue({});
  queue.Open(kAll, 7);
  EXPECT_FALSE(queue.AddUntil(kNow + absl::Minutes(1), 1, 6, Order(10), TxId{1}));
  EXPECT_FALSE(queue.AddUntil(kNow + absl::Minutes(1), 1, 8, Order(10), TxId{1}));
  EXPECT_FALSE(queue.AddUntil(kNow + absl::Minutes(1), 9, 7, Order(10), TxId{1}));
  EXPECT_EQ(queue.pending(), 0u);
  EXPECT_TRUE(queue.AddUntil(kNow + absl::Minutes(1), 1, 7, Order(11), TxId{1}));
  queue.Add(1, Order(12), TxId{1});
  queue.Close(kAll, 8);
  queue.Open(kAll, 8);
  EXPECT_THAT(Withdrawn(queue), testing::ElementsAre(testing::FieldsAre(1, 7, 11)));
  EXPECT_EQ(queue.pending(), 0u);
}

TEST(InvalidationQueueTest, AHeartbeatCarriesABoundedBatchOfItsOwnStorages) {
  InvalidationQueue queue({.batch = 4});
  queue.Open(kAll, 1);
  for (uint64_t id = 0; id < 10; ++id) queue.Add(1, Order(id), TxId{1});
  queue.Add(2, Order(100), TxId{1});
  queue.Add(3, Order(200), TxId{1});
  const uint32_t storages[] = {2, 1};
  EXPECT_THAT(Ids(queue.Take(storages, TxId{1}, kNow)), testing::ElementsAre(100, 0, 1, 2));
  EXPECT_THAT(Ids(queue.Take(storages, TxId{1}, kNow)).size(), 4u);
  EXPECT_EQ(queue.pending(), 4u);
}

TEST(InvalidationQueueTest, ABatchSmallerThanTheStoragesReachesAllOfThemInTurn) {
  InvalidationQueue queue({.batch = 2});
  const uint32_t other[] = {8, 9};
  queue.Open(kAll, 1);
  queue.Open(other, 1);
  for (uint64_t id = 0; id < 20; ++id) {
    for (const uint32_t storage : kAll) queue.Add(storage, Order(storage * 100 + id), TxId{1});
    for (const uint32_t storage : other) queue.Add(storage, Order(storage * 100 + id), TxId{1});
  }
  const auto both = Ids(queue.Take(kAll, TxId{1}, kNow));
  EXPECT_THAT(both, testing::ElementsAre(100, 200));
  queue.Take(other, TxId{1}, kNow);  // another datanode's turn changes nothing
  EXPECT_THAT(Ids(queue.Take(kAll, TxId{1}, kNow)), testing::ElementsAre(300, 101));
  EXPECT_THAT(Ids(queue.Take(kAll, TxId{1}, kNow)), testing::ElementsAre(201, 301));
}

TEST(InvalidationQueueTest, OneOrderGoesToSeveralStorages) {
  InvalidationQueue queue({.full_at = 3});
  queue.Open(kAll, 1);
  const uint32_t storages[] = {1, 2, 3};
  EXPECT_FALSE(queue.IsFull());
  queue.Add(storages, Order(7), TxId{1});
  EXPECT_TRUE(queue.IsFull());
  const uint32_t second[] = {2};
  EXPECT_THAT(Ids(queue.Take(second, TxId{1}, kNow)), testing::ElementsAre(7));
  EXPECT_FALSE(queue.IsFull());
}

// One that never comes must not fill the queue and stop all deletion.
TEST(InvalidationQueueTest, OnlyLivingDatanodesHaveOrders) {
  InvalidationQueue queue({});
  queue.Add(1, Order(1), TxId{1});
  EXPECT_EQ(queue.pending(), 0u) << "not registered";
  queue.Open(kAll, 1);
  queue.Add(1, Order(1), TxId{1});
  queue.Open(kAll, 1);
  queue.Add(2, Order(2), TxId{1});
  EXPECT_EQ(queue.pending(), 2u) << "registering again loses nothing";
  const uint32_t dead[] = {1, 9};
  queue.Close(dead, 1);
  queue.Add(1, Order(3), TxId{1});
  EXPECT_EQ(queue.pending(), 1u);
  EXPECT_THAT(queue.Take(dead, TxId{9}, kNow), IsEmpty());
  EXPECT_THAT(queue.Take({}, TxId{9}, kNow), IsEmpty());
  const uint32_t living[] = {2};
  EXPECT_THAT(Ids(queue.Take(living, TxId{9}, kNow)), testing::ElementsAre(2));
}

// It was declared dead and came back before its queue was closed.
TEST(InvalidationQueueTest, AFormerSessionsDeathClosesNothing) {
  InvalidationQueue queue({});
  queue.Open(kAll, 7);
  queue.Open(kAll, 8);
  queue.Close(kAll, 7);
  queue.Add(1, Order(1), TxId{1});
  EXPECT_EQ(queue.pending(), 1u);
  queue.Close(kAll, 8);
  EXPECT_EQ(queue.pending(), 0u);
}

constexpr uint32_t kFirst[] = {1};

TEST(InvalidationQueueTest, AnOrderThatNobodyAnsweredIsGivenAgain) {
  InvalidationQueue queue({.again_after = absl::Minutes(5)});
  queue.Open(kAll, 1);
  queue.Add(1, Order(10), TxId{1});
  queue.Add(1, Order(11), TxId{1});
  const absl::Duration later = kNow + absl::Minutes(5);
  EXPECT_THAT(Ids(queue.Take(kFirst, TxId{1}, kNow)), testing::ElementsAre(10, 11));
  queue.Settle(1, BlockId{10});
  queue.Settle(2, BlockId{11});  // another storage's replica
  EXPECT_THAT(queue.Take(kFirst, TxId{1}, later - absl::Milliseconds(1)), IsEmpty());
  EXPECT_THAT(Ids(queue.Take(kFirst, TxId{1}, later)), testing::ElementsAre(11));
  EXPECT_THAT(queue.Take(kFirst, TxId{1}, later), IsEmpty());
  queue.Settle(1, BlockId{11});
  EXPECT_THAT(queue.Take(kFirst, TxId{1}, later + absl::Hours(1)), IsEmpty());
}

// The datanode never had that replica, and says nothing.
TEST(InvalidationQueueTest, AnOrderIsNotGivenForEver) {
  InvalidationQueue queue({});
  queue.Open(kAll, 1);
  queue.Add(1, Order(10), TxId{1});
  absl::Duration now = kNow;
  for (int i = 0; i < InvalidationQueue::kMostTimes; ++i, now += absl::Hours(1)) {
    EXPECT_THAT(Ids(queue.Take(kFirst, TxId{1}, now)), testing::ElementsAre(10)) << i;
  }
  EXPECT_THAT(queue.Take(kFirst, TxId{1}, now), IsEmpty());
  EXPECT_EQ(queue.pending(), 0u);
}

TEST(InvalidationQueueTest, WhatIsSettledWhileItWaitsToBeGivenAgainIsNotGiven) {
  InvalidationQueue queue({.batch = 1});
  queue.Open(kAll, 1);
  queue.Add(1, Order(10), TxId{1});
  queue.Add(1, Order(11), TxId{1});
  EXPECT_THAT(Ids(queue.Take(kFirst, TxId{1}, kNow)), testing::ElementsAre(10));
  EXPECT_THAT(Ids(queue.Take(kFirst, TxId{1}, kNow)), testing::ElementsAre(11));
  const absl::Duration later = kNow + absl::Hours(1);
  EXPECT_THAT(Ids(queue.Take(kFirst, TxId{1}, later)), testing::ElementsAre(10));
  queue.Settle(1, BlockId{11});
  EXPECT_THAT(queue.Take(kFirst, TxId{1}, later), IsEmpty());
  queue.Open(kAll, 2);  // the full report tells about 10
  EXPECT_THAT(queue.Take(kFirst, TxId{1}, later + absl::Hours(1)), IsEmpty());
}

TEST(InvalidationQueueTest, OnlySoManyTakenOrdersAreRemembered) {
  InvalidationQueue queue({.most_taken = 2});
  queue.Open(kAll, 1);
  for (uint64_t id = 10; id < 14; ++id) queue.Add(1, Order(id), TxId{1});
  EXPECT_EQ(queue.Take(kFirst, TxId{1}, kNow).size(), 4u);
  EXPECT_THAT(Ids(queue.Take(kFirst, TxId{1}, kNow + absl::Hours(1))),
              testing::ElementsAre(10, 11));
}

TEST(InvalidationQueueTest, WhatFoundNoRoomIsAskedForWhenThereIsSome) {
  InvalidationQueue queue({.full_at = 2});
  queue.Open(kAll, 1);
  queue.Add(1, Order(10), TxId{1});
  queue.Add(2, Order(11), TxId{1});
  ASSERT_TRUE(queue.IsFull());
  queue.Missed(1);
  EXPECT_FALSE(queue.TakeMissed(kAll));
  queue.Take(kAll, TxId{1}, kNow);
  const uint32_t others[] = {2, 3};
  EXPECT_FALSE(queue.TakeMissed(others));
  EXPECT_TRUE(queue.TakeMissed(kAll));
  EXPECT_FALSE(queue.TakeMissed(kAll));
}

}  // namespace
}  // namespace cairn::namenode
