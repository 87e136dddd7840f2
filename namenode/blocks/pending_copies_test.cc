#include "namenode/blocks/pending_copies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "namenode/blocks/ordered_deletions.h"
#include "namenode/blocks/repair_budget.h"

namespace cairn::namenode {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr absl::Duration kNow = absl::Seconds(1000);
constexpr BlockId kBlock{7};
constexpr uint64_t kMiB = 1 << 20;

PendingCopies::Copy CopyTo(uint32_t target, uint64_t bytes = 10) {
  return {.source = 1,
          .target = target,
          .source_node = "node-1",
          .target_node = absl::StrCat("node-", target),
          .bytes = bytes,
          .since = kNow,
          .deadline = kNow + absl::Minutes(1)};
}

TEST(PendingCopiesTest, ACopyCountsOnBothNodesUntilItsReplicaIsReported) {
  PendingCopies copies;
  copies.Add(kBlock, CopyTo(2));
  copies.Add(kBlock, CopyTo(3));
  EXPECT_EQ(copies.LoadOf("node-1").copies_out, 2u);
  EXPECT_EQ(copies.LoadOf("node-1").bytes_out, 20u);
  EXPECT_EQ(copies.LoadOf("node-2").copies_in, 1u);
  uint32_t target = 0;
  const std::vector<uint32_t> other = {9}, same_node = {22, 2};
  EXPECT_FALSE(copies.Settle(kBlock, other, &target));
  EXPECT_TRUE(copies.Settle(kBlock, same_node, &target)) << "on another disk of that node";
  EXPECT_EQ(target, 2u);
  EXPECT_EQ(copies.LoadOf("node-1").copies_out, 1u);
  EXPECT_EQ(copies.LoadOf("node-2").copies_in, 0u);
  EXPECT_EQ(copies.size(), 1u);
  copies.Forget(kBlock);
  EXPECT_EQ(copies.size(), 0u);
  EXPECT_EQ(copies.LoadOf("node-1").copies_out, 0u);
}

TEST(PendingCopiesTest, CopiesOfOneBlockAreTakenByWhatTheyAre) {
  PendingCopies copies;
  const BlockId other{8};
  for (const uint32_t target : {2, 3}) copies.Add(kBlock, CopyTo(target));
  copies.Add(other, CopyTo(2));
  const auto to_2 = [](const PendingCopies::Copy& copy) { return copy.target == 2; };
  EXPECT_THAT(copies.TakeOf(BlockId{9}, to_2), IsEmpty());
  const auto taken = copies.TakeOf(kBlock, to_2);
  ASSERT_THAT(taken, SizeIs(1));
  EXPECT_EQ(taken[0].target_node, "node-2");
  EXPECT_EQ(copies.size(), 2u);
  EXPECT_EQ(copies.LoadOf("node-2").copies_in, 1u) << "of the other block";
  EXPECT_THAT(copies.TakeOf(kBlock, [](const auto&) { return true; }), SizeIs(1));
  EXPECT_EQ(copies.Find(kBlock), nullptr);
}

TEST(PendingCopiesTest, ACopyEndsAtItsDeadlineOrWithItsNode) {
  PendingCopies copies;
  copies.Add(kBlock, CopyTo(2));
  copies.Add(kBlock, CopyTo(3));
  const auto take = [&](const std::function<bool(const PendingCopies::Copy&)>& which) {
    BlockId position{};
    std::vector<PendingCopies::Taken> taken;
    EXPECT_FALSE(copies.TakeSome(10, which, &position, &taken));
    return taken;
  };
  EXPECT_THAT(take([](const auto& copy) { return copy.target_node == "node-2"; }), SizeIs(1));
  EXPECT_THAT(take([](const auto& copy) { return copy.deadline <= kNow; }), IsEmpty());
  EXPECT_THAT(take([](const auto& copy) { return copy.deadline > kNow; }), SizeIs(1));
  EXPECT_EQ(copies.Find(kBlock), nullptr);
}

// All of them are looked at twice a second, under the namespace lock.
TEST(PendingCopiesTest, AWalkLooksAtSoManyCopiesAtATimeAndAtEachOnce) {
  constexpr size_t kAll = 20'000, kSlice = 100;
  PendingCopies copies;
  for (uint64_t id = 1; id <= kAll; ++id) copies.Add(BlockId{id}, CopyTo(2 + id % 2));
  BlockId position{};
  std::vector<PendingCopies::Taken> taken;
  size_t slices = 0, all = 0, looked = 0;
  const auto is_to_3 = [&](const PendingCopies::Copy& copy) {
    ++looked;
    return copy.target == 3;
  };
  for (bool more = true; more; ++slices) {
    looked = 0;
    more = copies.TakeSome(kSlice, is_to_3, &position, &taken);
    EXPECT_LE(looked, kSlice);
    all += looked;
  }
  EXPECT_EQ(all, kAll);
  EXPECT_EQ(slices, kAll / kSlice);
  EXPECT_THAT(taken, SizeIs(kAll / 2));
  EXPECT_EQ(copies.size(), kAll / 2);
  EXPECT_EQ(copies.LoadOf("node-3").copies_in, 0u);
}

TEST(RepairBudgetTest, FewLargeCopiesRunAtATimeAndManySmallOnes) {
  PendingCopies copies;
  const RepairBudget budget({.most_small = 5}, copies);
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(budget.CanSend("node-1", 128 * kMiB, Need::kLow, kNow));
    copies.Add(kBlock, CopyTo(2, 128 * kMiB));
  }
  EXPECT_FALSE(budget.CanSend("node-1", 128 * kMiB, Need::kLow, kNow));
  EXPECT_FALSE(budget.CanSend("node-1", 1, Need::kLow, kNow)) << "the line is full of large ones";
  EXPECT_TRUE(budget.CanSend("node-1", 128 * kMiB, Need::kHighest, kNow)) << "up to the hard limit";
  EXPECT_TRUE(budget.CanTake("node-2", 128 * kMiB, Need::kLow, kNow)) << "takes twice as many";
  copies.Forget(kBlock);
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(budget.CanSend("node-1", kMiB, Need::kLow, kNow)) << i;
    copies.Add(kBlock, CopyTo(2, kMiB));
  }
  EXPECT_FALSE(budget.CanSend("node-1", kMiB, Need::kLow, kNow));
}

