// Leases that end: recovery takes a file from a writer who is gone, and from nobody else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <utility>

#include "namenode/core/testing/test_namenode.h"

namespace cairn::namenode {
namespace {

constexpr absl::Duration kHardLimit = absl::Minutes(20);
// After which the namenode looks again at what it is to close.
constexpr absl::Duration kAgain = absl::Seconds(10);

class LeasesTest : public ::testing::Test {
 protected:
  // The writer of `path` is gone, and datanode 0 has bytes of its block.
  BlockVersion Abandon(absl::string_view path) {
    nn_.Create(path, kSuper, "gone");
    const BlockVersion block = nn_.AddBlock(path, {}, "gone").block;
    EXPECT_OK(nn_.Report(0, block, ReplicaState::kBeingWritten));
    return block;
  }
  // Carries out the recovery that one of the datanodes has been ordered.
  void FinishRecovery(uint64_t length) {
    nn_->RunMaintenance();
    int orders = 0;
    for (int node = 0; node < 3; ++node) {
      for (const DatanodeCommand& command : nn_.Heartbeat(node)) {
        const auto* const order = std::get_if<RecoverCommand>(&command);
        if (order == nullptr) continue;
        ++orders;
        nn_.ReportFinalized({order->block.id, order->new_stamp, length});
      }
    }
    EXPECT_EQ(orders, 1);
  }
  bool IsClosed(absl::string_view path) { return *nn_->IsFileClosed(kSuper, path).value; }

  // Called without the lock when somebody's groups are looked up.
  std::function<void(const std::string& user)> on_groups_;
  TestNamenode nn_{[this] {
    TestNamenode::Options options;
    options.namenode.identities.groups_of = [this](const std::string& user) {
      if (on_groups_) on_groups_(user);
      return TestNamenode::GroupsOf(user);
    };
    return options;
  }()};
};

// Log writers do this: recoverLease until the file is closed, then append.
TEST_F(LeasesTest, WhoAppendsAfterARecoveryKeepsTheFile) {
  for (const uint64_t length : {uint64_t{30}, kBlockBytes}) {
    const std::string path = absl::StrCat("/f", length);
    Abandon(path);
    ASSERT_THAT(nn_->RecoverLease(kSuper, path, "b").value, IsOkAndHolds(false));
    FinishRecovery(length);
    ASSERT_TRUE(IsClosed(path));

    const auto appended = nn_->Append(kSuper, path, "b", false).value;
    ASSERT_OK(appended);
    for (int i = 0; i < 3; ++i) {
      nn_.clock().Advance(kAgain);
      nn_->RenewLease(kSuper, "b");
      nn_->RunMaintenance();
    }
    EXPECT_FALSE(IsClosed(path));
    BlockVersion block =
        appended->block ? appended->block->block : nn_.AddBlock(path, std::nullopt, "b").block;
    block.length += 5;
    nn_.ReportFinalized(block);
    EXPECT_THAT(nn_->Complete(kSuper, path, kNoInode, "b", block, nullptr).value,
                IsOkAndHolds(true));
    EXPECT_EQ(nn_.Stat(path)->length, length + 5);
  }
}

// What was noted of the first writer's file still holds for the second one's.
TEST_F(LeasesTest, WhoAppendsAfterARecoveryLosesTheFileWhenGoneInTurn) {
  Abandon("/f");
  ASSERT_THAT(nn_->RecoverLease(kSuper, "/f", "b").value, IsOkAndHolds(false));
  FinishRecovery(30);
  ASSERT_OK(nn_->Append(kSuper, "/f", "b", false).value);
  nn_.clock().Advance(kAgain);
  nn_->RunMaintenance();
  ASSERT_THAT(nn_->RecoverLease(kSuper, "/f", "c").value, IsOkAndHolds(false));
  FinishRecovery(30);
  EXPECT_TRUE(IsClosed("/f"));
}

// Between finding that a lease has expired and taking the lock, maintenance looks up a user's
// groups, and anything may happen.
TEST_F(LeasesTest, WhoOpensAFileWhileItsOldLeaseIsTakenKeepsIt) {
  nn_.WriteFile("/f", {kBlockBytes});
  ASSERT_OK(nn_->SetPermission(kSuper, "/f", 0666).value);
  ASSERT_OK(nn_->Append(kSuper, "/f", "gone", false).value);
  nn_.clock().Advance(kHardLimit);
  bool opened = false;
  on_groups_ = [&](const std::string& user) {
    if (user != "hdfs" || std::exchange(opened, true)) return;
    ASSERT_OK(nn_->Append(kBob, "/f", "b", false).value);
  };
  nn_->RunMaintenance();
  ASSERT_TRUE(opened);
  EXPECT_FALSE(IsClosed("/f"));
  EXPECT_THAT(nn_->Complete(kBob, "/f", kNoInode, "b", std::nullopt, nullptr).value,
              IsOkAndHolds(true));
}

// A lease that is kept under the namenode's name is renewed by nobody.
TEST_F(LeasesTest, WhoOpensAFileWhileItsRecoveryCannotBeWrittenKeepsItsLease) {
  nn_.WriteFile("/f", {kBlockBytes});
  ASSERT_OK(nn_->Append(kSuper, "/f", "gone", false).value);
  nn_.clock().Advance(kHardLimit);
  ASSERT_OK(nn_->SafeMode(kSuper, SafeModeAction::kEnter).value);
  nn_->RunMaintenance();
  EXPECT_FALSE(IsClosed("/f"));
  ASSERT_OK(nn_->SafeMode(kSuper, SafeModeAction::kLeave).value);
  ASSERT_OK(nn_->Append(kSuper, "/f", "b", false).value);
  for (int i = 0; i < 25; ++i) {
    nn_.clock().Advance(absl::Minutes(1));
    nn_->RenewLease(kSuper, "b");
    nn_->RunMaintenance();
  }
  EXPECT_FALSE(IsClosed("/f"));
  EXPECT_THAT(nn_->Complete(kSuper, "/f", kNoInode, "b", std::nullopt, nullptr).value,
              IsOkAndHolds(true));
}

}  // namespace
}  // namespace cairn::namenode
