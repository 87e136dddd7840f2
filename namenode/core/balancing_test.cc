// A namenode whose datanodes are unequally full: a job brings them together, no block ever has
// fewer live replicas than its file wants, and whatever fails in the middle leaves everything
// whole.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "namenode/core/testing/healing_fixture.h"

namespace cairn::namenode {
namespace {

using ::testing::Each;
using ::testing::Gt;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using State = ReplicaState;

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kDiskBytes = 100 * kMiB;
// A round notices the job, the next one orders, and a heartbeat later the datanodes know.
constexpr absl::Duration kFirstOrders = absl::Seconds(3);

class BalancingTest : public HealingFixture {
 protected:
  BalancingTest() : HealingFixture(/*step=*/absl::Seconds(1), /*heartbeats=*/1) {}

  static TestNamenode::Options Nodes(int count) {
    TestNamenode::Options options = HealingFixture::Nodes(count);
    options.disk_bytes = kDiskBytes;
    return options;
  }
  void Start(TestNamenode::Options options) {
    HealingFixture::Start(std::move(options));
    Pass(absl::Seconds(2));
    job_.id = 7;
    job_.holder = "test";
    job_.min_block_bytes = 1;
  }
  // Files of one block each, with replicas on these nodes.
  void Fill(int files, const std::vector<int>& nodes, uint64_t bytes = kMiB) {
    for (int i = 0; i < files; ++i) {
      const std::string path = absl::StrCat("/f", blocks_.size());
      blocks_.push_back(Write(path, static_cast<uint32_t>(nodes.size()), nodes, bytes));
    }
    Pass(absl::Seconds(9));
  }

  BalanceProgress Ask(bool stop = false) {
    BalanceProgress progress = nn()->Balance(job_, told_, stop);
    for (const BalanceIteration& iteration : progress.iterations) {
      iterations_.push_back(iteration);
      told_ = iteration.number + 1;
    }
    return progress;
  }
  // The job until it is balanced, at most for that long. False: it is not.
  bool Balance(absl::Duration longest = absl::Hours(2)) {
    for (; longest > absl::ZeroDuration(); longest -= absl::Seconds(3)) {
      Ask();
      if (!iterations_.empty() && iterations_.back().bytes_left == 0) return true;
      Pass(absl::Seconds(3));
    }
    return false;
  }

  void AfterStep() override { ExpectAllSafe(); }
  void Told(int node, const DatanodeCommand& command) override {
    if (const auto* const replicate = std::get_if<ReplicateCommand>(&command)) {
      if (replicate->balance_bytes_per_second != 0) moves_.push_back(replicate->block.id);
    } else if (const auto* const told = std::get_if<BalanceBandwidthCommand>(&command)) {
      bandwidths_[node] = told->bytes_per_second;
    }
  }
  void ExpectAllSafe() {
    if (!expect_safe_) return;
    for (const BlockVersion& block : blocks_) {
      const BlockHealth health = Health(block);
      EXPECT_GE(health.counts.live, health.wanted) << ToInt(block.id);
      EXPECT_GE(health.counts.racks, std::min(racks_, health.wanted)) << ToInt(block.id);
    }
  }
  double PercentOf(int node) {
    return 100.0 * static_cast<double>(nn_->StorageOf(node).used_bytes) /
           static_cast<double>(kDiskBytes);
  }

