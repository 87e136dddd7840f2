// A coded file that is truncated inside a block group: what stays of it is written to a new one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "namenode/core/testing/cold_files.h"

namespace cairn::namenode {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int kNodes = 7;
constexpr uint64_t kFirst = 6 * kCell + 100, kSecond = 9 * kCell, kThird = 50;
constexpr uint64_t kKept = 4 * kCell + 7;  // of the second group
constexpr uint64_t kLength = kFirst + kKept;

int NodeOf(absl::string_view uuid) {
  int node = 0;
  EXPECT_TRUE(absl::SimpleAtoi(uuid.substr(3), &node)) << uuid;
  return node;
}

// RS-3-2. Datanodes do what they are told when a test says so.
class GroupTruncationTest : public ::testing::Test {
 protected:
  GroupTruncationTest() { MakeCold(nn_); }

  // Closed, with groups of these lengths.
  void Write(const std::string& path, const std::vector<uint64_t>& lengths) {
    CreateOptions create = CreateFlags(true, false);
    create.block_bytes = 4 * kCell;
    ASSERT_OK(nn_->Create(kSuper, path, create).value);
    groups_.clear();
    std::optional<BlockVersion> last;
    for (const uint64_t bytes : lengths) {
      const LocatedBlock added = nn_.AddBlock(path, last);
      last = added.block;
      last->length = bytes;
      for (size_t i = 0; i < added.units.size(); ++i) {
        const BlockVersion unit = UnitOfCold(*last, bytes, added.units[i]);
        if (unit.length == 0) continue;
        const auto node = static_cast<int>(added.storages[i]);
        ASSERT_OK(nn_.Report(node, unit, ReplicaState::kFinalized));
      }
      groups_.push_back(*last);
    }
    ASSERT_THAT(nn_->Complete(kSuper, path, kNoInode, "client", last, nullptr).value,
                IsOkAndHolds(true));
  }
  void WriteThree() { Write("/cold/f", {kFirst, kSecond, kThird}); }
  absl::StatusOr<bool> Truncate(uint64_t length, const std::string& path = "/cold/f") {
    return nn_->Truncate(kSuper, path, length, "cutter").value;
  }

  struct Order {
    int node;
    RebuildCommand command;
  };
  // What datanodes are told to write now.
  std::vector<Order> TakeOrders() {
    nn_->RunMaintenance();
    std::vector<Order> orders;
    for (int node = 0; node < kNodes; ++node) {
      for (const DatanodeCommand& command : nn_.Heartbeat(node, node == without_disk_)) {
        const auto* const rebuild = std::get_if<RebuildCommand>(&command);
        if (rebuild != nullptr && rebuild->cut_from) orders.push_back({node, *rebuild});
      }
    }
    return orders;
  }
  Order TakeOrder() {
    const std::vector<Order> orders = TakeOrders();
    EXPECT_THAT(orders, SizeIs(1));
    return orders.empty() ? Order() : orders[0];
  }
  // Later, when all datanodes are still alive.
  std::vector<Order> TakeOrdersAfter(absl::Duration pause) {
    nn_.clock().Advance(pause);
    for (int node = 0; node < kNodes; ++node) nn_.Heartbeat(node);
    return TakeOrders();
  }
  // The targets have their units, but for those `without` one.
  void Obey(const Order& order, const std::set<uint32_t>& without = {}) {
    for (const RebuildCommand::Target& target : order.command.targets) {
      if (without.contains(target.unit)) continue;
      const BlockVersion& group = order.command.group;
      ASSERT_OK(nn_.Report(NodeOf(target.at.datanode_uuid),
                           UnitOfCold(group, group.length, target.unit), ReplicaState::kFinalized));
    }
  }
  // A heartbeat of the one who was told says that these could not be written.
  void Fail(const Order& order, const std::set<uint32_t>& units) {
    std::vector<FailedCopy> failed;
    for (const RebuildCommand::Target& target : order.command.targets) {
      if (!units.contains(target.unit)) continue;
      failed.push_back({.block = UnitOf(order.command.group.id, target.unit),
                        .stamp = order.command.group.stamp,
                        .target_uuids = {target.at.datanode_uuid},
                        .reason = "no luck"});
    }
    nn_.Heartbeat(order.node, /*failed=*/false, failed);
  }
  // Of the second group, this unit is gone, or is back.
  void Report(uint32_t unit, ReplicaState state) {
    ASSERT_OK(nn_.Report(node_of_second_.at(unit), UnitOfCold(groups_[1], kSecond, unit), state));
  }
  void LoseUnitsOfSecond(const std::vector<uint32_t>& units) {
    const LocatedBlock second = Locate().blocks.at(1);
    node_of_second_.assign(5, -1);
    for (size_t i = 0; i < second.units.size(); ++i) {
      node_of_second_[second.units[i]] = static_cast<int>(second.storages[i]);
    }
    for (const uint32_t unit : units) Report(unit, ReplicaState::kDeleted);
  }

