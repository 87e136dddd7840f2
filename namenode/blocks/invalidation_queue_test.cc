#include "namenode/blocks/invalidation_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cairn::namenode {
namespace {

using ::testing::IsEmpty;

std::vector<uint64_t> Ids(const std::vector<InvalidationOrder>& orders) {
  std::vector<uint64_t> ids;
  for (const InvalidationOrder& order : orders) ids.push_back(ToInt(order.id));
  return ids;
}

constexpr uint32_t kAll[] = {1, 2, 3};

InvalidationOrder Order(uint64_t id) { return {BlockId{id}, GenerationStamp{1001}}; }

// A crash that takes the deletion back must find the bytes still there.
TEST(InvalidationQueueTest, AnOrderWaitsForItsEditToBeDurable) {
  InvalidationQueue queue({});
  queue.Open(kAll);
  queue.Add(1, Order(10), TxId{5});
  queue.Add(1, Order(11), TxId{6});
  const uint32_t storages[] = {1};
  EXPECT_THAT(queue.Take(storages, TxId{4}), IsEmpty());
  EXPECT_THAT(Ids(queue.Take(storages, TxId{5})), testing::ElementsAre(10));
  EXPECT_THAT(Ids(queue.Take(storages, TxId{9})), testing::ElementsAre(11));
  EXPECT_THAT(queue.Take(storages, TxId{9}), IsEmpty());
  EXPECT_EQ(queue.pending(), 0u);
}

TEST(InvalidationQueueTest, AHeartbeatCarriesABoundedBatchOfItsOwnStorages) {
  InvalidationQueue queue({.batch = 4});
  queue.Open(kAll);
  for (uint64_t id = 0; id < 10; ++id) queue.Add(1, Order(id), TxId{1});
  queue.Add(2, Order(100), TxId{1});
  queue.Add(3, Order(200), TxId{1});
  const uint32_t storages[] = {2, 1};
  EXPECT_THAT(Ids(queue.Take(storages, TxId{1})), testing::ElementsAre(100, 0, 1, 2));
  EXPECT_THAT(Ids(queue.Take(storages, TxId{1})).size(), 4u);
  EXPECT_EQ(queue.pending(), 4u);
}

TEST(InvalidationQueueTest, OneOrderGoesToSeveralStorages) {
  InvalidationQueue queue({.full_at = 3});
  queue.Open(kAll);
  const uint32_t storages[] = {1, 2, 3};
  EXPECT_FALSE(queue.IsFull());
  queue.Add(storages, Order(7), TxId{1});
  EXPECT_TRUE(queue.IsFull());
  const uint32_t second[] = {2};
  EXPECT_THAT(Ids(queue.Take(second, TxId{1})), testing::ElementsAre(7));
  EXPECT_FALSE(queue.IsFull());
}

// One that never comes must not fill the queue and stop all deletion.
TEST(InvalidationQueueTest, OnlyLivingDatanodesHaveOrders) {
  InvalidationQueue queue({});
  queue.Add(1, Order(1), TxId{1});
  EXPECT_EQ(queue.pending(), 0u) << "not registered";
  queue.Open(kAll);
  queue.Add(1, Order(1), TxId{1});
  queue.Open(kAll);
  queue.Add(2, Order(2), TxId{1});
  EXPECT_EQ(queue.pending(), 2u) << "registering again loses nothing";
  const uint32_t dead[] = {1, 9};
  queue.Close(dead);
  queue.Add(1, Order(3), TxId{1});
  EXPECT_EQ(queue.pending(), 1u);
  EXPECT_THAT(queue.Take(dead, TxId{9}), IsEmpty());
  EXPECT_THAT(queue.Take({}, TxId{9}), IsEmpty());
  const uint32_t living[] = {2};
  EXPECT_THAT(Ids(queue.Take(living, TxId{9})), testing::ElementsAre(2));
}

}  // namespace
}  // namespace cairn::namenode
