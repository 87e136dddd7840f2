// Bringing a last block's replicas to one length: when datanodes are told to, and when the block
// goes instead.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "namenode/core/testing/test_namenode.h"

namespace cairn::namenode {
namespace {

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

TEST_F(UnseenBlockTest, StaysHoweverLongItsDatanodeIsAway) {
  Begin(/*held=*/true);
  for (const int node : {0, 2}) {
    Join(node);
    nn_.SendFullReport(node);
  }
  nn_.clock().Advance(absl::Hours(24));
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