  bool IsClosed() { return *nn_->IsFileClosed(kSuper, "/cold/f").value; }
  LocatedBlocks Locate() {
    auto located = nn_->GetBlockLocations(kSuper, "/cold/f", 0, UINT64_MAX);
    EXPECT_OK(located.value);
    return *std::move(located.value);
  }
  std::vector<std::pair<BlockId, uint64_t>> Blocks() {
    std::vector<std::pair<BlockId, uint64_t>> blocks;
    for (const LocatedBlock& block : Locate().blocks) {
      blocks.emplace_back(block.block.id, block.block.length);
    }
    return blocks;
  }
  void ExpectAsItWas() {
    EXPECT_FALSE(IsClosed());
    EXPECT_EQ(nn_.Stat("/cold/f")->length, kFirst + kSecond + kThird);
    EXPECT_THAT(Blocks(),
                ElementsAre(std::pair(groups_[0].id, kFirst), std::pair(groups_[1].id, kSecond),
                            std::pair(groups_[2].id, kThird)));
  }
  void ExpectTruncated(BlockId new_group) {
    EXPECT_TRUE(IsClosed());
    EXPECT_EQ(nn_.Stat("/cold/f")->length, kLength);
    EXPECT_THAT(Blocks(),
                ElementsAre(std::pair(groups_[0].id, kFirst), std::pair(new_group, kKept)));
  }

