// Replicas that are too many, outdated, or in the wrong rack: which of them go and when, and when
// one counts again whose deletion was ordered.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "absl/strings/str_cat.h"
#include "namenode/blocks/ordered_deletions.h"
#include "namenode/core/testing/healing_fixture.h"

namespace cairn::namenode {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;
using State = ReplicaState;

constexpr absl::Duration kGivenUp = absl::Minutes(5);
constexpr absl::Duration kDelay = absl::Minutes(1);  // nothing is deleted so soon after a start

class DeletionsTest : public HealingFixture {};

// ---- a file's replication

// The order is lost with the session, and what it meant with the disk. (Found by tests/sim.)
TEST_F(DeletionsTest, AReplicaThatComesAfterALostDeletionCounts) {
  Start(Nodes(3));
  const BlockVersion block = Write("/f", 3, {0, 1, 2});
  ReportBad(block, 2);
  Kill(2);
  Pass(kGivenUp + absl::Minutes(1));
  nn().LoseReplica(2, block.id);
  Return(2);
  nn().SendFullReport(2);
  Pass(absl::Minutes(5));
  EXPECT_THAT(Holders("/f"), UnorderedElementsAre(0, 1, 2));
  EXPECT_FALSE(Health(block).queued.has_value());
}

TEST_F(DeletionsTest, ReplicationIsRaisedByCopiesAndLoweredByDeletions) {
  Start(Nodes(4));
  Write("/f", 1, {0});
  SetReplication("/f", 4);
  Pass(absl::Seconds(10));
  EXPECT_THAT(copies_, SizeIs(1)) << "one order for all three";
  EXPECT_THAT(Holders("/f"), SizeIs(4));
  SetReplication("/f", 2);
  Pass(absl::Seconds(10));
  EXPECT_THAT(deletions_, SizeIs(2));
  EXPECT_THAT(Holders("/f"), SizeIs(2));
  EXPECT_EQ(Totals().by_need[static_cast<size_t>(Need::kSurplus)], 0u);
}

TEST_F(DeletionsTest, AReplicaThatIsBeingDeletedServesNobodyAndNeverCountsAgain) {
  Start(Nodes(3));
  const BlockVersion block = Write("/f", 2, {0, 1});
  Pass(absl::Seconds(10));
  deleting_ = false;  // it takes its time
  SetReplication("/f", 1);
  Pass(absl::Seconds(10));
  ASSERT_THAT(deletions_, SizeIs(1));
  const int leaving = deletions_[0].first;
  EXPECT_THAT(Holders("/f"), ElementsAre(1 - leaving));
  EXPECT_EQ(Health(block).counts.excess, 1u);
  // It registers anew, and its report still shows the replica.
  ASSERT_OK(nn().Report(leaving, block, State::kFinalized));
  Return(leaving);
  nn().SendFullReport(leaving);
  Pass(absl::Minutes(5));
  for (const auto& [node, id] : deletions_) EXPECT_EQ(node, leaving);
  EXPECT_GT(deletions_.size(), 1u) << "told again";
  EXPECT_THAT(Holders("/f"), ElementsAre(1 - leaving));
}

// Its datanode restarts before it obeys, and forgets the order; its report says nothing new.
TEST_F(DeletionsTest, AReplicaWhoseDeletionWasLostCountsAgainWhereItIsNeeded) {
  Start(Nodes(4));
  const BlockVersion block = Write("/f", 4, {0, 1, 2, 3});
  Pass(absl::Seconds(10));
  deleting_ = false;
  SetReplication("/f", 3);
  Pass(absl::Seconds(10));
  ASSERT_THAT(deletions_, SizeIs(1));
  const int spared = deletions_[0].first;
  const int lost = (spared + 1) % 4;
  Kill(lost);
  Pass(kGivenUp - absl::Seconds(20));
  ASSERT_OK(nn().Report(spared, block, State::kFinalized));  // it has not obeyed
  Return(spared);
  nn().FinishWalk();
  EXPECT_EQ(nn().SendRound(spared), 0u) << "nothing differs";
  Pass(absl::Minutes(10));
  EXPECT_THAT(Holders("/f"), AllOf(SizeIs(3), Contains(spared), Not(Contains(lost))));
  EXPECT_FALSE(Health(block).queued.has_value());
  EXPECT_THAT(deletions_, SizeIs(1));
  EXPECT_THAT(copies_, IsEmpty());
}

// The order was lost on its way: its datanode keeps a replica, where another one could go.
TEST_F(DeletionsTest, ADeletionThatIsNotAnsweredIsRepeatedAlsoWhereReplicasLack) {
  Start(Nodes(3));
  const BlockVersion block = Write("/f", 3, {0, 1, 2});
  Pass(absl::Seconds(10));
  deleting_ = false;
  SetReplication("/f", 2);
  Pass(absl::Seconds(10));
  ASSERT_THAT(deletions_, SizeIs(1));
  SetReplication("/f", 3);
  Pass(absl::Minutes(10));
  EXPECT_THAT(deletions_, SizeIs(1));
  EXPECT_THAT(Health(block).queued->blocked_by, HasSubstr("waits for the datanodes to delete"));
  deleting_ = true;
  Pass(OrderedDeletions::kAgain);
  EXPECT_THAT(deletions_, SizeIs(2));
  EXPECT_THAT(Holders("/f"), SizeIs(3));
  EXPECT_FALSE(Health(block).queued.has_value());
}

// The order is dropped with the datanode that it waited for.
TEST_F(DeletionsTest, AReplicaWhoseDeletionNeverLeftCountsWhenItsDatanodeIsBack) {
  Start(Nodes(3));
  const BlockVersion block = Write("/f", 2, {0, 1, 2});
  EXPECT_EQ(Totals().by_need[static_cast<size_t>(Need::kSurplus)], 0u);
  nn().clock().Advance(absl::Seconds(10));
  Heal();  // ordered, and not fetched
  EXPECT_EQ(Health(block).counts.excess, 1u);
  for (int node = 0; node < 3; ++node) {
    Return(node);
    nn().SendFullReport(node);
  }
  nn().clock().Advance(absl::Seconds(1));
  SetReplication("/f", 3);
  Heal();
  EXPECT_EQ(Health(block).counts.excess, 0u);
  EXPECT_FALSE(Health(block).need.has_value());
}

TEST_F(DeletionsTest, TheCoHolderOfALeavingReplicaDiesAndTheBlockIsCopiedFromIt) {
  Start(Nodes(3));
  const BlockVersion block = Write("/f", 2, {0, 1});
  Pass(absl::Seconds(10));
  deleting_ = false;
  SetReplication("/f", 1);
  Pass(absl::Seconds(10));
  ASSERT_THAT(deletions_, SizeIs(1));
  const int leaving = deletions_[0].first;
  ASSERT_OK(nn().Report(leaving, block, State::kFinalized));
  Kill(1 - leaving);
  Pass(kGivenUp + absl::Seconds(10));
  EXPECT_THAT(Holders("/f"), ElementsAre(2)) << "a copy that stays";
}

// A datanode may still be carrying out deletions that the process before this one ordered.
TEST_F(DeletionsTest, NothingIsDeletedSoonAfterAStart) {
  Start(Nodes(3, kDelay));
  const BlockVersion block = Write("/f", 2, {0, 1, 2});
  Pass(absl::Seconds(50));
  EXPECT_THAT(deletions_, IsEmpty());
  EXPECT_THAT(Health(block).queued->blocked_by, HasSubstr("so soon after a start"));
  Pass(absl::Seconds(15));
  EXPECT_THAT(deletions_, SizeIs(1));
}

// ---- versions that were left behind

// A new version of /f's block is written on nodes 0, 3 and 4, while 1 and 2 have the one before,
// and the namenode forgets whom its pipeline consists of.
class LeftBehindTest : public HealingFixture {
 protected:
  BlockVersion AppendWithoutTwoAndRestart() {
    Start(Nodes(5));
    const BlockVersion block = Write("/f", 3, {0, 1, 2});
    EXPECT_OK(nn().impl().Append(kSuper, "/f", "client", /*new_block=*/false).value);
    const BlockVersion longer =
        nn().impl().UpdateBlockForPipeline(kSuper, block, "client").value.value().block;
    EXPECT_OK(nn().impl()
                  .UpdatePipeline(kSuper, "client", block, longer, {},
                                  {TestNamenode::StorageUuid(0), TestNamenode::StorageUuid(3),
                                   TestNamenode::StorageUuid(4)})
                  .value);
    nn().Flush();
    nn().Restart();
    return longer;
  }
  void Told(int node, const DatanodeCommand& command) override {
    (void)node;
    if (const auto* const recover = std::get_if<RecoverCommand>(&command)) {
      recovery_ = recover->new_stamp;
    } else if (const auto* const invalidate = std::get_if<InvalidateCommand>(&command)) {
      for (const BlockVersion& block : invalidate->blocks) told_to_delete_.push_back(block);
    }
  }

