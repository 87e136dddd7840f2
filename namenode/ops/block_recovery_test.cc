// Bringing a last block's replicas to one length: when datanodes are told to, and when the block
// goes instead.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "common/testing/eventually.h"
#include "namenode/core/testing/test_namenode.h"

namespace cairn::namenode {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TestNamenode::Options Stepped() {
  TestNamenode::Options options;
  options.journal = MemoryJournal::Mode::kStepped;
  return options;
}

// The cut cannot be taken back. If the edit could, the file would be left with a stamp and a length
// that no replica has.
TEST(BlockRecoveryTest, ATruncationIsOrderedOnceItsEditIsDurable) {
  TestNamenode nn(Stepped());
  nn.WriteFile("/f", {30});
  nn.journal().MakeAllDurable();
  ASSERT_THAT(nn->Truncate(kSuper, "/f", 10, "c").value, IsOkAndHolds(false));
  nn->RunMaintenance();
  EXPECT_THAT(nn.Heartbeat(0), IsEmpty());
  nn.journal().MakeAllDurable();
  nn->RunMaintenance();
  const auto commands = nn.Heartbeat(0);
  ASSERT_THAT(commands, SizeIs(1));
  EXPECT_NE(std::get_if<TruncateCommand>(&commands[0]), nullptr);
}

TEST(BlockRecoveryTest, ARecoveryIsOrderedOnceItsStampIsDurable) {
  TestNamenode nn(Stepped());
  nn.Create("/f", kSuper, "gone");
  const BlockVersion block = nn.AddBlock("/f", {}, "gone").block;
  ASSERT_OK(nn.Report(0, block, ReplicaState::kBeingWritten));
  nn.journal().MakeAllDurable();
  ASSERT_THAT(nn->RecoverLease(kSuper, "/f", "c").value, IsOkAndHolds(false));
  const auto orders = [&] {
    size_t count = 0;
    for (int node = 0; node < 3; ++node) count += nn.Heartbeat(node).size();
    return count;
  };
  nn->RunMaintenance();
  EXPECT_EQ(orders(), 0u);
  nn.journal().MakeAllDurable();
  nn->RunMaintenance();
  EXPECT_EQ(orders(), 1u);
}

TEST(BlockRecoveryTest, NoReplicaIsCutInSafeMode) {
  TestNamenode nn;
  nn.WriteFile("/f", {30});
  ASSERT_THAT(nn->Truncate(kSuper, "/f", 10, "c").value, IsOkAndHolds(false));
  nn->RunMaintenance();
  ASSERT_OK(nn->SafeMode(kSuper, SafeModeAction::kEnter).value);
  EXPECT_THAT(nn.Heartbeat(0), IsEmpty());
  ASSERT_OK(nn->SafeMode(kSuper, SafeModeAction::kLeave).value);
  EXPECT_THAT(nn.Heartbeat(0), SizeIs(1));
}

// ---- a client says that what it read is bad

// A client whose link spoils bytes says so of every good replica it reads.
TEST(DoubtTest, AClientsWordMakesTheDatanodeLookAndNothingElse) {
  TestNamenode nn;
  nn.WriteFile("/f", {30});
  const BlockVersion block = nn->GetBlockLocations(kSuper, "/f", 0, 1).value->blocks[0].block;
  ASSERT_OK(nn.Report(1, block, ReplicaState::kFinalized));
  const auto report = [&] {
    return nn
        ->ReportBadBlock(kSuper, block,
                         {TestNamenode::StorageUuid(0), TestNamenode::StorageUuid(1),
                          TestNamenode::StorageUuid(2), "DS-unknown"})
        .value;
  };
  for (int i = 0; i < 1000; ++i) ASSERT_OK(report());
  EXPECT_EQ(nn->Health().corrupt_blocks, 0u);
  EXPECT_THAT(nn->GetBlockLocations(kSuper, "/f", 0, 1).value->blocks[0].storages, SizeIs(2));
  for (const int node : {0, 1}) {
    const auto orders = nn.Heartbeat(node);
    ASSERT_THAT(orders, SizeIs(1)) << "once, however often it is said";
    const auto* const verify = std::get_if<VerifyCommand>(&orders[0]);
    ASSERT_NE(verify, nullptr);
    EXPECT_EQ(verify->block.id, block.id);
    EXPECT_EQ(verify->block.stamp, block.stamp);
  }
  EXPECT_THAT(nn.Heartbeat(2), IsEmpty()) << "has no replica of it";
  // What the datanode itself says counts.
  ASSERT_OK(nn.Report(1, block, ReplicaState::kCorrupt));
  EXPECT_EQ(nn->Health().corrupt_blocks, 1u);
  ASSERT_OK(report());
  EXPECT_THAT(nn.Heartbeat(1), IsEmpty()) << "is known to be bad";
}

TEST(DoubtTest, DoubtsLeaveRoomForOtherOrders) {
  TestNamenode nn;
  for (int i = 0; i < 150; ++i) {
    const std::string path = absl::StrCat("/f", i);
    nn.WriteFile(path, {30});
    const auto located = nn->GetBlockLocations(kSuper, path, 0, 1).value;
    ASSERT_OK(
        nn->ReportBadBlock(kSuper, located->blocks[0].block, {TestNamenode::StorageUuid(0)}).value);
  }
  ASSERT_THAT(nn->Truncate(kSuper, "/f149", 10, "c").value, IsOkAndHolds(false));
  nn->RunMaintenance();
  const auto orders = nn.Heartbeat(0);
  EXPECT_THAT(orders, SizeIs(OrderBoard::kMostDoubts + 1));
  EXPECT_NE(std::get_if<TruncateCommand>(&orders.back()), nullptr);
}

// ---- which datanode is told

class PrimaryTest : public ::testing::Test {
 protected:
  struct Order {
    int node;
    RecoverCommand command;
  };
  // Its writer died; all three datanodes have bytes of its block.
  PrimaryTest() {
    nn_.Create("/f", kSuper, "gone");
    block_ = nn_.AddBlock("/f", {}, "gone").block;
    for (int node = 0; node < 3; ++node) {
      EXPECT_OK(nn_.Report(node, block_, ReplicaState::kBeingWritten));
    }
    EXPECT_THAT(nn_->RecoverLease(kSuper, "/f", "c").value, IsOkAndHolds(false));
    nn_->RunMaintenance();
  }
  // What datanode `node` is told in its heartbeat.
  std::vector<Order> Fetch(int node) {
    std::vector<Order> orders;
    for (const DatanodeCommand& command : nn_.Heartbeat(node)) {
      if (const auto* const recover = std::get_if<RecoverCommand>(&command)) {
        orders.push_back({node, *recover});
      }
    }
    return orders;
  }
  std::vector<Order> FetchAll() {
    std::vector<Order> all;
    for (int node = 0; node < 3; ++node) {
      for (Order& order : Fetch(node)) all.push_back(std::move(order));
    }
    return all;
  }
  bool IsClosed() { return *nn_->IsFileClosed(kSuper, "/f").value; }

