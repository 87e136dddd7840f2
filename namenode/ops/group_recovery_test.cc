// An erasure-coded file whose writer is gone closes with all that its units give.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <variant>

#include "namenode/core/testing/cold_files.h"

namespace cairn::namenode {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

// RS-3-2. Datanodes hold units of the lengths that a test says, and obey.
class GroupRecoveryTest : public ::testing::Test {
 protected:
  GroupRecoveryTest() {
    MakeCold(nn_);
    CreateOptions create = CreateFlags(true, false);
    create.block_bytes = 4 * kCell;
    EXPECT_OK(nn_->Create(kSuper, "/cold/f", create).value);
    const LocatedBlock added = nn_.AddBlock("/cold/f");
    group_ = added.block;
    for (size_t i = 0; i < added.units.size(); ++i) {
      node_of_[added.units[i]] = static_cast<int>(added.storages[i]);
    }
  }

  // What the writer left, by unit.
  void Left(const std::vector<uint64_t>& bytes) {
    for (uint32_t unit = 0; unit < bytes.size(); ++unit) {
      units_[unit] = {UnitOf(group_.id, unit), group_.stamp, bytes[unit]};
      if (bytes[unit] == 0) continue;
      EXPECT_OK(nn_.Report(node_of_[unit], units_[unit], ReplicaState::kBeingWritten));
    }
  }
  bool Recover() {
    const auto closed = nn_->RecoverLease(kSuper, "/cold/f", "other");
    EXPECT_OK(closed.value);
    return *closed.value;
  }
  // All but the `silent` do what they are told; true: somebody was told something.
  bool Obey(std::set<uint32_t> silent = {}) {
    nn_->RunMaintenance();
    bool any = false;
    for (const auto& [unit, node] : node_of_) {
      for (const DatanodeCommand& command : nn_.Heartbeat(node)) {
        if (const auto* const recover = std::get_if<RecoverCommand>(&command)) {
          EXPECT_EQ(recover->block.id, UnitOf(group_.id, unit));
          EXPECT_THAT(recover->replicas, SizeIs(1));
          any = true;
          if (!silent.contains(unit)) Finalize(unit, recover->new_stamp, units_[unit].length);
        } else if (const auto* const cut = std::get_if<TruncateCommand>(&command)) {
          EXPECT_EQ(cut->block.stamp, units_[unit].stamp);
          EXPECT_LE(cut->new_length, units_[unit].length);
          any = true;
          if (!silent.contains(unit)) Finalize(unit, cut->new_stamp, cut->new_length);
        }
      }
    }
    return any;
  }
  void Finalize(uint32_t unit, GenerationStamp stamp, uint64_t bytes) {
    units_[unit].stamp = stamp;
    units_[unit].length = bytes;
    EXPECT_OK(nn_.Report(node_of_[unit], units_[unit], ReplicaState::kFinalized));
  }
  // Goes on as long as a recovery may take.
  void RestartAndRecover() {
    nn_.Restart();
    nn_.SendFullReports();
    for (int step = 0; step < 8 && !IsClosed(); ++step) {
      Recover();
      Obey();
      nn_.clock().Advance(absl::Seconds(11));
      nn_.HeartbeatAll();
      nn_->RunMaintenance();
    }
  }
  bool IsClosed() { return *nn_->IsFileClosed(kSuper, "/cold/f").value; }
  std::vector<uint8_t> Located() {
    const auto located = nn_->GetBlockLocations(kSuper, "/cold/f", 0, UINT64_MAX);
    EXPECT_OK(located.value);
    return located.value->blocks.empty() ? std::vector<uint8_t>() : located.value->blocks[0].units;
  }