TEST(RepairBudgetTest, BytesPerSecondAreBoundedOnEachNodeAndInTheCluster) {
  PendingCopies copies;
  RepairBudget budget({.node_bandwidth = 10 * kMiB, .cluster_bandwidth = 40 * kMiB}, copies);
  const std::vector<std::string> targets = {"node-2"};
  budget.Spend("node-1", targets, 128 * kMiB, kNow);
  EXPECT_FALSE(budget.CanSend("node-1", 1, Need::kLow, kNow + absl::Seconds(11)));
  EXPECT_FALSE(budget.CanTake("node-2", 1, Need::kLow, kNow + absl::Seconds(11)));
  EXPECT_TRUE(budget.CanSend("node-1", 1, Need::kLow, kNow + absl::Seconds(12)));
  EXPECT_TRUE(budget.CanSend("node-3", 1, Need::kLow, kNow));
  EXPECT_FALSE(budget.ClusterHasRoom(kNow + absl::Seconds(2)));
  EXPECT_TRUE(budget.ClusterHasRoom(kNow + absl::Seconds(3)));
}

constexpr GenerationStamp kStamp{1007};

TEST(OrderedDeletionsTest, WhatHasGoneOnBeyondTheOrdersStampCountsAgain) {
  OrderedDeletions orders;
  orders.Add(kBlock, kStamp, 3, /*session=*/5, kNow);
  orders.Add(kBlock, GenerationStamp{1006}, 3, 5, kNow);
  orders.Arrived(kBlock, kStamp, 3, 5);
  EXPECT_TRUE(orders.Contains(kBlock, 3)) << "the first order meets it";
  orders.Arrived(kBlock, GenerationStamp{1008}, 3, 5);
  EXPECT_FALSE(orders.Contains(kBlock, 3));
}

TEST(OrderedDeletionsTest, AnOrderGoesWithItsReplicaToAnotherDisk) {
  OrderedDeletions orders;
  orders.Move(kBlock, 3, 4);
  EXPECT_TRUE(orders.empty());
  orders.Add(kBlock, kStamp, 3, /*session=*/5, kNow);
  orders.Move(kBlock, 3, 4);
  orders.Arrived(kBlock, kStamp, 4, 5);
  EXPECT_FALSE(orders.Contains(kBlock, 3));
  EXPECT_TRUE(orders.Contains(kBlock, 4));
  EXPECT_EQ(orders.size(), 1u);
}