  TestNamenode nn_{WithErasureCoding(kNodes)};
  std::vector<BlockVersion> groups_;
  std::vector<int> node_of_second_;
  int without_disk_ = -1;
};

TEST_F(GroupTruncationTest, WhatStaysIsWrittenAnewAndTakesThePlaceOfAllBehindIt) {
  WriteThree();
  const uint64_t contents = Locate().contents;
  EXPECT_THAT(Truncate(kLength), IsOkAndHolds(false));
  ExpectAsItWas();

  const Order order = TakeOrder();
  EXPECT_EQ(order.command.cut_from->id, groups_[1].id);
  EXPECT_EQ(order.command.cut_from->stamp, groups_[1].stamp);
  EXPECT_EQ(order.command.cut_from->length, kSecond);
  EXPECT_EQ(order.command.group.length, kKept);
  EXPECT_EQ(order.command.schema.data_units, 3u);
  EXPECT_EQ(order.command.cell_bytes, kCell);
  EXPECT_THAT(order.command.sources, SizeIs(5));
  EXPECT_THAT(order.command.targets, SizeIs(5));
  std::set<std::string> nodes;
  for (const auto& target : order.command.targets) nodes.insert(target.at.datanode_uuid);
  EXPECT_THAT(nodes, SizeIs(5));
  EXPECT_EQ(NodeOf(order.command.targets[0].at.datanode_uuid), order.node);
  ExpectAsItWas();
  EXPECT_EQ(Locate().contents, contents) << "readers need not look again";
  EXPECT_TRUE(Locate().last_complete);
  nn_.ExpectConsistent();

  Obey(order, /*without=*/{3});
  ExpectAsItWas();
  Obey(order);
  ExpectTruncated(order.command.group.id);
  EXPECT_NE(Locate().contents, contents);
  EXPECT_THAT(Locate().blocks.at(1).units, ElementsAre(0, 1, 2, 3, 4));
  nn_.ExpectConsistent();
  EXPECT_THAT(TakeOrders(), IsEmpty());
  nn_.Restart();
  nn_.SendFullReports();
  ExpectTruncated(order.command.group.id);
  nn_.ExpectConsistent();
}

TEST_F(GroupTruncationTest, UnitsThatWouldHaveNoBytesAreNotWritten) {
  Write("/cold/f", {9 * kCell});
  EXPECT_THAT(Truncate(1), IsOkAndHolds(false));
  const Order order = TakeOrder();
  std::vector<uint32_t> units;
  for (const auto& target : order.command.targets) units.push_back(target.unit);
  EXPECT_THAT(units, ElementsAre(0, 3, 4));
  Obey(order);
  EXPECT_TRUE(IsClosed());
  EXPECT_EQ(nn_.Stat("/cold/f")->length, 1u);
  nn_.ExpectConsistent();
}

// As a part of what is there it would be another size: 5 cells, and 2 of parity for each stripe.
TEST_F(GroupTruncationTest, SpaceIsCountedForWhatIsLeft) {
  Write("/cold/f", {9 * kCell});
  EXPECT_THAT(Truncate(5 * kCell), IsOkAndHolds(false));
  EXPECT_EQ(nn_->GetContentSummary(kSuper, "/cold").value->space, 15 * kCell);
  Obey(TakeOrder());
  EXPECT_EQ(nn_->GetContentSummary(kSuper, "/cold").value->space, 9 * kCell);
}

TEST_F(GroupTruncationTest, ANamenodeThatStartsBeginsAnewWithAnotherGroup) {
  WriteThree();
  EXPECT_THAT(Truncate(kLength), IsOkAndHolds(false));
  const Order before = TakeOrder();
  Obey(before, /*without=*/{4});
  for (const bool flushed : {false, true}) {
    SCOPED_TRACE(flushed);
    if (flushed) nn_.Flush();
    nn_.Restart();
    nn_.SendFullReports();
    ExpectAsItWas();
    nn_.ExpectConsistent();
  }
  const Order order = TakeOrder();
  EXPECT_NE(order.command.group.id, before.command.group.id);
  Obey(before);  // late, and of no group that is known
  ExpectAsItWas();
  Obey(order);
  ExpectTruncated(order.command.group.id);
  nn_.ExpectConsistent();
}

TEST_F(GroupTruncationTest, OneThatHadJustBegunGoesOnAfterARestart) {
  WriteThree();
  EXPECT_THAT(Truncate(kLength), IsOkAndHolds(false));
  nn_.Restart();
  nn_.SendFullReports();
  ExpectAsItWas();
  Obey(TakeOrder());
  EXPECT_TRUE(IsClosed());
  EXPECT_EQ(nn_.Stat("/cold/f")->length, kLength);
}

TEST_F(GroupTruncationTest, ADatanodeThatDoesNotTakeItsUnitIsNotAskedAgain) {
  WriteThree();
  EXPECT_THAT(Truncate(kLength), IsOkAndHolds(false));
  const Order first = TakeOrder();
  Obey(first, /*without=*/{2});
  Fail(first, {2});
  EXPECT_THAT(TakeOrders(), IsEmpty()) << "not at once";
  const std::vector<Order> again = TakeOrdersAfter(absl::Seconds(2));
  ASSERT_THAT(again, SizeIs(1));
  for (const auto& target : again[0].command.targets) {
    EXPECT_NE(target.at.datanode_uuid, first.command.targets[2].at.datanode_uuid);
  }
  EXPECT_THAT(
      nn_->DescribeBlock(kSuper, groups_[1].id).value->recovery_waits_for,
      AllOf(HasSubstr("0 of 5 units of what stays have been written"), HasSubstr("no luck")));
  EXPECT_THAT(nn_->DescribeBlock(kSuper, groups_[0].id).value->recovery_waits_for, IsEmpty());
  ExpectAsItWas();
  nn_.ExpectConsistent();
  Obey(again[0]);
  ExpectTruncated(again[0].command.group.id);
  nn_.ExpectConsistent();
}

TEST_F(GroupTruncationTest, DatanodesThatFailedAreAskedAgainBeforeMostOfTheParityWouldLack) {
  WriteThree();
  EXPECT_THAT(Truncate(kLength), IsOkAndHolds(false));
  std::vector<Order> orders = TakeOrders();
  for (int tries = 0; tries < 2 * kNodes; ++tries) {
    ASSERT_THAT(orders, SizeIs(1)) << tries;
    const auto& targets = orders[0].command.targets;
    ASSERT_GE(targets.size(), 4u) << tries;
    Obey(orders[0], /*without=*/{targets.back().unit});
    Fail(orders[0], {targets.back().unit});
    orders = TakeOrdersAfter(absl::Minutes(1));
  }
  ExpectAsItWas();
}

// The old group, which may have it, would be given up for what can no longer be read.
TEST_F(GroupTruncationTest, AUnitThatIsLostBeforeTheLastOneComesIsWrittenAgain) {
  for (const bool disk : {false, true}) {
    SCOPED_TRACE(disk ? "with its disk" : "deleted");
    WriteThree();
    EXPECT_THAT(Truncate(kLength), IsOkAndHolds(false));
    const Order first = TakeOrder();
    Obey(first, /*without=*/{4});
    const int holder = NodeOf(first.command.targets[0].at.datanode_uuid);
    if (disk) {
      without_disk_ = holder;
      nn_.Heartbeat(holder, /*failed=*/true);
    } else {
      ASSERT_OK(
          nn_.Report(holder, UnitOfCold(first.command.group, kKept, 0), ReplicaState::kDeleted));
    }
    Obey(first, /*without=*/{0, 1, 2, 3});
    ExpectAsItWas();
    const Order again = TakeOrder();
    EXPECT_NE(again.command.group.id, first.command.group.id);
    Obey(again);
    ExpectTruncated(again.command.group.id);
    ASSERT_THAT(nn_->Delete(kSuper, "/cold/f", false).value, IsOkAndHolds(true));
  }
}

TEST_F(GroupTruncationTest, UnitsThatComeInSafeModeAreTakenWhenItIsOver) {
  WriteThree();
  EXPECT_THAT(Truncate(kLength), IsOkAndHolds(false));
  const Order order = TakeOrder();
  ASSERT_OK(nn_->SafeMode(kSuper, SafeModeAction::kEnter).value);
  Obey(order);
  EXPECT_THAT(TakeOrders(), IsEmpty());
  ExpectAsItWas();
  ASSERT_OK(nn_->SafeMode(kSuper, SafeModeAction::kLeave).value);
  EXPECT_THAT(TakeOrders(), IsEmpty());
  ExpectTruncated(order.command.group.id);
  nn_.ExpectConsistent();
}

TEST_F(GroupTruncationTest, OneWhoComputesAndIsStartedAnewHasForgottenIt) {
  WriteThree();
  EXPECT_THAT(Truncate(kLength), IsOkAndHolds(false));
  const Order first = TakeOrder();
  ASSERT_OK(nn_.RegisterDatanode(first.node).status());
  nn_.SendFullReport(first.node);
  const Order again = TakeOrder();
  EXPECT_NE(again.command.group.id, first.command.group.id);
  Obey(again);
  ExpectTruncated(again.command.group.id);
}

TEST_F(GroupTruncationTest, OneWhoSaysNothingIsNotWaitedForForEver) {
  WriteThree();
  EXPECT_THAT(Truncate(kLength), IsOkAndHolds(false));
  const Order first = TakeOrder();
  std::vector<Order> again;
  for (int step = 0; step < 40 && again.empty(); ++step) again = TakeOrdersAfter(absl::Seconds(1));
  ASSERT_THAT(again, SizeIs(1));
  EXPECT_NE(again[0].command.group.id, first.command.group.id);
}

TEST_F(GroupTruncationTest, WithTooFewUnitsItIsRefused) {
  WriteThree();
  LoseUnitsOfSecond({0, 2, 3});
  const absl::Status refused = Truncate(kLength).status();
  EXPECT_THAT(refused, IsFsError(FsError::kIo));
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("of which 2 units can be read and 3 are needed"));
  EXPECT_TRUE(IsClosed());
  // At the border of a group nothing needs to be read.
  EXPECT_THAT(Truncate(kFirst), IsOkAndHolds(true));
}