  TestNamenode nn_;
  BlockVersion block_;
};

TEST_F(PrimaryTest, AnOrderThatIsNotFetchedIsGivenToAnotherUnderAnotherStamp) {
  nn_.clock().Advance(absl::Seconds(1));
  nn_->RunMaintenance();
  const std::vector<Order> orders = FetchAll();
  ASSERT_THAT(orders, SizeIs(2));
  EXPECT_NE(orders[0].node, orders[1].node);
  EXPECT_NE(orders[0].command.new_stamp, orders[1].command.new_stamp);
}

TEST_F(PrimaryTest, AnOrderThatWasFetchedIsGivenTimeAndThenGivenToAnother) {
  const std::vector<Order> first = FetchAll();
  ASSERT_THAT(first, SizeIs(1));
  nn_.clock().Advance(absl::Seconds(9));
  nn_->RunMaintenance();
  EXPECT_THAT(FetchAll(), IsEmpty());
  nn_.clock().Advance(absl::Seconds(1));
  nn_->RunMaintenance();
  const std::vector<Order> second = FetchAll();
  ASSERT_THAT(second, SizeIs(1));
  EXPECT_NE(second[0].node, first[0].node);

  // What the first one brought about does not close the file: the second may decide otherwise.
  nn_.ReportFinalized({block_.id, first[0].command.new_stamp, 30}, 1, first[0].node);
  EXPECT_FALSE(IsClosed());
  nn_.ReportFinalized({block_.id, second[0].command.new_stamp, 20}, 1, second[0].node);
  EXPECT_TRUE(IsClosed());
  EXPECT_EQ(nn_.Stat("/f")->length, 20u);
}

TEST_F(PrimaryTest, APrimaryThatRegistersAnewHasLostItsOrder) {
  const std::vector<Order> first = FetchAll();
  ASSERT_THAT(first, SizeIs(1));
  ASSERT_OK(nn_.RegisterDatanode(first[0].node));
  nn_.clock().Advance(absl::Seconds(1));
  nn_->RunMaintenance();
  EXPECT_THAT(FetchAll(), SizeIs(1));
}

TEST_F(PrimaryTest, AllAreAskedIfTheWholePipelineIs) {
  const RecoverCommand order = FetchAll().at(0).command;
  EXPECT_THAT(order.replicas, SizeIs(3));
  EXPECT_TRUE(order.all_asked) << "the writer was given no other datanode";
}

// What it holds may be all that there is of what was acknowledged.
TEST_F(PrimaryTest, NotAllAreAskedWhileADiskOfThePipelineIsAway) {
  ASSERT_THAT(FetchAll(), SizeIs(1));
  nn_.Heartbeat(2, /*failed=*/true);
  nn_.clock().Advance(absl::Seconds(10));
  nn_->RunMaintenance();
  std::vector<Order> orders = Fetch(0);
  if (orders.empty()) orders = Fetch(1);
  ASSERT_THAT(orders, SizeIs(1));
  EXPECT_THAT(orders[0].command.replicas, SizeIs(2));
  EXPECT_FALSE(orders[0].command.all_asked);
  const auto health = nn_->DescribeBlock(kSuper, block_.id).value;
  ASSERT_OK(health);
  EXPECT_THAT(health->recovery_waits_for, HasSubstr("storage DS-2"));
}

// What is known to be acknowledged may be left there alone.
TEST_F(PrimaryTest, NotAllAreAskedThoughADatanodeOfThePipelineWasGivenUp) {
  ASSERT_THAT(FetchAll(), SizeIs(1));
  for (int minutes = 0; minutes < 6; ++minutes) {
    nn_.clock().Advance(absl::Minutes(1));
    for (const int node : {0, 1}) nn_.Heartbeat(node);
  }
  nn_->RunMaintenance();
  nn_.clock().Advance(absl::Seconds(10));
  nn_->RunMaintenance();
  std::vector<Order> orders = Fetch(0);
  for (Order& order : Fetch(1)) orders.push_back(std::move(order));
  ASSERT_FALSE(orders.empty());
  for (const Order& order : orders) {
    EXPECT_THAT(order.command.replicas, SizeIs(2));
    EXPECT_FALSE(order.command.all_asked);
  }
}

TEST_F(PrimaryTest, AfterARestartAllAreAskedOnlyIfNobodyElseMayHaveIt) {
  nn_.Crash();
  ASSERT_OK(nn_.Start());
  for (int node = 0; node < 3; ++node) ASSERT_OK(nn_.RegisterDatanode(node));
  for (const int node : {0, 1}) nn_.SendFullReport(node);
  nn_.clock().Advance(absl::Seconds(10));
  nn_->RunMaintenance();
  EXPECT_FALSE(FetchAll().at(0).command.all_asked) << "datanode 2 has not told what it holds";
  nn_.SendFullReport(2);
  nn_.clock().Advance(absl::Seconds(10));
  nn_->RunMaintenance();
  EXPECT_TRUE(FetchAll().at(0).command.all_asked);
}

// Nobody asks for it any more: neither the client that did, nor a lease that ends in 20 minutes.
TEST_F(PrimaryTest, ARestartForgetsNoRecovery) {
  nn_.Restart();
  nn_.SendFullReports();
  nn_.clock().Advance(absl::Seconds(10));
  nn_->RunMaintenance();
  const std::vector<Order> orders = FetchAll();
  ASSERT_THAT(orders, SizeIs(1));
  nn_.ReportFinalized({block_.id, orders[0].command.new_stamp, 30}, 1, orders[0].node);
  EXPECT_TRUE(IsClosed());
}

TEST_F(PrimaryTest, ALengthBeyondTheBlockSizeIsRefused) {
  const std::vector<Order> orders = FetchAll();
  ASSERT_THAT(orders, SizeIs(1));
  nn_.ReportFinalized({block_.id, orders[0].command.new_stamp, uint64_t{1} << 40}, 1, 0);
  EXPECT_FALSE(IsClosed());
}

// ---- orders leave at once

class Call final : public OrderWait {
 public:
  void Answer(absl::StatusOr<bool> orders) override { told_ = orders.ok() && *orders; }
  bool abandoned() const override { return false; }
  bool told() const { return told_; }