TEST(OrderedDeletionsTest, AnOrderThatHasNotLeftIsWithdrawnWhereverTheReplicaIs) {
  OrderedDeletions deletions;
  const BlockId block{7};
  deletions.Add(block, GenerationStamp{5}, /*storage=*/1, /*session=*/9, absl::Seconds(1));
  deletions.Move(block, 1, 2);
  EXPECT_TRUE(deletions.Contains(block, 2));
  deletions.Withdraw(block, 1, 9);
  EXPECT_TRUE(deletions.empty());
  // An earlier one may have left: it counts, and so does its stamp.
  deletions.Add(block, GenerationStamp{4}, 1, 9, absl::Seconds(1));
  deletions.Add(block, GenerationStamp{5}, 1, 9, absl::Seconds(2));
  deletions.Withdraw(block, 1, 9);
  EXPECT_TRUE(deletions.Contains(block, 1));
  deletions.Arrived(block, GenerationStamp{5}, 1, 9);
  EXPECT_TRUE(deletions.empty()) << "spared by it";
}

TEST(OrderedDeletionsTest, AnOrderIsDueAgainInAnotherSessionOrAfterALongTime) {
  OrderedDeletions orders;
  EXPECT_TRUE(orders.IsDue(kBlock, 3, 5, kNow));
  orders.Add(kBlock, kStamp, 3, /*session=*/5, kNow);
  EXPECT_FALSE(orders.IsDue(kBlock, 3, 5, kNow));
  EXPECT_TRUE(orders.IsDue(kBlock, 3, 6, kNow)) << "lost when it registered anew";
  EXPECT_TRUE(orders.IsDue(kBlock, 3, 5, kNow + OrderedDeletions::kAgain));
  EXPECT_TRUE(orders.Contains(kBlock, 3)) << "it may be carried out at any time";
  EXPECT_FALSE(orders.Contains(kBlock, 4));
  orders.Add(kBlock, kStamp, 3, 6, kNow);
  EXPECT_EQ(orders.size(), 1u);
  orders.Remove(kBlock, 3);
  EXPECT_TRUE(orders.empty());
}

TEST(OrderedDeletionsTest, AnOrderIsLostWithItsSessionOnceNothingOfItCanStillHappen) {
  constexpr absl::Duration kHung = OrderedDeletions::kHung;
  OrderedDeletions orders;
  orders.Add(kBlock, kStamp, 3, /*session=*/5, kNow);
  EXPECT_FALSE(orders.IsLost(kBlock, 3, 5, kNow + absl::Hours(100)));
  EXPECT_FALSE(orders.IsLost(kBlock, 3, 6, kNow + kHung - absl::Seconds(1)));
  EXPECT_TRUE(orders.IsLost(kBlock, 3, 6, kNow + kHung));
  EXPECT_FALSE(orders.IsLost(kBlock, 4, 6, kNow + kHung)) << "not ordered";
  orders.Add(kBlock, kStamp, 3, 6, kNow + kHung);
  EXPECT_FALSE(orders.IsLost(kBlock, 3, 6, kNow + 2 * kHung));
}

TEST(OrderedDeletionsTest, AWithdrawnOrderLeavesTheOneBeforeIt) {
  OrderedDeletions orders;
  orders.Add(kBlock, kStamp, 3, /*session=*/5, kNow);
  orders.Withdraw(kBlock, 3, 4);
  EXPECT_TRUE(orders.Contains(kBlock, 3)) << "that was an earlier one";
  orders.Add(kBlock, kStamp, 3, 6, kNow + absl::Minutes(30));
  orders.Withdraw(kBlock, 3, 6);
  EXPECT_TRUE(orders.Contains(kBlock, 3)) << "the first one may have left";
  EXPECT_TRUE(orders.IsLost(kBlock, 3, 6, kNow + absl::Minutes(31)));
  orders.Remove(kBlock, 3);

  orders.Add(kBlock, kStamp, 3, 6, kNow);
  orders.Withdraw(kBlock, 3, 6);
  EXPECT_TRUE(orders.empty());
}

}  // namespace
}  // namespace cairn::namenode
