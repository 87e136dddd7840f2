// A namenode whose datanodes obey, die, come back and lose replicas: every block returns to what
// its file wants. What is deleted and moved: deletions_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "namenode/core/testing/failing_store.h"
#include "namenode/core/testing/healing_fixture.h"
#include "namenode/store/keys.h"

namespace cairn::namenode {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;
using State = ReplicaState;

constexpr absl::Duration kGivenUp = absl::Minutes(5);
constexpr absl::Duration kDelay = absl::Minutes(1);  // nothing is deleted so soon after a start

class HealingTest : public HealingFixture {
 protected:
  // Records are read from the store, which fails when it is told to; it belongs to the namenode.
  FailingStore* StartOnFailingStore(TestNamenode::Options options) {
    FailingStore* failing = nullptr;
    options.namenode.tree.cache_bytes = 1;
    options.wrap_store = [&](std::unique_ptr<Store> store, const Store::WithLock&) {
      auto wrapped = std::make_unique<FailingStore>(std::move(store));
      failing = wrapped.get();
      return wrapped;
    };
    Start(std::move(options));
    return failing;
  }
};

// ---- lost nodes and disks

// Its reason is known at once, and the next try comes after a pause, not after the time for a copy.
TEST_F(HealingTest, ACopyThatItsSourceCannotMakeIsTriedAgainAfterAPause) {
  Start(Nodes(2));
  const BlockVersion block = Write("/f", 1, {0});
  copying_ = false;
  SetReplication("/f", 2);
  Pass(absl::Seconds(3));
  ASSERT_THAT(copies_, SizeIs(1));
  EXPECT_THAT(Health(block).copies, SizeIs(1));
  const FailedCopy failed{.block = block.id,
                          .stamp = block.stamp,
                          .target_uuids = {TestNamenode::DatanodeUuid(1)},
                          .reason = "connection refused"};
  FailedCopy elsewhere = failed;
  elsewhere.target_uuids = {"dn-7"};
  nn().Heartbeat(0, false, {elsewhere});
  nn().Heartbeat(1, false, {failed});
  EXPECT_THAT(Health(block).copies, SizeIs(1)) << "not that copy, not that source";

  nn().Heartbeat(0, false, {failed, failed});
  BlockHealth health = Health(block);
  EXPECT_THAT(health.copies, IsEmpty());
  ASSERT_TRUE(health.queued.has_value());
  EXPECT_EQ(health.queued->failures, 1u);
  EXPECT_THAT(health.queued->blocked_by,
              AllOf(HasSubstr("a copy from "), HasSubstr(" failed: connection refused")));
  EXPECT_GT(health.queued->again_in, absl::ZeroDuration());
  EXPECT_LE(health.queued->again_in, absl::Seconds(10));
  EXPECT_EQ(Totals().copies, 0u);

  copying_ = true;
  Pass(absl::Seconds(15));
  EXPECT_THAT(copies_, SizeIs(2));
  EXPECT_THAT(Holders("/f"), UnorderedElementsAre(0, 1));
  nn().Heartbeat(0, false, {failed});  // too late: it means nothing any more
  EXPECT_EQ(Health(block).need, std::nullopt);
}

TEST_F(HealingTest, ALostNodesBlocksAreCopiedElsewhereOnceItIsGivenUp) {
  Start(Nodes(4));
  const BlockVersion block = Write("/f", 3, {0, 1, 2});
  Kill(0);
  Pass(kGivenUp - absl::Seconds(10));
  EXPECT_THAT(copies_, IsEmpty()) << "it may come back";
  EXPECT_FALSE(Health(block).need.has_value());
  Pass(absl::Seconds(20));
  EXPECT_THAT(copies_, SizeIs(1));
  EXPECT_THAT(Holders("/f"), UnorderedElementsAre(1, 2, 3));
  EXPECT_EQ(Totals().low(), 0u);
  EXPECT_EQ(Totals().copies, 0u);
}

TEST_F(HealingTest, WhatIsBeingDoneIsTold) {
  Start(Nodes(4));
  const BlockVersion block = Write("/f", 3, {0, 1, 2});
  copying_ = false;
  Kill(0);
  Kill(1);
  Pass(kGivenUp + absl::Seconds(10));
  const BlockHealth health = Health(block);
  EXPECT_EQ(health.path, "/f");
  EXPECT_EQ(health.wanted, 3u);
  EXPECT_EQ(health.counts.live, 1u);
  EXPECT_EQ(health.counts.dead, 2u);
  ASSERT_TRUE(health.queued.has_value());
  EXPECT_EQ(health.queued->need, Need::kHighest);
  EXPECT_GT(health.queued->since, absl::ZeroDuration());
  ASSERT_THAT(health.copies, SizeIs(1)) << "only one other node is there";
  EXPECT_EQ(NodeOf(health.copies[0].source), 2);
  EXPECT_EQ(NodeOf(health.copies[0].target), 3);
  EXPECT_EQ(Totals().of(Need::kHighest), 1u);
  EXPECT_EQ(Totals().copies, 1u);
  EXPECT_THAT(nn()->BlocksInNeed(Need::kHighest, BlockId{0}, 10), ElementsAre(block.id));
}

TEST_F(HealingTest, AReturnedNodesExtraReplicaGoesOnlyAfterItsFullReport) {
  Start(Nodes(4));
  Write("/f", 3, {0, 1, 2});
  Kill(0);
  Pass(kGivenUp + absl::Seconds(10));
  Return(0);
  Pass(absl::Minutes(10));
  EXPECT_THAT(deletions_, IsEmpty()) << "nobody knows what it still has";
  nn().SendFullReport(0);
  Pass(absl::Seconds(30));
  EXPECT_THAT(deletions_, SizeIs(1));
  EXPECT_THAT(Holders("/f"), SizeIs(3));
  EXPECT_EQ(Totals().of(Need::kSurplus), 0u);
}

// With its process the datanode's knowledge is gone, and with its storage the namenode's.
TEST_F(HealingTest, ACorruptReplicaThatIsBackIsNoReasonToDeleteAGoodOne) {
  Start(Nodes(3, kDelay));
  Pass(kDelay);
  const BlockVersion block = Write("/f", 2, {0, 1});
  Pass(absl::Seconds(10));
  deleting_ = false;
  ReportBad(block, 1);
  Pass(absl::Seconds(10));
  ASSERT_THAT(Holders("/f"), UnorderedElementsAre(0, 2));
  Kill(1);
  Pass(absl::Minutes(10));
  deletions_.clear();
  deleting_ = true;
  Return(1);
  ASSERT_OK(nn().Report(1, block, State::kFinalized));
  nn().SendFullReport(1);
  Pass(absl::Seconds(5));
  EXPECT_THAT(deletions_, IsEmpty());
  ReportBad(block, 1);
  Pass(absl::Minutes(5));
  EXPECT_THAT(deletions_, ElementsAre(std::pair(1, block.id)));
  EXPECT_THAT(Holders("/f"), UnorderedElementsAre(0, 2));
}

TEST_F(HealingTest, WhoIsBackIsTrustedAfterAWhile) {
  Start(Nodes(3, kDelay));
  const BlockVersion block = Write("/f", 2, {0, 1});
  Kill(1);
  Pass(kGivenUp + absl::Minutes(1));
  ASSERT_THAT(Holders("/f"), UnorderedElementsAre(0, 2));
  Return(1);
  nn().SendFullReport(1);
  Pass(absl::Seconds(50));
  EXPECT_THAT(deletions_, IsEmpty());
  EXPECT_THAT(Health(block).queued->blocked_by, HasSubstr("was away is back"));
  Pass(absl::Seconds(20));
  EXPECT_THAT(deletions_, SizeIs(1));
  EXPECT_THAT(Holders("/f"), SizeIs(2));
}

TEST_F(HealingTest, ANodeThatReturnsBeforeItsCopyIsMadeNeedsNoDeletion) {
  Start(Nodes(4));
  Write("/f", 3, {0, 1, 2});
  copying_ = false;
  Kill(0);
  Pass(kGivenUp + absl::Seconds(10));
  EXPECT_EQ(Totals().low(), 1u);
  Return(0);
  nn().SendFullReport(0);
  Pass(absl::Seconds(30));
  EXPECT_EQ(Totals().low(), 0u);
  EXPECT_THAT(deletions_, IsEmpty());
}

// As long as it is there its blocks look well, and are not queued any more.
TEST_F(HealingTest, ANodeThatReturnsAndDiesBeforeItHasToldIsLostAgain) {
  Start(Nodes(3));
  Write("/f", 2, {0, 1});
  copying_ = false;
  Kill(0);
  Pass(kGivenUp + absl::Minutes(1));
  ASSERT_EQ(Totals().low(), 1u);
  Return(0);
  Pass(absl::Minutes(5));
  ASSERT_EQ(Totals().low(), 0u);
  Kill(0);
  copying_ = true;
  Pass(kGivenUp + absl::Minutes(1));
  EXPECT_THAT(Holders("/f"), UnorderedElementsAre(1, 2));
}

TEST_F(HealingTest, AFailedDiskIsALostOne) {
  Start(Nodes(4));
  Write("/f", 3, {0, 1, 2});
  failed_.insert(1);
  Pass(absl::Seconds(10));
  EXPECT_THAT(Holders("/f"), UnorderedElementsAre(0, 2, 3));
}

TEST_F(HealingTest, AQueueThatIsTooSmallHoldsTheWalkUpAndNothingIsLeftOut) {
  TestNamenode::Options options = Nodes(4);
  options.namenode.healing.queue.most = 20;
  options.namenode.healing.budget.most_small = 5;
  Start(std::move(options));
  constexpr int kFiles = 200;
  for (int i = 0; i < kFiles; ++i) Write(absl::StrCat("/f", i), 2, {i % 2 == 0 ? 0 : 3, 1});
  Kill(1);
  Pass(kGivenUp + absl::Minutes(5));
  for (int i = 0; i < kFiles; ++i) EXPECT_THAT(Holders(absl::StrCat("/f", i)), SizeIs(2)) << i;
  EXPECT_EQ(Totals().low(), 0u);
  EXPECT_FALSE(Totals().overflowed);
}

TEST_F(HealingTest, NothingIsDoneInSafeMode) {
  Start(Nodes(4));
  Write("/f", 3, {0, 1, 2});
  EXPECT_OK(nn()->SafeMode(kSuper, SafeModeAction::kEnter).value);
  Kill(0);
  Pass(kGivenUp + absl::Seconds(10));
  EXPECT_THAT(copies_, IsEmpty());
  EXPECT_OK(nn()->SafeMode(kSuper, SafeModeAction::kLeave).value);
  Pass(absl::Seconds(10));
  EXPECT_THAT(copies_, SizeIs(1));
}

// ---- replicas that go or rot

TEST_F(HealingTest, AReplicaThatIsGoneIsReplaced) {
  Start(Nodes(4));
  const BlockVersion block = Write("/f", 2, {0, 1});
  Pass(absl::Seconds(10));
  ASSERT_OK(nn().Report(1, block, State::kDeleted));
  Pass(absl::Seconds(10));
  EXPECT_THAT(Holders("/f"), AllOf(SizeIs(2), Contains(0)));
}

TEST_F(HealingTest, ACorruptReplicaIsReplacedAndThenDeleted) {
  Start(Nodes(4));
  const BlockVersion block = Write("/f", 3, {0, 1, 2});
  Pass(absl::Seconds(10));
  copying_ = false;
  ReportBad(block, 1);
  Pass(absl::Seconds(10));
  ASSERT_THAT(copies_, SizeIs(1));
  EXPECT_NE(copies_[0].node, 1) << "bad bytes are not copied";
  EXPECT_THAT(deletions_, IsEmpty());
  EXPECT_EQ(Totals().corrupt_blocks, 1u);
  ASSERT_OK(nn().Report(3, block, State::kFinalized));
  Pass(absl::Seconds(10));
  EXPECT_THAT(deletions_, ElementsAre(std::pair(1, block.id)));
  EXPECT_THAT(Holders("/f"), UnorderedElementsAre(0, 2, 3));
  EXPECT_EQ(Totals().corrupt_blocks, 0u);
  EXPECT_EQ(Totals().of(Need::kSurplus), 0u);
}

// The append's commit finds the lost replica outdated, and nobody will ever say that it is deleted.
TEST_F(HealingTest, AnAppendAfterALossLeavesNoMarkOnTheLostStorage) {
  Start(Nodes(4));
  BlockVersion block = Write("/f", 3, {0, 1, 2});
  Kill(0);
  Pass(kGivenUp + absl::Seconds(10));
  ASSERT_THAT(Holders("/f"), UnorderedElementsAre(1, 2, 3));
  ASSERT_OK(nn().impl().Append(kSuper, "/f", "client", /*new_block=*/false).value);
  const auto fresh = nn().impl().UpdateBlockForPipeline(kSuper, block, "client").value;
  ASSERT_OK(fresh);
  BlockVersion longer = fresh->block;
  ASSERT_OK(nn().impl()
                .UpdatePipeline(kSuper, "client", block, longer, {},
                                {TestNamenode::StorageUuid(1), TestNamenode::StorageUuid(2),
                                 TestNamenode::StorageUuid(3)})
                .value);
  longer.length += 10;
  for (const int node : {1, 2, 3}) ASSERT_OK(nn().Report(node, longer, State::kFinalized));
  ASSERT_THAT(nn().impl().Complete(kSuper, "/f", kNoInode, "client", longer, nullptr).value,
              IsOkAndHolds(true));
  Pass(absl::Seconds(20));
  EXPECT_EQ(Totals().corrupt_blocks, 0u);
  EXPECT_EQ(Totals().low(), 0u);
}

TEST_F(HealingTest, TheLastReplicaIsNeverDeletedCorruptOrNot) {
  Start(Nodes(3));
  const BlockVersion block = Write("/f", 2, {0, 1});
  Pass(absl::Seconds(10));
  ReportBad(block, 0);
  ReportBad(block, 1);
  Pass(absl::Hours(1));
  EXPECT_THAT(deletions_, IsEmpty());
  EXPECT_THAT(copies_, IsEmpty());
  EXPECT_EQ(Totals().of(Need::kMissing), 1u);
  EXPECT_THAT(Health(block).queued->blocked_by, HasSubstr("corrupt"));
}

TEST_F(HealingTest, WhereEveryNodeHasAReplicaACorruptOneMakesRoomForAGoodOne) {
  Start(Nodes(3));
  const BlockVersion block = Write("/f", 3, {0, 1, 2});
  Pass(absl::Seconds(10));
  ReportBad(block, 2);
  Pass(absl::Minutes(1));
  EXPECT_THAT(deletions_, ElementsAre(std::pair(2, block.id)));
  EXPECT_THAT(Holders("/f"), UnorderedElementsAre(0, 1, 2));
}

// ---- writing

TEST_F(HealingTest, AWriteWithTooFewDatanodesIsRepairedLater) {
  Start(Nodes(4));
  Write("/f", 3, {0});
  Heal();
  EXPECT_THAT(copies_, IsEmpty()) << "the other reports may be on their way";
  Pass(absl::Seconds(10));
  EXPECT_THAT(Holders("/f"), SizeIs(3));
}

TEST_F(HealingTest, AWholeBlockOfAnOpenFileIsRepairedAndTheOpenOneIsLeftAlone) {
  Start(Nodes(4));
  nn().Create("/f");
  BlockVersion first = nn().AddBlock("/f").block;
  first.length = 1000;
  ASSERT_OK(nn().Report(0, first, State::kFinalized));
  const BlockVersion second = nn().AddBlock("/f", first).block;
  ASSERT_OK(nn().Report(0, second, State::kBeingWritten));
  Pass(absl::Minutes(1));
  ASSERT_THAT(copies_, Not(IsEmpty()));
  for (const Order& copy : copies_) EXPECT_EQ(copy.command.block.id, first.id);
  EXPECT_EQ(Health(first).counts.live, 3u);
  EXPECT_TRUE(Health(second).under_construction);
}

TEST_F(HealingTest, ADeletedFileNeedsNothing) {
  Start(Nodes(4));
  copying_ = false;
  Write("/f", 3, {0});
  Write("/d/f", 3, {0});
  Pass(absl::Seconds(10));
  EXPECT_EQ(Totals().low(), 2u);
  EXPECT_OK(nn()->Delete(kSuper, "/f", false).value);
  EXPECT_EQ(Totals().low(), 1u);
  EXPECT_EQ(Totals().copies, 2u);
  EXPECT_OK(nn()->Delete(kSuper, "/d", true).value);
  Pass(absl::Minutes(10));
  EXPECT_EQ(Totals().low(), 0u);
  EXPECT_EQ(Totals().copies, 0u);
}

// ---- failures

TEST_F(HealingTest, ACopyThatDoesNotArriveIsTriedAgainAfterAGrowingPause) {
  Start(Nodes(4));
  copying_ = false;
  const BlockVersion block = Write("/f", 3, {0, 1});
  Pass(absl::Seconds(10));
  ASSERT_THAT(copies_, SizeIs(1));
  Pass(absl::Seconds(22));
  const BlockHealth health = Health(block);
  EXPECT_THAT(health.copies, IsEmpty());
  EXPECT_EQ(health.queued->failures, 1u);
  EXPECT_THAT(health.queued->blocked_by, AllOf(HasSubstr("10.0.0."), HasSubstr("did not arrive")));
  Pass(absl::Seconds(10));
  EXPECT_THAT(copies_, SizeIs(2));
  Pass(absl::Hours(1));
  EXPECT_LT(copies_.size(), 20u);
  copying_ = true;
  Pass(absl::Minutes(6));
  EXPECT_EQ(Totals().low(), 0u);
}

// More than are looked at under one lock.
TEST_F(HealingTest, HoweverManyCopiesAreLateTheyAllEnd) {
  TestNamenode::Options options = Nodes(2);
  options.namenode.healing.budget.most_small = 1000;
  Start(std::move(options));
  std::vector<BlockVersion> blocks;
  for (int i = 0; i < 250; ++i) blocks.push_back(Write(absl::StrCat("/f", i), 1, {0}));
  copying_ = false;
  for (int i = 0; i < 250; ++i) SetReplication(absl::StrCat("/f", i), 2);
  Pass(absl::Seconds(3));
  EXPECT_EQ(Totals().copies, 250u);
  Pass(absl::Seconds(21));
  EXPECT_EQ(Totals().copies, 0u);
  for (const BlockVersion& block : blocks) EXPECT_EQ(Health(block).queued->failures, 1u);
}

TEST_F(HealingTest, HoweverManyBlocksHaveFailedTheyAreAllTriedWhenADatanodeComes) {
  TestNamenode::Options options = Nodes(3);
  options.namenode.healing.budget.most_small = 1000;
  Start(std::move(options));
  for (int i = 0; i < 600; ++i) Write(absl::StrCat("/f", i), 1, {0});
  Kill(1);
  Kill(2);
  Pass(kGivenUp);
  for (int i = 0; i < 600; ++i) SetReplication(absl::StrCat("/f", i), 2);
  Pass(absl::Minutes(10));
  EXPECT_THAT(copies_, IsEmpty()) << "there is no other datanode";
  Return(1);
  nn().SendFullReport(1);
  Pass(absl::Seconds(3));
  EXPECT_THAT(copies_, SizeIs(600));
}

TEST_F(HealingTest, ATargetThatDiesIsReplacedAtOnce) {
  Start(Nodes(5));
  copying_ = false;
  Write("/f", 3, {0, 1});
  Pass(absl::Seconds(10));
  ASSERT_THAT(copies_, SizeIs(1));
  const int target = std::stoi(copies_[0].command.targets[0].datanode_uuid.substr(3));
  copies_.clear();
  copying_ = true;
  ASSERT_OK(nn().RegisterDatanode(target));  // it was restarted, and knows of nothing
  nn().SendFullReport(target);
  Pass(absl::Seconds(3));
  EXPECT_THAT(copies_, SizeIs(1));
  EXPECT_EQ(Totals().low(), 0u);
}

TEST_F(HealingTest, WithoutAnotherDatanodeTheReasonIsTold) {
  Start(Nodes(2));
  const BlockVersion block = Write("/f", 3, {0, 1});
  Pass(absl::Seconds(30));
  EXPECT_THAT(copies_, IsEmpty());
  EXPECT_THAT(Health(block).queued->blocked_by, HasSubstr("no datanode can take a copy"));
}

// Whichever record the disk fails to give: the file's place or entry, or its block's owner.
TEST_F(HealingTest, AReplicationWhoseRecordsCannotBeReadForAMomentIsNotForgotten) {
  for (const char prefix : {keys::kLocation, keys::kEntry, keys::kBlockOwner}) {
    SCOPED_TRACE(prefix);
    FailingStore* const failing = StartOnFailingStore(Nodes(2));
    Write("/d/f", 1, {0});
    Pass(absl::Minutes(1));
    SetReplication("/d/f", 2);
    nn().Flush();
    for (int i = 0; i < 10; ++i) nn()->RunMaintenance();  // out of memory
    failing->FailNext(prefix);
    Heal();
    EXPECT_TRUE(failing->has_failed());
    Pass(absl::Minutes(3));
    EXPECT_THAT(Holders("/d/f"), UnorderedElementsAre(0, 1));
  }
}

// A record that is damaged for good costs little, and one that can be read again is not forgotten.
TEST_F(HealingTest, ABlockWhoseRecordsCannotBeReadAgainAndAgainIsTriedAfterGrowingPauses) {
  TestNamenode::Options options = Nodes(2);
  options.namenode.healing.check_interval = absl::Hours(100);
  FailingStore* const failing = StartOnFailingStore(std::move(options));
  Write("/d/f", 1, {0});
  Pass(absl::Minutes(1));
  SetReplication("/d/f", 2);
  nn().Flush();
  for (int i = 0; i < 10; ++i) nn()->RunMaintenance();  // out of memory
  failing->FailAll(keys::kBlockOwner);
  Pass(absl::Minutes(5));
  EXPECT_GE(failing->failures(), 3);
  Pass(absl::Hours(5));
  EXPECT_LT(failing->failures(), 15);
  EXPECT_THAT(copies_, IsEmpty());
  failing->FailAll('\0');
  Pass(absl::Minutes(61));
  EXPECT_THAT(Holders("/d/f"), UnorderedElementsAre(0, 1));
}

// ---- restarts of the namenode

TEST_F(HealingTest, ARestartFindsEveryDebt) {
  Start(Nodes(4));
  const BlockVersion low = Write("/low", 3, {0});
  const BlockVersion many = Write("/many", 1, {0, 1, 2});
  const BlockVersion missing = Write("/missing", 1, {3});
  nn().Flush();
  nn().Crash();
  ASSERT_OK(nn().Start());
  nn().RegisterDatanodes();
  Pass(absl::Minutes(1));
  EXPECT_THAT(copies_, IsEmpty()) << "before the datanodes have told what they hold";
  ASSERT_OK(nn().Report(3, missing, State::kDeleted));
  nn().SendFullReports();
  Pass(absl::Minutes(1));
  EXPECT_THAT(Holders("/low"), SizeIs(3));
  EXPECT_THAT(Holders("/many"), SizeIs(1));
  EXPECT_EQ(Totals().of(Need::kMissing), 1u);
  EXPECT_EQ(Totals().missing_single, 1u);
  EXPECT_FALSE(Totals().looking);
  (void)low;
  (void)many;
}

TEST_F(HealingTest, ADatanodeThatHasNotComeBackYetIsWaitedFor) {
  Start(Nodes(4));
  Write("/f", 3, {0, 1, 2});
  nn().Flush();
  nn().Crash();
  ASSERT_OK(nn().Start());
  Kill(0);
  for (int node = 1; node < 4; ++node) {
    ASSERT_OK(nn().RegisterDatanode(node));
    nn().SendFullReport(node);
  }
  Pass(kGivenUp - absl::Seconds(30));
  EXPECT_THAT(copies_, IsEmpty());
  Pass(absl::Minutes(1));
  EXPECT_THAT(copies_, SizeIs(1));
  EXPECT_THAT(Holders("/f"), UnorderedElementsAre(1, 2, 3));
}

// Of the last storage there is nothing in the first view.
TEST_F(HealingTest, WhoWasGivenUpBeforeARestartIsBackLikeAnyOther) {
  Start(Nodes(4));
  Write("/f", 3, {0, 1, 3});
  Kill(3);
  Pass(kGivenUp + absl::Minutes(1));
  ASSERT_THAT(Holders("/f"), UnorderedElementsAre(0, 1, 2));
  nn().Flush();
  nn().Crash();
  ASSERT_OK(nn().Start());
  for (int node = 0; node < 3; ++node) {
    ASSERT_OK(nn().RegisterDatanode(node));
    nn().SendFullReport(node);
  }
  Pass(absl::Minutes(1));
  ASSERT_FALSE(Totals().looking);
  Return(3);
  nn().SendFullReport(3);
  Pass(absl::Minutes(5));
  EXPECT_THAT(deletions_, SizeIs(1));
  EXPECT_THAT(Holders("/f"), SizeIs(3));
}

TEST_F(HealingTest, AllBlocksAreLookedAtAgainAfterSomeTime) {
  TestNamenode::Options options = Nodes(3);
  options.namenode.blocks.cache_bytes = 1;
  options.namenode.healing.check_interval = absl::Hours(1);
  Start(std::move(options));
  const BlockVersion block = Write("/f", 2, {0, 1});
  for (int i = 0; i < 10; ++i) Write(absl::StrCat("/other", i), 2, {0, 1});  // out of memory
  Pass(absl::Minutes(1));
  // The record forgets a replica, and nobody says so.
  nn()->WithLock([&] {
    store::Replicas record;
    record.set_generation_stamp(ToInt(block.stamp));
    record.set_length(block.length);
    record.add_storages(*nn()->cluster().NumberOf(TestNamenode::StorageUuid(0)));
    nn().store().PutUnjournalled(keys::Replicas(block.id), record.SerializeAsString());
  });
  Pass(absl::Minutes(50));
  EXPECT_THAT(copies_, IsEmpty());
  Pass(absl::Minutes(20));
  EXPECT_THAT(copies_, SizeIs(1));
}

}  // namespace
}  // namespace cairn::namenode