TEST_F(GroupTruncationTest, UnitsThatAreLostMeanwhileAreWaitedFor) {
  WriteThree();
  EXPECT_THAT(Truncate(kLength), IsOkAndHolds(false));
  LoseUnitsOfSecond({0, 2, 3});
  EXPECT_THAT(TakeOrders(), IsEmpty());
  EXPECT_THAT(TakeOrdersAfter(absl::Seconds(5)), IsEmpty());
  ExpectAsItWas();
  EXPECT_THAT(nn_->DescribeBlock(kSuper, groups_[1].id).value->recovery_waits_for,
              HasSubstr("2 units can be read, and 3 are needed"));
  Report(2, ReplicaState::kFinalized);
  const std::vector<Order> orders = TakeOrdersAfter(absl::Seconds(10));
  ASSERT_THAT(orders, SizeIs(1));
  std::set<uint32_t> read;
  for (const auto& source : orders[0].command.sources) read.insert(source.unit);
  EXPECT_EQ(read, (std::set<uint32_t>{1, 2, 4}));
  Obey(orders[0]);
  ExpectTruncated(orders[0].command.group.id);
}

TEST_F(GroupTruncationTest, NobodyElseEndsItOrWritesMeanwhile) {
  WriteThree();
  EXPECT_THAT(Truncate(kLength), IsOkAndHolds(false));
  const Order order = TakeOrder();
  EXPECT_THAT(nn_->RecoverLease(kSuper, "/cold/f", "other").value, IsOkAndHolds(false));
  AddBlockRequest add;
  add.path = "/cold/f";
  add.client_name = "cutter";
  add.previous = groups_[2];
  EXPECT_THAT(nn_->AddBlock(kSuper, add, nullptr).value, IsFsError(FsError::kLeaseExpired));
  EXPECT_THAT(nn_->Complete(kSuper, "/cold/f", kNoInode, "cutter", groups_[2], nullptr).value,
              IsFsError(FsError::kLeaseExpired));
  EXPECT_THAT(Truncate(5), IsFsError(FsError::kAlreadyBeingCreated));
  EXPECT_THAT(nn_->Append(kSuper, "/cold/f", "other", /*new_block=*/false).value,
              IsFsError(FsError::kAlreadyBeingCreated));
  // Nor does the lease's end: tries come and go.
  std::vector<Order> last = {order};
  for (int minute = 0; minute < 120; ++minute) {
    std::vector<Order> orders = TakeOrdersAfter(absl::Minutes(1));
    if (!orders.empty()) last = std::move(orders);
  }
  ExpectAsItWas();
  EXPECT_NE(last[0].command.group.id, order.command.group.id);
  Obey(last[0]);
  ExpectTruncated(last[0].command.group.id);
}