  TestNamenode nn_{WithErasureCoding(/*datanodes=*/6)};
  BlockVersion group_;
  std::map<uint32_t, int> node_of_;
  std::map<uint32_t, BlockVersion> units_;
};

TEST_F(GroupRecoveryTest, WholeStripesAreKept) {
  // Two stripes, and of the third a cell and a half, of which there is no parity.
  Left({3 * kCell, 2 * kCell + 500, 2 * kCell, 2 * kCell, 2 * kCell});
  EXPECT_FALSE(Recover());
  EXPECT_TRUE(Obey());
  EXPECT_TRUE(Obey());
  nn_->RunMaintenance();
  ASSERT_TRUE(IsClosed());
  EXPECT_EQ(nn_.Stat("/cold/f")->length, 6 * kCell);
  EXPECT_THAT(Located(), ElementsAre(0, 1, 2, 3, 4));
  nn_.ExpectConsistent();
}

TEST_F(GroupRecoveryTest, UnitsThatAreAheadAreCut) {
  // The first stripe is whole by way of parity; what unit 2 has of the next one follows a gap.
  Left({kCell, 300, 2 * kCell, kCell, kCell});
  EXPECT_FALSE(Recover());
  EXPECT_TRUE(Obey());
  EXPECT_TRUE(Obey());
  nn_->RunMaintenance();
  ASSERT_TRUE(IsClosed());
  EXPECT_EQ(nn_.Stat("/cold/f")->length, 3 * kCell);
  EXPECT_EQ(units_[2].length, kCell);
  EXPECT_THAT(Located(), ElementsAre(0, 2, 3, 4)) << "unit 1 is computed";
}

TEST_F(GroupRecoveryTest, OfAGroupWithoutAWholeStripeTheDataUnitsAreKept) {
  Left({kCell, 300, 0, kCell, kCell});  // parity may be of more than the 300 bytes
  EXPECT_FALSE(Recover());
  EXPECT_TRUE(Obey());
  EXPECT_TRUE(Obey());
  nn_->RunMaintenance();
  ASSERT_TRUE(IsClosed());
  EXPECT_EQ(nn_.Stat("/cold/f")->length, kCell + 300);
  EXPECT_THAT(Located(), ElementsAre(0, 1));
}

TEST_F(GroupRecoveryTest, AFileOfWhichNothingWasWrittenLosesTheGroup) {
  Left({0, 0, 0, 0, 0});
  EXPECT_FALSE(Recover());
  EXPECT_TRUE(Obey());
  nn_->RunMaintenance();
  ASSERT_TRUE(IsClosed());
  EXPECT_EQ(nn_.Stat("/cold/f")->length, 0u);
  EXPECT_TRUE(Located().empty());
}

TEST_F(GroupRecoveryTest, ItGoesOnWithoutThoseThatDoNotAnswer) {
  Left({kCell, kCell, kCell, kCell, kCell});
  EXPECT_FALSE(Recover());
  EXPECT_TRUE(Obey(/*silent=*/{0, 4}));
  EXPECT_FALSE(Obey());
  nn_.clock().Advance(absl::Seconds(11));
  nn_.HeartbeatAll();
  nn_->RunMaintenance();
  EXPECT_TRUE(Obey(/*silent=*/{0, 4}));
  nn_->RunMaintenance();
  ASSERT_TRUE(IsClosed());
  EXPECT_EQ(nn_.Stat("/cold/f")->length, 3 * kCell);
  EXPECT_THAT(Located(), ElementsAre(1, 2, 3));
}

TEST_F(GroupRecoveryTest, WithTooFewAnswersItWaits) {
  Left({kCell, kCell, kCell, kCell, kCell});
  EXPECT_FALSE(Recover());
  for (int step = 0; step < 5; ++step) {
    Obey(/*silent=*/{0, 1, 4});
    nn_.clock().Advance(absl::Seconds(11));
    nn_.HeartbeatAll();
  }
  EXPECT_FALSE(IsClosed());
  EXPECT_FALSE(Recover());
  nn_->RunMaintenance();
  EXPECT_EQ(nn_->DescribeBlock(kSuper, group_.id).value->recovery_waits_for,
            "0 of 5 units have told how long they are");
  for (int step = 0; step < 5 && !IsClosed(); ++step) {
    Obey();
    nn_.clock().Advance(absl::Seconds(11));
    nn_.HeartbeatAll();
    nn_->RunMaintenance();
  }
  EXPECT_TRUE(IsClosed());
  EXPECT_EQ(nn_.Stat("/cold/f")->length, 3 * kCell);
}

TEST_F(GroupRecoveryTest, WhatAFlushHasAcknowledgedIsKeptThoughADataUnitIsLost) {
  const uint64_t flushed = 3 * kCell + kCell + 10;
  ASSERT_OK(nn_->Fsync(kSuper, "/cold/f", kNoInode, "client", flushed).value);
  Left({2 * kCell, kCell + 10, kCell, 2 * kCell, 2 * kCell});
  EXPECT_FALSE(Recover());
  EXPECT_TRUE(Obey(/*silent=*/{1, 3}));
  nn_.clock().Advance(absl::Seconds(11));
  nn_.HeartbeatAll();
  nn_->RunMaintenance();
  EXPECT_TRUE(Obey(/*silent=*/{1, 3}));
  nn_->RunMaintenance();
  ASSERT_TRUE(IsClosed());
  EXPECT_EQ(nn_.Stat("/cold/f")->length, flushed);
  EXPECT_THAT(Located(), ElementsAre(0, 2, 4)) << "unit 1 is computed";
}

TEST_F(GroupRecoveryTest, WhatAFlushHasAcknowledgedIsWaitedFor) {
  ASSERT_OK(nn_->Fsync(kSuper, "/cold/f", kNoInode, "client", 3 * kCell).value);
  Left({kCell, kCell, kCell, kCell - 1, kCell - 1});
  EXPECT_FALSE(Recover());
  for (int step = 0; step < 4; ++step) {
    Obey(/*silent=*/{0});
    nn_.clock().Advance(absl::Seconds(11));
    nn_.HeartbeatAll();
  }
  EXPECT_FALSE(IsClosed());
  for (int step = 0; step < 6 && !IsClosed(); ++step) {
    Obey();
    nn_.clock().Advance(absl::Seconds(11));
    nn_.HeartbeatAll();
    nn_->RunMaintenance();
  }
  EXPECT_TRUE(IsClosed());
  EXPECT_EQ(nn_.Stat("/cold/f")->length, 3 * kCell);
}

TEST_F(GroupRecoveryTest, BytesThatNobodyWasToldOfAreNotWaitedFor) {
  Left({500, 0, 0, 0, 0});
  EXPECT_FALSE(Recover());
  EXPECT_TRUE(Obey(/*silent=*/{0}));
  nn_->RunMaintenance();
  EXPECT_FALSE(IsClosed());
  nn_.clock().Advance(absl::Seconds(11));
  nn_.HeartbeatAll();
  nn_->RunMaintenance();
  EXPECT_TRUE(IsClosed());
  EXPECT_EQ(nn_.Stat("/cold/f")->length, 0u);
}

// All nodes died while the group was begun: some of its units were never made, and nobody remembers
// who was to have them.
TEST_F(GroupRecoveryTest, UnitsThatNobodyHasAreNotWaitedFor) {
  Left({kCell, 500, 0, 0, 0});
  RestartAndRecover();
  ASSERT_TRUE(IsClosed());
  EXPECT_EQ(nn_.Stat("/cold/f")->length, kCell + 500);
  EXPECT_THAT(Located(), ElementsAre(0, 1));
}

TEST_F(GroupRecoveryTest, FewUnitsOfNoBytesAreNoReasonToWait) {
  Left({0, 0, 0, 0, 0});
  for (const uint32_t unit : {0U, 3U}) {
    EXPECT_OK(nn_.Report(node_of_[unit], units_[unit], ReplicaState::kBeingWritten));
  }
  RestartAndRecover();
  ASSERT_TRUE(IsClosed());
  EXPECT_EQ(nn_.Stat("/cold/f")->length, 0u);
  EXPECT_TRUE(Located().empty());
}

TEST_F(GroupRecoveryTest, AcknowledgedBytesThatAreNotThereKeepTheFileOpen) {
  ASSERT_OK(nn_->Fsync(kSuper, "/cold/f", kNoInode, "client", 3 * kCell).value);
  Left({kCell, kCell, 0, 0, 0});
  RestartAndRecover();
  EXPECT_FALSE(IsClosed());
}

// Orders that cannot help are not given again and again.
TEST_F(GroupRecoveryTest, ItPausesBetweenTriesThatEndInNothing) {
  ASSERT_OK(nn_->Fsync(kSuper, "/cold/f", kNoInode, "client", 3 * kCell).value);
  Left({kCell, kCell, kCell - 1, kCell - 1, kCell - 1});  // nobody has what was acknowledged
  EXPECT_FALSE(Recover());
  EXPECT_TRUE(Obey());
  for (int step = 0; step < 5; ++step) EXPECT_FALSE(Obey()) << step;
  EXPECT_FALSE(IsClosed());
  nn_.clock().Advance(absl::Seconds(11));
  nn_.HeartbeatAll();
  EXPECT_TRUE(Obey());
}

TEST_F(GroupRecoveryTest, TheOldWriterIsShutOut) {
  Left({kCell, kCell, kCell, kCell, kCell});
  EXPECT_FALSE(Recover());
  BlockVersion all = group_;
  all.length = 3 * kCell;
  EXPECT_THAT(nn_->Complete(kSuper, "/cold/f", kNoInode, "client", all, nullptr).value,
              IsFsError(FsError::kLeaseExpired));
}

TEST_F(GroupRecoveryTest, ARestartInTheMiddleBeginsAnew) {
  Left({kCell, kCell, kCell, kCell, kCell});
  EXPECT_FALSE(Recover());
  EXPECT_TRUE(Obey());
  RestartAndRecover();
  ASSERT_TRUE(IsClosed());
  EXPECT_EQ(nn_.Stat("/cold/f")->length, 3 * kCell);
  nn_.ExpectConsistent();
}

}  // namespace
}  // namespace cairn::namenode