  GenerationStamp recovery_{};  // the newest
  std::vector<BlockVersion> told_to_delete_;
};

// Their datanodes come back, tell of what they have before the file is closed, and say no more.
TEST_F(LeftBehindTest, AReplicaThatWasToldOfBeforeACommitIsDeleted) {
  for (const bool digests : {true, false}) {
    SCOPED_TRACE(digests ? "told by a digest" : "told by a list");
    deletions_.clear();
    BlockVersion longer = AppendWithoutTwoAndRestart();
    if (digests) {
      nn().FinishWalk();
      for (int node = 0; node < 5; ++node) ASSERT_TRUE(nn().SendRound(node).has_value());
    } else {
      nn().SendFullReports();
    }
    longer.length += 10;
    for (const int node : {0, 3, 4}) ASSERT_OK(nn().Report(node, longer, State::kFinalized));
    ASSERT_THAT(nn().impl().Complete(kSuper, "/f", kNoInode, "client", longer, nullptr).value,
                IsOkAndHolds(true));
    Pass(absl::Minutes(1));
    EXPECT_THAT(deletions_, UnorderedElementsAre(std::pair(1, longer.id), std::pair(2, longer.id)));
    EXPECT_THAT(Holders("/f"), UnorderedElementsAre(0, 3, 4));
    EXPECT_EQ(Totals().corrupt_blocks, 0u);
    EXPECT_THAT(copies_, IsEmpty());
  }
}

// The same, and the file is deleted before anybody has looked at them: while it is open, and when
// it has just been closed. (Found by the thrasher.)
TEST_F(LeftBehindTest, IsDeletedWithItsFile) {
  for (const bool closed : {true, false}) {
    SCOPED_TRACE(closed ? "closed" : "open");
    deletions_.clear();
    BlockVersion longer = AppendWithoutTwoAndRestart();
    nn().SendFullReports();
    longer.length += 10;
    for (const int node : {0, 3, 4}) ASSERT_OK(nn().Report(node, longer, State::kFinalized));
    if (closed) {
      ASSERT_THAT(nn().impl().Complete(kSuper, "/f", kNoInode, "client", longer, nullptr).value,
                  IsOkAndHolds(true));
    }
    ASSERT_THAT(nn().impl().Delete(kSuper, "/f", false).value, IsOkAndHolds(true));
    Pass(absl::Minutes(1));
    EXPECT_THAT(deletions_, IsSupersetOf({std::pair(1, longer.id), std::pair(2, longer.id)}));
  }
}

// It may still be in its recovery, whose order came late or whose disk is slow.
TEST_F(LeftBehindTest, WhatIsBroughtToTheFinalStampLateIsSparedAndCounts) {
  Start(Nodes(2));
  CreateOptions create = CreateFlags(true, false);
  create.replication = 2;
  ASSERT_OK(nn().impl().Create(kSuper, "/f", create).value);
  const BlockVersion block = nn().AddBlock("/f").block;
  for (const int node : {0, 1}) ASSERT_OK(nn().Report(node, block, State::kBeingWritten));
  deleting_ = false;
  ASSERT_THAT(nn().impl().RecoverLease(kSuper, "/f", "c").value, IsOkAndHolds(false));
  Pass(absl::Seconds(3));
  ASSERT_GT(ToInt(recovery_), ToInt(block.stamp));
  BlockVersion recovered = block;
  recovered.stamp = recovery_;
  recovered.length = 1000;
  ASSERT_OK(nn().Report(0, recovered, State::kFinalized));
  Pass(absl::Seconds(15));
  for (const BlockVersion& ordered : told_to_delete_) {
    EXPECT_LT(ToInt(ordered.stamp), ToInt(recovered.stamp));
  }
  ASSERT_THAT(told_to_delete_, Not(IsEmpty()));
  ASSERT_OK(nn().Report(1, recovered, State::kFinalized)) << "it was spared, and has gone on";
  EXPECT_EQ(Health(recovered).counts.live, 2u);
  Pass(absl::Minutes(30));
  EXPECT_EQ(Health(recovered).counts.live, 2u);
}

// ---- racks

// Of nodes 0, 1, ...
std::shared_ptr<const RackTable> Racks(const std::vector<std::string>& names) {
  absl::flat_hash_map<std::string, std::string> racks;
  for (size_t node = 0; node < names.size(); ++node) {
    racks[absl::StrCat("10.0.0.", node + 1)] = names[node];
  }
  return std::make_shared<RackTable>(std::move(racks));
}

TEST_F(DeletionsTest, ABlockInOneRackIsSpreadAndTheExtraReplicaGoes) {
  TestNamenode::Options options = Nodes(4);
  options.cluster.racks = Racks({"/a", "/a", "/a", "/b"});
  Start(std::move(options));
  Write("/f", 2, {0, 1});
  Pass(absl::Seconds(30));
  EXPECT_THAT(Holders("/f"), AllOf(SizeIs(2), Contains(3)));
  EXPECT_EQ(Totals().low(), 0u);
}

TEST_F(DeletionsTest, WhenASecondRackComesAllBlocksAreSpread) {
  TestNamenode::Options options = Nodes(4);
  options.cluster.racks = Racks({"/a", "/a", "/a", "/b"});
  Start(std::move(options));
  Kill(3);
  Pass(kGivenUp + absl::Minutes(1));
  Write("/f", 2, {0, 1});
  Pass(absl::Minutes(1));
  ASSERT_THAT(Holders("/f"), UnorderedElementsAre(0, 1));
  Return(3);
  nn().SendFullReport(3);
  Pass(absl::Minutes(1));
  EXPECT_THAT(Holders("/f"), AllOf(SizeIs(2), Contains(3)));
}

TEST_F(DeletionsTest, WhenANodesRackChangesItsBlocksAreSpread) {
  TestNamenode::Options options = Nodes(4);
  options.cluster.racks = Racks({"/a", "/a", "/b", "/b"});
  Start(std::move(options));
  Write("/f", 2, {0, 2});
  Pass(absl::Minutes(1));
  ASSERT_THAT(Holders("/f"), UnorderedElementsAre(0, 2));
  nn()->cluster().SetRacks(Racks({"/a", "/a", "/a", "/b"}));
  Pass(absl::Minutes(1));
  EXPECT_THAT(Holders("/f"), AllOf(SizeIs(2), Contains(3)));
}

// ---- datanodes that come late after a restart

// After a restart of the namenode repair begins without node 3, whose storage is known from before.
// Its replica is one more than the block should have.
class LateTest : public HealingFixture {
 protected:
  // As the datanodes are left by `before`, and by `after` the restart.
  void RestartWithout3(const std::function<void()>& before, const std::function<void()>& after) {
    Start(Nodes(4, kDelay));
    block_ = Write("/f", 3, {0, 1, 3});
    before();
    nn().Flush();
    nn().Crash();
    ASSERT_OK(nn().Start());
    for (int node = 0; node < 3; ++node) {
      ASSERT_OK(nn().RegisterDatanode(node));
      nn().SendFullReport(node);
    }
    after();
    Pass(absl::Minutes(4));
    SetReplication("/f", 2);
    Pass(absl::Seconds(10));
    deletions_.clear();
  }
  void ExpectDeletionsOnlyAfterAWhile() {
    nn().SendFullReport(3);
    Pass(absl::Seconds(50));
    EXPECT_THAT(deletions_, IsEmpty());
    EXPECT_THAT(Health(block_).queued->blocked_by, HasSubstr("was away is back"));
    Pass(absl::Seconds(20));
    EXPECT_THAT(deletions_, SizeIs(1));
    EXPECT_THAT(Holders("/f"), SizeIs(2));
  }