TEST_F(GroupTruncationTest, AFileThatIsDeletedMeanwhileLeavesNothing) {
  WriteThree();
  EXPECT_THAT(Truncate(kLength), IsOkAndHolds(false));
  const Order order = TakeOrder();
  Obey(order, /*without=*/{0});
  ASSERT_THAT(nn_->Delete(kSuper, "/cold/f", false).value, IsOkAndHolds(true));
  Obey(order);
  EXPECT_THAT(TakeOrdersAfter(absl::Minutes(2)), IsEmpty());
  nn_.ExpectConsistent();
}

TEST_F(GroupTruncationTest, ACallThatIsSentAgainIsAnsweredAsItStands) {
  constexpr uint8_t kClientId[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  Caller caller = kSuper;
  caller.client_id = kClientId;
  caller.call_id = 7;
  WriteThree();
  EXPECT_THAT(nn_->Truncate(caller, "/cold/f", kLength, "cutter").value, IsOkAndHolds(false));
  EXPECT_THAT(nn_->Truncate(caller, "/cold/f", kLength, "cutter").value, IsOkAndHolds(false));
  nn_.Restart();
  nn_.SendFullReports();
  EXPECT_THAT(nn_->Truncate(caller, "/cold/f", kLength, "cutter").value, IsOkAndHolds(false));
  Obey(TakeOrder());
  EXPECT_THAT(nn_->Truncate(caller, "/cold/f", kLength, "cutter").value, IsOkAndHolds(true));
  EXPECT_EQ(nn_.Stat("/cold/f")->length, kLength);
}

// More than are looked at in a round of maintenance.
TEST_F(GroupTruncationTest, ManyThatCannotBeginKeepNoOtherWaiting) {
  for (int i = 0; i < 40; ++i) {
    const std::string path = absl::StrCat("/cold/", i);
    Write(path, {100});
    EXPECT_THAT(Truncate(10, path), IsOkAndHolds(false));
    const LocatedBlock group =
        nn_->GetBlockLocations(kSuper, path, 0, UINT64_MAX).value->blocks.at(0);
    for (size_t unit = 0; unit < group.units.size(); ++unit) {
      ASSERT_OK(nn_.Report(static_cast<int>(group.storages[unit]),
                           UnitOfCold(group.block, 100, group.units[unit]),
                           ReplicaState::kDeleted));
    }
  }
  Write("/cold/good", {100});
  EXPECT_THAT(Truncate(10, "/cold/good"), IsOkAndHolds(false));
  std::vector<Order> orders;
  for (int round = 0; round < 5 && orders.empty(); ++round) {
    orders = TakeOrdersAfter(absl::Seconds(5));
  }
  ASSERT_THAT(orders, SizeIs(1));
  EXPECT_EQ(orders[0].command.cut_from->id, groups_[0].id);
}

TEST_F(GroupTruncationTest, ADatanodeComputesTwoGroupsAtATime) {
  constexpr int kFiles = 3 * kNodes;
  for (int i = 0; i < kFiles; ++i) Write(absl::StrCat("/cold/", i), {100});
  for (int i = 0; i < kFiles; ++i) {
    EXPECT_THAT(Truncate(10, absl::StrCat("/cold/", i)), IsOkAndHolds(false));
  }
  int done = 0;
  for (int step = 0; step < 100 && done < kFiles; ++step) {
    const std::vector<Order> orders = TakeOrdersAfter(absl::Seconds(1));
    std::vector<int> of_node(kNodes);
    for (const Order& order : orders) {
      EXPECT_LE(++of_node[order.node], 2);
      Obey(order);
    }
    done += static_cast<int>(orders.size());
  }
  EXPECT_EQ(done, kFiles);
  for (int i = 0; i < kFiles; ++i) EXPECT_EQ(nn_.Stat(absl::StrCat("/cold/", i))->length, 10u);
}

}  // namespace
}  // namespace cairn::namenode
