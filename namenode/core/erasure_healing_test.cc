// Block groups that lose units: they are computed from the others where enough are left, and no
// datanode gets two of one group.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <variant>

#include "namenode/blocks/redundancy_queue.h"
#include "namenode/core/testing/cold_files.h"
#include "namenode/core/testing/healing_fixture.h"

namespace cairn::namenode {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr absl::Duration kGivenUp = absl::Minutes(5);

// RS-3-2: unit `u` of the file's only group is on datanode `u` at first.
class ErasureHealingTest : public HealingFixture {
 protected:
  void StartWith(int datanodes, uint64_t bytes = 3 * kBlockBytes) {
    TestNamenode::Options options = Nodes(datanodes);
    options.namenode.erasure_coding = true;
    Start(std::move(options));
    MakeCold(*nn_);
    nn_->Create("/cold/f");
    group_ = nn_->AddBlock("/cold/f").block;
    group_.length = bytes;
    for (uint32_t unit = 0; unit < 5; ++unit) Have(static_cast<int>(unit), unit);
    EXPECT_THAT(nn_->impl().Complete(kSuper, "/cold/f", kNoInode, "client", group_, nullptr).value,
                IsOkAndHolds(true));
    Pass(absl::Seconds(30));
    EXPECT_THAT(copies_, IsEmpty());
    EXPECT_THAT(rebuilds_, IsEmpty());
  }

  BlockVersion Unit(uint32_t unit) const { return UnitOfCold(group_, group_.length, unit); }
  void Have(int node, uint32_t unit) {
    if (Unit(unit).length != 0) {
      EXPECT_OK(nn_->Report(node, Unit(unit), ReplicaState::kFinalized));
    }
  }
  // Where readers are sent, by unit.
  std::map<uint32_t, std::set<int>> HoldersByUnit() {
    const auto located = nn_->impl().GetBlockLocations(kSuper, "/cold/f", 0, 1).value;
    EXPECT_OK(located);
    std::map<uint32_t, std::set<int>> holders;
    const LocatedBlock& block = located->blocks[0];
    for (size_t i = 0; i < block.units.size(); ++i) {
      holders[block.units[i]].insert(NodeOf(block.storages[i]));
    }
    return holders;
  }

  void Told(int node, const DatanodeCommand& command) override {
    if (std::holds_alternative<VerifyCommand>(command)) doubted_.push_back(node);
    const auto* const rebuild = std::get_if<RebuildCommand>(&command);
    if (rebuild == nullptr) return;
    rebuilds_.push_back({node, *rebuild});
    if (!rebuilding_) return;
    for (const RebuildCommand::Target& target : rebuild->targets) {
      Have(NodeOf(target.at.datanode_uuid), target.unit);
    }
  }