  bool expect_safe_ = true;
  uint32_t racks_ = 1;
  std::vector<BlockVersion> blocks_;
  std::vector<BlockId> moves_;
  std::map<int, uint64_t> bandwidths_;
  BalanceJob job_;
  uint64_t told_ = 0;
  std::vector<BalanceIteration> iterations_;
};

TEST_F(BalancingTest, AnEmptyDatanodeIsFilledToWithinTheThreshold) {
  Start(Nodes(4));
  Fill(60, {0, 1, 2});  // 60 % of each, average 45
  job_.rules.threshold_percent = 5;
  EXPECT_TRUE(Ask().begun);
  ASSERT_TRUE(Balance());
  for (int node = 0; node < 4; ++node) EXPECT_NEAR(PercentOf(node), 45, 5.5) << node;
  ASSERT_THAT(iterations_, SizeIs(2));
  EXPECT_EQ(iterations_[0].bytes_left, 40 * kMiB);
  EXPECT_EQ(iterations_[0].bytes_planned, 45 * kMiB);
  EXPECT_EQ(iterations_[0].bytes_moved, moves_.size() * kMiB);
  EXPECT_EQ(iterations_[1].bytes_moved_before, moves_.size() * kMiB);
  EXPECT_THAT(moves_, SizeIs(45));
  EXPECT_FALSE(Ask().begun);
}

TEST_F(BalancingTest, WhatHeartbeatsToldAMomentBeforeTheJobCounts) {
  Start(Nodes(2));
  for (int i = 0; i < 60; ++i) {
    blocks_.push_back(Write(absl::StrCat("/f", i), 1, {0}, kMiB));
  }
  Ask();
  Pass(absl::Milliseconds(10));  // the view that requests share is older than these heartbeats
  Ask();
  ASSERT_THAT(iterations_, IsEmpty());
  ASSERT_TRUE(Balance());
  EXPECT_LE(PercentOf(0), 40);
  EXPECT_GE(PercentOf(1), 20);
}

TEST_F(BalancingTest, WhatIsBalancedIsLeftAlone) {
  Start(Nodes(3));
  Fill(20, {0, 1});
  Fill(15, {2});
  ASSERT_TRUE(Balance());
  EXPECT_THAT(iterations_, SizeIs(1));
  EXPECT_THAT(moves_, IsEmpty());
}

TEST_F(BalancingTest, NobodyAsksNothingMoves) {
  Start(Nodes(4));
  Fill(60, {0, 1, 2});
  Pass(absl::Minutes(30));
  EXPECT_THAT(moves_, IsEmpty());
}

TEST_F(BalancingTest, ANamenodeThatKeepsBalanceByItselfDoesSoSlowly) {
  TestNamenode::Options options = Nodes(4);
  options.namenode.healing.balance.enabled = true;
  options.namenode.healing.balance.own_bandwidth = kMiB / 2;
  options.namenode.healing.balance.interval = absl::Seconds(7);
  Start(std::move(options));
  Fill(60, {0, 1, 2});
  const auto moved = [this] { return moves_.size(); };
  Pass(absl::Seconds(20));
  EXPECT_GT(moved(), 3u);
  EXPECT_LT(moved(), 16u) << "half a block a second";
  Pass(absl::Minutes(10));
  for (int node = 0; node < 4; ++node) EXPECT_NEAR(PercentOf(node), 45, 10) << node;
}

TEST_F(BalancingTest, RacksStayAsTheyAre) {
  TestNamenode::Options options = Nodes(6);
  absl::flat_hash_map<std::string, std::string> racks;
  for (int node = 0; node < 6; ++node) {
    racks[absl::StrCat("10.0.0.", node + 1)] = node < 3 ? "/a" : "/b";
  }
  options.cluster.racks = std::make_shared<RackTable>(std::move(racks));
  racks_ = 2;
  Start(std::move(options));
  Fill(70, {0, 1, 3});
  job_.rules.threshold_percent = 10;
  ASSERT_TRUE(Balance());
  EXPECT_THAT(moves_, SizeIs(Gt(60)));
  for (int node = 0; node < 6; ++node) EXPECT_NEAR(PercentOf(node), 35, 11) << node;
}

TEST_F(BalancingTest, SmallBlocksMoveWhenThereAreNoLargerOnes) {
  Start(Nodes(2));
  Fill(50, {0}, kMiB / 2);
  job_.min_block_bytes = kMiB;
  ASSERT_TRUE(Balance());
  EXPECT_THAT(moves_, SizeIs(Gt(1)));
}

TEST_F(BalancingTest, AJobThatIsNotRenewedEndsAndAnotherMayRun) {
  Start(Nodes(4));
  Fill(60, {0, 1, 2});
  copying_ = false;
  Ask();
  Pass(absl::Seconds(3));
  EXPECT_GT(Ask().moves, 0u);
  const uint64_t first = job_.id;
  job_.id = 8;
  EXPECT_EQ(Ask().busy_with, "test");
  Pass(kBalanceJobLease + absl::Seconds(1));
  const size_t ordered = moves_.size();
  Pass(absl::Minutes(1));
  EXPECT_THAT(moves_, SizeIs(ordered)) << "nobody asks for more";
  copying_ = true;
  EXPECT_TRUE(Ask().begun);
  EXPECT_TRUE(Balance());
  EXPECT_EQ(Ask(/*stop=*/true).busy_with, "");
  job_.id = first;
  EXPECT_TRUE(Ask().begun) << "the other one was stopped";
}

TEST_F(BalancingTest, ACopyThatNeverArrivesIsGivenUpAndTheBlockStays) {
  Start(Nodes(2));
  Fill(60, {0});
  copying_ = false;
  Ask();
  for (int i = 0; i < 60; ++i) {
    Pass(absl::Seconds(10));
    Ask();
  }
  EXPECT_THAT(moves_, SizeIs(Gt(10)));
  EXPECT_GT(Ask().blocks_failed, 10u);
  ASSERT_THAT(iterations_, SizeIs(Gt(1)));
  EXPECT_EQ(iterations_[0].bytes_moved, 0u);
  EXPECT_DOUBLE_EQ(PercentOf(0), 60);
  copying_ = true;
  EXPECT_TRUE(Balance());
}

TEST_F(BalancingTest, ACopyThatItsSourceCannotMakeIsGivenUpAtOnce) {
  Start(Nodes(2));
  Fill(60, {0});
  copying_ = false;
  Ask();
  Pass(kFirstOrders);
  ASSERT_THAT(moves_, SizeIs(Gt(0)));
  Ask(/*stop=*/true);
  const BlockId block = moves_[0];
  ASSERT_THAT(nn()->DescribeBlock(kSuper, block).value->copies, SizeIs(1));
  nn_->Heartbeat(
      0, false,
      {{.block = block, .target_uuids = {TestNamenode::DatanodeUuid(1)}, .reason = "full"}});
  const auto health = nn()->DescribeBlock(kSuper, block).value;
  EXPECT_THAT(health->copies, IsEmpty());
  EXPECT_FALSE(health->need.has_value());
}

TEST_F(BalancingTest, ADatanodeThatDiesInTheMiddleCostsNothing) {
  Start(Nodes(4));
  Fill(40, {0, 1});
  copying_ = false;
  Ask();
  Pass(kFirstOrders);
  ASSERT_THAT(moves_, SizeIs(Gt(10)));
  copying_ = true;
  expect_safe_ = false;  // until repair has replaced what is lost
  dead_.insert(0);
  for (int i = 0; i < 300; ++i) {
    Pass(absl::Seconds(3));
    Ask();
  }
  expect_safe_ = true;
  Pass(absl::Seconds(3));
  EXPECT_EQ(Totals().low(), 0u);
  EXPECT_EQ(Totals().of(Need::kSurplus), 0u);
}

TEST_F(BalancingTest, NobodyWaitsForALostNodeToDelete) {
  TestNamenode::Options options = Nodes(4);
  options.cluster.stale_interval = absl::Seconds(5);
  options.cluster.dead_interval = absl::Seconds(10);
  Start(std::move(options));
  Fill(40, {0, 1});
  expect_safe_ = false;  // until repair has replaced what is lost
  deleting_ = false;
  Ask();
  Pass(kFirstOrders);
  ASSERT_THAT(moves_, SizeIs(Gt(0)));
  dead_.insert(0);
  deleting_ = true;
  for (int second = 0; second < 30 && iterations_.empty(); second += 2) {
    Pass(absl::Seconds(2));
    Ask();
  }
  EXPECT_THAT(iterations_, SizeIs(1));
}

TEST_F(BalancingTest, ARestartInTheMiddleForgetsTheJobAndNothingElse) {
  Start(Nodes(4));
  Fill(60, {0, 1, 2});
  Ask();
  Pass(absl::Seconds(2));  // copies have arrived; some of the old replicas are still there
  nn_->Crash();
  ASSERT_OK(nn_->Start());
  nn_->RegisterDatanodes();
  nn_->SendFullReports();
  Pass(absl::Minutes(1));
  EXPECT_EQ(Totals().of(Need::kSurplus), 0u);
  told_ = 0;
  iterations_.clear();
  EXPECT_TRUE(Ask().begun);
  EXPECT_TRUE(Balance());
  nn_->ExpectConsistent();
}

TEST_F(BalancingTest, ADeletedFileEndsItsMoves) {
  Start(Nodes(2));
  Fill(60, {0});
  copying_ = false;
  Ask();
  Pass(absl::Seconds(2));
  EXPECT_GT(Ask().moves, 0u);
  expect_safe_ = false;
  for (size_t i = 0; i < blocks_.size(); ++i) {
    ASSERT_OK(nn()->Delete(kSuper, absl::StrCat("/f", i), false).value);
  }
  Pass(absl::Seconds(5));
  EXPECT_EQ(Ask().moves, 0u);
}

// The copy of the shorter block arrives when nobody wants it any more.
TEST_F(BalancingTest, AnAppendInTheMiddleOfAMoveWins) {
  Start(Nodes(2));
  Fill(60, {0}, kMiB / 2);
  copying_ = false;
  Ask();
  Pass(kFirstOrders);
  ASSERT_THAT(moves_, SizeIs(Gt(0)));
  const auto moved = std::find_if(blocks_.begin(), blocks_.end(),
                                  [&](const BlockVersion& b) { return b.id == moves_[0]; });
  const std::string path = absl::StrCat("/f", moved - blocks_.begin());
  ASSERT_OK(nn()->Append(kSuper, path, "client", /*new_block=*/false).value);
  const auto fresh = nn()->UpdateBlockForPipeline(kSuper, *moved, "client").value;
  ASSERT_OK(fresh);
  BlockVersion longer = fresh->block;
  ASSERT_OK(
      nn()->UpdatePipeline(kSuper, "client", *moved, longer, {}, {TestNamenode::StorageUuid(0)})
          .value);
  ASSERT_OK(nn_->Report(1, *moved, State::kFinalized));  // the move's copy, of the old stamp
  longer.length += 10;
  ASSERT_OK(nn_->Report(0, longer, State::kFinalized));
  ASSERT_THAT(nn()->Complete(kSuper, path, kNoInode, "client", longer, nullptr).value,
              IsOkAndHolds(true));
  *moved = longer;
  Pass(absl::Seconds(20));
  const auto health = nn()->DescribeBlock(kSuper, longer.id).value;
  ASSERT_OK(health);
  ASSERT_THAT(health->replicas, SizeIs(1));
  EXPECT_EQ(health->replicas[0].storage_uuid, TestNamenode::StorageUuid(0));
  EXPECT_FALSE(health->need.has_value());
}

TEST_F(BalancingTest, BandwidthIsToldToAllAndToThoseThatComeLater) {
  Start(Nodes(3));
  dead_.insert(2);
  nn()->SetBalancerBandwidth(5 * kMiB);
  Pass(absl::Seconds(1));
  EXPECT_EQ(bandwidths_[0], 5 * kMiB);
  EXPECT_EQ(bandwidths_[1], 5 * kMiB);
  dead_.clear();
  ASSERT_OK(nn_->RegisterDatanode(2));
  Pass(absl::Seconds(1));
  EXPECT_EQ(bandwidths_[2], 5 * kMiB);
}

TEST_F(BalancingTest, AJobUsesNoMoreThanTheBandwidth) {
  Start(Nodes(2));
  Fill(60, {0});
  nn()->SetBalancerBandwidth(kMiB);
  Ask();
  Pass(absl::Seconds(10));
  EXPECT_GT(moves_.size(), 5u);
  EXPECT_LE(moves_.size(), 12u);
}

TEST_F(BalancingTest, InSafeModeAJobWaitsAndSaysSo) {
  Start(Nodes(2));
  Fill(60, {0});
  EXPECT_OK(nn()->SafeMode(kSuper, SafeModeAction::kEnter).value);
  Ask();
  Pass(absl::Seconds(3));
  EXPECT_THAT(moves_, IsEmpty());
  EXPECT_THAT(Ask().waiting_for, HasSubstr("safe mode"));
}

}  // namespace
}  // namespace cairn::namenode