 private:
  std::atomic<bool> told_{false};
};

class AwaitOrdersTest : public ::testing::Test {
 protected:
  AwaitOrdersTest() : bell_([this] { nn_->RunOrderBell(); }) {}
  ~AwaitOrdersTest() override {
    nn_->EndWaits();
    bell_.join();
  }
  std::shared_ptr<Call> Wait(int node) {
    auto call = std::make_shared<Call>();
    nn_->AwaitOrders(TestNamenode::DatanodeUuid(node), nn_.session(node), call);
    return call;
  }
  TestNamenode nn_;
  std::thread bell_;
};

TEST_F(AwaitOrdersTest, ARecoveryWakesItsPrimary) {
  const auto call = Wait(1);
  nn_.Create("/f", kSuper, "gone");
  const BlockVersion block = nn_.AddBlock("/f", {}, "gone").block;
  for (int node = 0; node < 3; ++node) {
    ASSERT_OK(nn_.Report(node, block, ReplicaState::kBeingWritten));
  }
  ASSERT_THAT(nn_->RecoverLease(kSuper, "/f", "c").value, IsOkAndHolds(false));
  EXPECT_FALSE(call->told());
  nn_->RunMaintenance();
  EVENTUALLY(call->told());  // the one that listens was chosen
  EXPECT_THAT(nn_.Heartbeat(1), SizeIs(1));
}

TEST_F(AwaitOrdersTest, ADeletionWakesThoseWhoHaveReplicas) {
  nn_.WriteFile("/f", {30});
  const auto holder = Wait(0), other = Wait(1);
  ASSERT_THAT(nn_->Delete(kSuper, "/f", false).value, IsOkAndHolds(true));
  nn_.clock().Advance(absl::Seconds(1));
  nn_->RunMaintenance();
  EVENTUALLY(holder->told());
  EXPECT_THAT(nn_.Heartbeat(0), SizeIs(1));
  nn_->EndWaits();
  EXPECT_FALSE(other->told());
}

// ---- a block that no datanode has shown

class UnseenBlockTest : public ::testing::Test {
 protected:
  // A restarted namenode; the writer of /f died before. `held`: datanode 1 has bytes of its block.
  void Begin(bool held) {
    nn_.Create("/f", kSuper, "gone");
    BlockVersion block = nn_.AddBlock("/f", {}, "gone").block;
    block.length = 30;  // acknowledged by hflush, which tells the namenode no length
    if (held) {
      ASSERT_OK(nn_.Report(1, block, ReplicaState::kBeingWritten));
    }
    nn_.Crash();
    ASSERT_OK(nn_.Start());
  }
  void Join(int node) { ASSERT_OK(nn_.RegisterDatanode(node)); }
  absl::StatusOr<bool> Recover() { return nn_->RecoverLease(kSuper, "/f", "c").value; }
  bool HasBlock() {
    const auto located = nn_->GetBlockLocations(kSuper, "/f", 0, 1).value;
    EXPECT_OK(located);
    return located.ok() && located->last.has_value();
  }
  TestNamenode nn_;
};

TEST_F(UnseenBlockTest, StaysWhileItsDatanodeIsAway) {
  Begin(/*held=*/true);
  for (const int node : {0, 2}) {
    Join(node);
    nn_.SendFullReport(node);
  }
  nn_.clock().Advance(absl::Hours(23));
  EXPECT_THAT(Recover(), IsOkAndHolds(false));
  EXPECT_TRUE(HasBlock());

  Join(1);
  EXPECT_THAT(Recover(), IsOkAndHolds(false)) << "there, but it has not said what it holds";
  EXPECT_TRUE(HasBlock());
  nn_.SendFullReport(1);
  EXPECT_THAT(Recover(), IsOkAndHolds(false));
  nn_.clock().Advance(absl::Seconds(10));
  nn_->RunMaintenance();
  const auto commands = nn_.Heartbeat(1);
  ASSERT_THAT(commands, SizeIs(1));
  const auto* const recover = std::get_if<RecoverCommand>(&commands[0]);
  ASSERT_NE(recover, nullptr);
  nn_.ReportFinalized({recover->block.id, recover->new_stamp, 30}, 1, 1);
  EXPECT_EQ(nn_.Stat("/f")->length, 30u);
}

// A disk that was replaced never comes back, and the file is not to stay open for ever.
TEST_F(UnseenBlockTest, GoesWhenALostDiskHasBeenWaitedForForADay) {
  Begin(/*held=*/true);
  for (const int node : {0, 2}) Join(node);
  nn_.clock().Advance(absl::Hours(24));
  for (const int node : {0, 2}) {
    Join(node);
    nn_.SendFullReport(node);
  }
  EXPECT_THAT(Recover(), IsOkAndHolds(true));
  EXPECT_FALSE(HasBlock());
}

// Its datanode is there, but came without the disk, or with one that has failed.
TEST_F(UnseenBlockTest, StaysWhileADiskIsAwayThatMayHaveIt) {
  Begin(/*held=*/true);
  for (const int node : {0, 1, 2}) Join(node);
  for (const int node : {0, 2}) nn_.SendFullReport(node);
  nn_.Heartbeat(1, /*failed=*/true);
  EXPECT_THAT(Recover(), IsOkAndHolds(false));
  EXPECT_TRUE(HasBlock());
  for (int times = 0; times < 2; ++times) {
    nn_.clock().Advance(absl::Hours(11));
    for (const int node : {0, 1, 2}) Join(node);
    for (const int node : {0, 2}) nn_.SendFullReport(node);
    nn_.Heartbeat(1, /*failed=*/true);
    nn_->RunMaintenance();
  }
  EXPECT_THAT(Recover(), IsOkAndHolds(false));
  EXPECT_TRUE(HasBlock());
  const auto located = nn_->GetBlockLocations(kSuper, "/f", 0, 1).value;
  ASSERT_OK(located);
  const auto health = nn_->DescribeBlock(kSuper, located->last->block.id).value;
  ASSERT_OK(health);
  EXPECT_THAT(health->recovery_waits_for, HasSubstr("storage DS-1 of datanode dn-1"));

  Join(1);
  nn_.SendFullReport(1);
  nn_.clock().Advance(absl::Seconds(10));
  nn_->RunMaintenance();
  const auto commands = nn_.Heartbeat(1);
  ASSERT_THAT(commands, SizeIs(1));
  const auto* const recover = std::get_if<RecoverCommand>(&commands[0]);
  ASSERT_NE(recover, nullptr);
  nn_.ReportFinalized({recover->block.id, recover->new_stamp, 30}, 1, 1);
  EXPECT_EQ(nn_.Stat("/f")->length, 30u);
}

// Or every disk that was ever lost would keep files open, for ever.
TEST_F(UnseenBlockTest, GoesThoughADiskIsAwayThatWasLostBeforeItWasAdded) {
  nn_.Heartbeat(1, /*failed=*/true);
  nn_.clock().Advance(absl::Seconds(10));
  nn_->RunMaintenance();  // records it
  Begin(/*held=*/false);
  for (const int node : {0, 2}) Join(node);
  for (const int node : {0, 2}) nn_.SendFullReport(node);
  EXPECT_THAT(Recover(), IsOkAndHolds(true));
  EXPECT_FALSE(HasBlock());
}

TEST_F(UnseenBlockTest, StaysIfTheDiskCameBackBeforeItWasAdded) {
  nn_.Heartbeat(1, /*failed=*/true);
  nn_.clock().Advance(absl::Seconds(10));
  nn_->RunMaintenance();
  Join(1);
  Begin(/*held=*/true);
  for (const int node : {0, 2}) Join(node);
  for (const int node : {0, 2}) nn_.SendFullReport(node);
  EXPECT_THAT(Recover(), IsOkAndHolds(false));
  EXPECT_TRUE(HasBlock());
}

// A registration passes then without an edit, and also if maintenance records the storage in its
// midst.
TEST_F(UnseenBlockTest, StaysIfTheDiskCameBackWhenNothingCouldBeWritten) {
  nn_.Heartbeat(1, /*failed=*/true);
  nn_.clock().Advance(absl::Seconds(10));
  nn_->RunMaintenance();
  nn_.journal().SetReady(absl::ResourceExhaustedError("full"));
  Join(1);
  ASSERT_TRUE(nn_->cluster().IsRecordedAway("DS-1"));
  nn_.journal().SetReady(absl::OkStatus());
  Begin(/*held=*/true);
  for (const int node : {0, 2}) Join(node);
  for (const int node : {0, 2}) nn_.SendFullReport(node);
  EXPECT_THAT(Recover(), IsOkAndHolds(false));
  EXPECT_TRUE(HasBlock());
}

TEST_F(UnseenBlockTest, AStorageThatJoinsAPipelineIsRecordedAsThereFirst) {
  nn_.Create("/f", kSuper, "c");
  const BlockVersion block = nn_.AddBlock("/f", {}, "c").block;
  nn_.Heartbeat(1, /*failed=*/true);
  nn_.clock().Advance(absl::Seconds(10));
  nn_->RunMaintenance();
  nn_.journal().SetReady(absl::ResourceExhaustedError("full"));
  Join(1);
  nn_.journal().SetReady(absl::OkStatus());
  const auto renewed = nn_->UpdateBlockForPipeline(kSuper, block, "c");
  ASSERT_OK(renewed.value);
  ASSERT_TRUE(nn_->cluster().IsRecordedAway("DS-1"));
  ASSERT_OK(
      nn_->UpdatePipeline(kSuper, "c", block, renewed.value->block, {"dn-1"}, {"DS-1"}).value);
  EXPECT_FALSE(nn_->cluster().IsRecordedAway("DS-1"));
}

TEST_F(UnseenBlockTest, GoesOnceAllDatanodesHaveSaidThatTheyDoNotHaveIt) {
  Begin(/*held=*/false);
  for (const int node : {0, 1, 2}) Join(node);
  for (const int node : {0, 1}) nn_.SendFullReport(node);
  EXPECT_THAT(Recover(), IsOkAndHolds(false));
  EXPECT_TRUE(HasBlock());
  nn_.SendFullReport(2);
  EXPECT_THAT(Recover(), IsOkAndHolds(true));
  EXPECT_FALSE(HasBlock());
  EXPECT_THAT(nn_->IsFileClosed(kSuper, "/f").value, IsOkAndHolds(true));
}

}  // namespace
}  // namespace cairn::namenode