  BlockVersion block_;
};

TEST_F(LateTest, WhoWasGivenUpBeforeARestartIsTrustedAfterAWhile) {
  RestartWithout3(
      [&] {
        Kill(3);
        Pass(kGivenUp + absl::Minutes(1));
      },
      [] {});
  Return(3);
  ExpectDeletionsOnlyAfterAWhile();
}

// Its datanode may have died before the namenode did, and then nobody had the time to give it up.
TEST_F(LateTest, WhoComesWhenRepairHasBegunIsTrustedAfterAWhile) {
  RestartWithout3([] {}, [&] { Kill(3); });
  Return(3);
  ExpectDeletionsOnlyAfterAWhile();
}

TEST_F(LateTest, WhoTellsWhenRepairHasBegunIsTrustedAfterAWhile) {
  RestartWithout3([] {}, [&] { ASSERT_OK(nn().RegisterDatanode(3)); });
  ExpectDeletionsOnlyAfterAWhile();
}

TEST_F(LateTest, WhoIsNewIsTrustedAtOnce) {
  Start(Nodes(4, kDelay));
  nn().Crash();
  nn().FormatAgain({});
  ASSERT_OK(nn().Start());
  Kill(3);
  for (int node = 0; node < 3; ++node) {
    ASSERT_OK(nn().RegisterDatanode(node));
    nn().SendFullReport(node);
  }
  Pass(absl::Minutes(2));
  const BlockVersion block = Write("/f", 2, {0, 1});
  Return(3);
  ASSERT_OK(nn().Report(3, block, State::kFinalized));
  nn().SendFullReport(3);
  Pass(absl::Seconds(10));
  EXPECT_THAT(deletions_, SizeIs(1));
  EXPECT_THAT(Holders("/f"), SizeIs(2));
}

}  // namespace
}  // namespace cairn::namenode