  struct Rebuild {
    int node;
    RebuildCommand command;
  };
  BlockVersion group_;
  std::vector<Rebuild> rebuilds_;
  std::vector<int> doubted_;  // datanodes
  bool rebuilding_ = true;
};

TEST_F(ErasureHealingTest, ALostUnitIsComputedFromTheOthersOnADatanodeThatHasNone) {
  StartWith(7);
  Kill(1);
  Pass(kGivenUp + absl::Minutes(1));
  ASSERT_THAT(rebuilds_, SizeIs(1));
  const auto& [node, command] = rebuilds_[0];
  EXPECT_EQ(command.group.id, group_.id);
  EXPECT_EQ(command.group.length, group_.length);
  EXPECT_EQ(command.schema.data_units, 3u);
  EXPECT_EQ(command.cell_bytes, kCell);
  EXPECT_THAT(command.sources, SizeIs(4)) << "as many as are needed, and one to compare with";
  std::set<uint32_t> read;
  for (const auto& source : command.sources) {
    EXPECT_EQ(NodeOf(source.datanode_uuid), static_cast<int>(source.unit));
    read.insert(source.unit);
  }
  EXPECT_THAT(read, SizeIs(4));
  EXPECT_FALSE(read.contains(1));
  ASSERT_THAT(command.targets, SizeIs(1));
  EXPECT_EQ(command.targets[0].unit, 1u);
  EXPECT_EQ(NodeOf(command.targets[0].at.datanode_uuid), node);
  EXPECT_GE(node, 5);
  EXPECT_EQ(HoldersByUnit()[1], std::set<int>{node});
  EXPECT_EQ(Totals().low(), 0u);
}

TEST_F(ErasureHealingTest, AllUnitsThatAGroupHasLostAreComputedAtOnce) {
  StartWith(8);
  Kill(0);
  Kill(4);
  Pass(kGivenUp + absl::Minutes(1));
  ASSERT_THAT(rebuilds_, SizeIs(1));
  ASSERT_THAT(rebuilds_[0].command.targets, SizeIs(2));
  EXPECT_THAT(rebuilds_[0].command.sources, SizeIs(3));
  std::set<int> on;
  for (const auto& [unit, nodes] : HoldersByUnit()) {
    EXPECT_THAT(nodes, SizeIs(1)) << unit;
    on.insert(nodes.begin(), nodes.end());
  }
  EXPECT_THAT(on, SizeIs(5));
  EXPECT_EQ(Totals().low(), 0u);
}

TEST_F(ErasureHealingTest, WithTooFewUnitsLeftNothingIsOrdered) {
  StartWith(8);
  for (const int node : {0, 1, 2}) Kill(node);
  Pass(kGivenUp + absl::Minutes(1));
  EXPECT_THAT(rebuilds_, IsEmpty());
  const BlockHealth health = Health(Unit(0));
  EXPECT_EQ(health.need, Need::kMissing);
  ASSERT_TRUE(health.queued.has_value());
  EXPECT_THAT(health.queued->blocked_by, HasSubstr("too few other units"));
  EXPECT_EQ(Totals().groups.of(Need::kMissing), 1u);
  EXPECT_EQ(Totals().groups.low(), 0u);
  EXPECT_EQ(Totals().replicated(Need::kMissing), 0u);
  EXPECT_EQ(Totals().missing_single, 0u);
  Return(2);
  Have(2, 2);
  Pass(absl::Minutes(10));
  EXPECT_THAT(rebuilds_, SizeIs(1));
  EXPECT_EQ(Totals().low(), 0u);
  EXPECT_EQ(Totals().groups.of(Need::kMissing), 0u);
}

TEST_F(ErasureHealingTest, TheFewerAreLeftToLoseTheMoreUrgent) {
  rebuilding_ = false;
  StartWith(5);  // nobody can take a unit
  Kill(0);
  Pass(kGivenUp + absl::Minutes(1));
  EXPECT_EQ(Health(Unit(0)).need, Need::kVeryLow);
  EXPECT_EQ(Totals().groups.of(Need::kVeryLow), 1u);
  Kill(1);
  Pass(kGivenUp + absl::Minutes(1));
  EXPECT_EQ(Health(Unit(0)).need, Need::kHighest);
  EXPECT_EQ(Health(Unit(1)).need, Need::kHighest);
  EXPECT_THAT(rebuilds_, IsEmpty());
  EXPECT_EQ(Totals().groups.of(Need::kHighest), 1u) << "of two units";
  EXPECT_EQ(Totals().groups.low(), 1u);
  EXPECT_EQ(Totals().replicated_low(), 0u);
}

TEST_F(ErasureHealingTest, AUnitWhoseDatanodeMayStillComeIsNotComputed) {
  StartWith(7);
  nn_->Flush();
  Kill(2);
  nn_->Crash();
  EXPECT_OK(nn_->Start());
  for (const int node : {0, 1, 3, 4, 5, 6}) {
    EXPECT_OK(nn_->RegisterDatanode(node));
    nn_->SendFullReport(node);
  }
  nn_->impl().QueueStorageForCheck(2);
  Pass(absl::Minutes(1));
  EXPECT_THAT(rebuilds_, IsEmpty());
  Pass(kGivenUp + absl::Minutes(20));
  EXPECT_THAT(rebuilds_, SizeIs(1)) << "it has not come";
}

TEST_F(ErasureHealingTest, ARebuildThatFailsIsTriedAgain) {
  StartWith(7);
  rebuilding_ = false;
  Kill(3);
  Pass(kGivenUp);
  for (int step = 0; step < 100 && rebuilds_.empty(); ++step) Pass(absl::Seconds(3));
  ASSERT_FALSE(rebuilds_.empty());
  const Rebuild first = rebuilds_.back();
  const size_t before = rebuilds_.size();
  const FailedCopy failed{.block = Unit(3).id,
                          .stamp = group_.stamp,
                          .target_uuids = {first.command.targets[0].at.datanode_uuid},
                          .reason = "unit 2 does not fit the others"};
  nn_->Heartbeat(first.node, false, {failed});
  Pass(absl::Seconds(3));
  EXPECT_THAT(Health(Unit(3)).queued->blocked_by, HasSubstr("unit 2 does not fit the others"));
  Pass(absl::Minutes(2));
  EXPECT_GT(rebuilds_.size(), before);
}

// Units that contradict each other, say: the same will come of it for as long as nothing changes.
TEST_F(ErasureHealingTest, TheMoreOftenARebuildFailsTheLongerIsThePause) {
  StartWith(7);
  rebuilding_ = false;
  Kill(3);
  std::vector<absl::Duration> ordered;
  for (int step = 0; step < 1000 && ordered.size() < 9; ++step) {
    const size_t before = rebuilds_.size();
    Pass(absl::Seconds(3));
    if (rebuilds_.size() == before) continue;
    ASSERT_EQ(rebuilds_.size(), before + 1);
    ordered.push_back(nn_->clock().Monotonic());
    const Rebuild& last = rebuilds_.back();
    nn_->Heartbeat(last.node, false,
                   {{.block = Unit(3).id,
                     .stamp = group_.stamp,
                     .target_uuids = {last.command.targets[0].at.datanode_uuid},
                     .reason = "they contradict each other"}});
  }
  ASSERT_THAT(ordered, SizeIs(9));
  absl::Duration pause = RedundancyQueue::kFirstPause;
  for (size_t i = 1; i < ordered.size(); ++i) {
    EXPECT_GE(ordered[i] - ordered[i - 1], pause) << i;
    EXPECT_LE(ordered[i] - ordered[i - 1], pause + absl::Seconds(6)) << i;
    pause = std::min(pause * 2, RedundancyQueue::kLongestPause);
  }
  EXPECT_EQ(pause, RedundancyQueue::kLongestPause);
}

TEST_F(ErasureHealingTest, OneDatanodesWordDeletesNoUnitOfAnother) {
  StartWith(8);
  std::vector<WrongUnit> all;
  for (uint32_t unit = 0; unit < 5; ++unit) {
    all.push_back({.block = Unit(unit).id,
                   .stamp = group_.stamp,
                   .datanode_uuid = TestNamenode::DatanodeUuid(static_cast<int>(unit)),
                   .reason = "byte 1 where all others say 2"});
  }
  nn_->Heartbeat(5, false, {}, all);
  Pass(absl::Minutes(2));
  EXPECT_THAT(doubted_, ::testing::IsEmpty());
  EXPECT_THAT(rebuilds_, ::testing::IsEmpty());
  EXPECT_THAT(deletions_, ::testing::IsEmpty());
  EXPECT_EQ(nn_->impl().Health().low(), 0u);
}

TEST_F(ErasureHealingTest, DatanodesWithBadUnitsOfTheGroupGetNoneIfThereAreOthers) {
  StartWith(8);
  for (const int unit : {1, 3}) {
    EXPECT_OK(nn_->Report(unit, Unit(static_cast<uint32_t>(unit)), ReplicaState::kCorrupt));
  }
  Pass(absl::Minutes(2));
  ASSERT_THAT(rebuilds_, SizeIs(1));
  ASSERT_THAT(rebuilds_[0].command.targets, SizeIs(2));
  for (const RebuildCommand::Target& target : rebuilds_[0].command.targets) {
    EXPECT_GE(NodeOf(target.at.datanode_uuid), 5);
  }
}

// Of five datanodes those with the bad units are the only ones without a good one.
TEST_F(ErasureHealingTest, WithoutOthersADatanodeGetsTheUnitThatIsNotBadThere) {
  StartWith(5);
  deleting_ = false;
  for (const int unit : {1, 3}) {
    EXPECT_OK(nn_->Report(unit, Unit(static_cast<uint32_t>(unit)), ReplicaState::kCorrupt));
  }
  Pass(absl::Minutes(10));
  for (const Rebuild& rebuild : rebuilds_) {
    EXPECT_THAT(rebuild.command.targets, SizeIs(1));
  }
  EXPECT_EQ(HoldersByUnit()[1], std::set<int>{3});
  EXPECT_EQ(HoldersByUnit()[3], std::set<int>{1});
}

TEST_F(ErasureHealingTest, AShortGroupIsComputedFromTheUnitsThatHoldBytes) {
  StartWith(7, /*bytes=*/10);  // unit 0 and parity
  Kill(0);
  Pass(kGivenUp + absl::Minutes(1));
  ASSERT_THAT(rebuilds_, SizeIs(1));
  EXPECT_THAT(rebuilds_[0].command.sources, SizeIs(2));
  ASSERT_THAT(rebuilds_[0].command.targets, SizeIs(1));
  EXPECT_EQ(rebuilds_[0].command.targets[0].unit, 0u);
}

TEST_F(ErasureHealingTest, AUnitThatIsFoundBadIsComputedAnewAndThenDeleted) {
  StartWith(7);
  ReportBad(Unit(2), 2);
  Pass(absl::Minutes(2));
  ASSERT_THAT(rebuilds_, SizeIs(1));
  EXPECT_EQ(rebuilds_[0].command.targets[0].unit, 2u);
  EXPECT_THAT(deletions_, ::testing::Contains(std::pair(2, Unit(2).id)));
  EXPECT_FALSE(HoldersByUnit()[2].contains(2));
}

}  // namespace
}  // namespace cairn::namenode
