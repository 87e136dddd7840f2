// setPermission, setOwner, setTimes, setReplication, storage policies, leases, and safe mode.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "namenode/core/testing/test_namenode.h"

namespace cairn::namenode {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

class AttributesTest : public ::testing::Test {
 protected:
  AttributesTest() {
    nn_.Mkdir("/home", kSuper, 0777);
    nn_.WriteFile("/home/f", {10}, kAlice);
  }
  TestNamenode nn_;
};

TEST_F(AttributesTest, OnlyTheOwnerSetsThePermission) {
  EXPECT_THAT(nn_->SetPermission(kBob, "/home/f", 0777).value, IsFsError(FsError::kAccessControl));
  EXPECT_OK(nn_->SetPermission(kAlice, "/home/f", 06755).value);
  EXPECT_EQ(nn_.Stat("/home/f")->mode, 0755u);
  EXPECT_OK(nn_->SetPermission(kSuper, "/home/f", 01700).value);
  EXPECT_EQ(nn_.Stat("/home/f")->mode, 01700u);
  EXPECT_THAT(nn_->SetPermission(kSuper, "/missing", 0).value, IsFsError(FsError::kFileNotFound));
  EXPECT_OK(nn_->SetPermission(kSuper, "/", 0777).value);
  nn_.Restart();
  EXPECT_EQ(nn_.Stat("/")->mode, 0777u);
}

TEST_F(AttributesTest, OnlyTheSuperuserGivesFilesAway) {
  EXPECT_THAT(nn_->SetOwner(kAlice, "/home/f", "bob", "").value,
              IsFsError(FsError::kAccessControl));
  EXPECT_OK(nn_->SetOwner(kAlice, "/home/f", "alice", "").value) << "to herself";
  EXPECT_OK(nn_->SetOwner(kAlice, "/home/f", "", "staff").value) << "a group of hers";
  EXPECT_THAT(nn_->SetOwner(kAlice, "/home/f", "", "wheel").value,
              IsFsError(FsError::kAccessControl));
  EXPECT_THAT(nn_->SetOwner(kBob, "/home/f", "", "staff").value,
              IsFsError(FsError::kAccessControl));
  EXPECT_OK(nn_->SetOwner(kSuper, "/home/f", "carol", "wheel").value);
  EXPECT_EQ(nn_.Stat("/home/f")->owner, "carol");
  EXPECT_EQ(nn_.Stat("/home/f")->group, "wheel");
  EXPECT_THAT(nn_->SetOwner(kSuper, "/missing", "x", "").value, IsFsError(FsError::kFileNotFound));
}

// The journal could not give them back.
TEST_F(AttributesTest, OwnersAndGroupsAreShortText) {
  EXPECT_THAT(nn_->SetOwner(kSuper, "/home/f", "\xff", "").value,
              IsFsError(FsError::kIllegalArgument));
  EXPECT_THAT(nn_->SetOwner(kSuper, "/home/f", "", std::string(100'000, 'x')).value,
              IsFsError(FsError::kIllegalArgument));
  for (const absl::string_view name :
       {absl::string_view("a\0b", 3), absl::string_view("a\nb"), absl::string_view("\t"),
        absl::string_view("\x1b[2J"), absl::string_view("a\x7f")}) {
    EXPECT_THAT(nn_->SetOwner(kSuper, "/home/f", name, "").value,
                IsFsError(FsError::kIllegalArgument));
    EXPECT_THAT(nn_->SetOwner(kSuper, "/home/f", "", name).value,
                IsFsError(FsError::kIllegalArgument));
  }
  EXPECT_EQ(std::string(nn_->SetOwner(kSuper, "/home/f", "a\nb", "").value.status().message()),
            "not the name of a user or a group: \"a\\nb\"");
  EXPECT_OK(nn_->SetOwner(kSuper, "/home/f", "DOMAIN\\a b@c", "x,y:$z'").value) << "as HDFS";
  EXPECT_OK(nn_->SetOwner(kSuper, "/home/f", "j\xc3\xbcrgen", "").value);
  nn_.Restart();
  EXPECT_EQ(nn_.Stat("/home/f")->owner, "j\xc3\xbcrgen");
}

TEST_F(AttributesTest, TimesAreSetOneByOne) {
  EXPECT_OK(nn_->SetTimes(kAlice, "/home/f", 5, std::nullopt).value);
  EXPECT_OK(nn_->SetTimes(kAlice, "/home/f", std::nullopt, 7).value);
  EXPECT_EQ(nn_.Stat("/home/f")->mtime_ms, 5u);
  EXPECT_EQ(nn_.Stat("/home/f")->atime_ms, 7u);
  EXPECT_OK(nn_->SetTimes(kSuper, "/home", 9, 9).value);
  EXPECT_EQ(nn_.Stat("/home")->mtime_ms, 9u);
  EXPECT_THAT(nn_->SetTimes(kBob, "/home/f", 1, 1).value, IsFsError(FsError::kAccessControl));
  EXPECT_THAT(nn_->SetTimes(kSuper, "/missing", 1, 1).value, IsFsError(FsError::kFileNotFound));
}

TEST_F(AttributesTest, TheOwnerOfAReadOnlyFileSetsItsTimes) {
  EXPECT_OK(nn_->SetPermission(kAlice, "/home/f", 0444).value);
  EXPECT_OK(nn_->SetTimes(kAlice, "/home/f", 5, 7).value);
  EXPECT_EQ(nn_.Stat("/home/f")->mtime_ms, 5u);
  EXPECT_THAT(nn_->SetTimes(kBob, "/home/f", 1, 1).value, IsFsError(FsError::kAccessControl));
  EXPECT_OK(nn_->SetPermission(kAlice, "/home/f", 0446).value);
  EXPECT_OK(nn_->SetTimes(kBob, "/home/f", 8, 9).value) << "who may write it may, too";
  EXPECT_EQ(nn_.Stat("/home/f")->mtime_ms, 8u);
}

TEST_F(AttributesTest, ReplicationIsAFilesAlone) {
  EXPECT_THAT(nn_->SetReplication(kAlice, "/home/f", 5).value, IsOkAndHolds(true));
  EXPECT_EQ(nn_.Stat("/home/f")->replication, 5u);
  EXPECT_THAT(nn_->SetReplication(kSuper, "/home", 5).value, IsOkAndHolds(false));
  EXPECT_THAT(nn_->SetReplication(kSuper, "/missing", 5).value, IsOkAndHolds(false));
  EXPECT_THAT(nn_->SetReplication(kBob, "/home/f", 5).value, IsFsError(FsError::kAccessControl));
  EXPECT_THAT(nn_->SetReplication(kSuper, "/home/f", 0).value, IsFsError(FsError::kIo));
  EXPECT_THAT(nn_->SetReplication(kSuper, "/home/f", 513).value, IsFsError(FsError::kIo));
  nn_.ExpectConsistent();
}

TEST_F(AttributesTest, StoragePoliciesAreInherited) {
  EXPECT_THAT(nn_->GetStoragePolicy(kSuper, "/home/f").value, IsOkAndHolds(7u));
  EXPECT_OK(nn_->SetStoragePolicy(kSuper, "/home", "COLD").value);
  EXPECT_THAT(nn_->GetStoragePolicy(kSuper, "/home/f").value, IsOkAndHolds(2u));
  EXPECT_OK(nn_->SetStoragePolicy(kAlice, "/home/f", "all_ssd").value);
  EXPECT_THAT(nn_->GetStoragePolicy(kSuper, "/home/f").value, IsOkAndHolds(12u));
  EXPECT_OK(nn_->SetStoragePolicy(kAlice, "/home/f", "").value) << "unset";
  EXPECT_THAT(nn_->GetStoragePolicy(kSuper, "/home/f").value, IsOkAndHolds(2u));
  EXPECT_THAT(nn_->SetStoragePolicy(kSuper, "/home", "LUKEWARM").value,
              IsFsError(FsError::kIllegalArgument));
  EXPECT_THAT(nn_->SetStoragePolicy(kSuper, "/missing", "HOT").value,
              IsFsError(FsError::kFileNotFound));
}

// ---- leases

TEST_F(AttributesTest, RenewingIsAlwaysFineAndKeepsTheFile) {
  EXPECT_OK(nn_->RenewLease(kAlice, "nobody").value);
  nn_.Create("/home/open", kAlice, "writer");
  for (int i = 0; i < 3; ++i) {
    nn_.clock().Advance(absl::Seconds(50));
    EXPECT_OK(nn_->RenewLease(kAlice, "writer").value);
  }
  EXPECT_THAT(nn_->Append(kSuper, "/home/open", "other", false).value,
              IsFsError(FsError::kAlreadyBeingCreated));
}

TEST_F(AttributesTest, RecoverLeaseClosesWhatIsNotInDoubt) {
  nn_.Create("/home/open", kAlice, "writer");
  EXPECT_THAT(nn_->RecoverLease(kAlice, "/home/open", "any").value, IsOkAndHolds(true));
  EXPECT_THAT(nn_->IsFileClosed(kSuper, "/home/open").value, IsOkAndHolds(true));
  EXPECT_THAT(nn_->RecoverLease(kAlice, "/home/open", "any").value, IsOkAndHolds(true));
  EXPECT_THAT(nn_->RecoverLease(kAlice, "/missing", "any").value,
              IsFsError(FsError::kFileNotFound));
  EXPECT_THAT(nn_->RecoverLease(kSuper, "/home", "any").value, IsFsError(FsError::kFileNotFound));
  EXPECT_THAT(nn_->RecoverLease(kBob, "/home/f", "any").value, IsFsError(FsError::kAccessControl));
}

TEST_F(AttributesTest, RecoverLeaseAsksTheDatanodesOnceWhileItIsPolled) {
  nn_.Create("/home/open", kAlice, "writer");
  const BlockVersion block = nn_.AddBlock("/home/open", {}, "writer").block;
  ASSERT_OK(nn_.Report(2, block, ReplicaState::kBeingWritten));
  EXPECT_THAT(nn_->RecoverLease(kAlice, "/home/open", "any").value, IsOkAndHolds(false));
  const TxId begun = nn_.journal().last_appended();
  EXPECT_THAT(nn_->RecoverLease(kAlice, "/home/open", "any").value, IsOkAndHolds(false));
  EXPECT_EQ(nn_.journal().last_appended(), begun) << "polling writes nothing";
  nn_->RunMaintenance();
  int orders = 0;
  GenerationStamp stamp{};
  for (int node = 0; node < 3; ++node) {
    for (const DatanodeCommand& command : nn_.Heartbeat(node)) {
      const auto* const recover = std::get_if<RecoverCommand>(&command);
      if (recover == nullptr) continue;
      ++orders;
      stamp = recover->new_stamp;
      EXPECT_EQ(recover->block.id, block.id);
      EXPECT_THAT(recover->replicas, SizeIs(3));
    }
  }
  EXPECT_EQ(orders, 1) << "one datanode leads";
  EXPECT_GT(stamp, block.stamp);
  nn_.ReportFinalized({block.id, stamp, 33}, 1, 2);
  EXPECT_THAT(nn_->RecoverLease(kAlice, "/home/open", "any").value, IsOkAndHolds(true));
  EXPECT_EQ(nn_.Stat("/home/open")->length, 33u);
}

TEST_F(AttributesTest, AnAbandonedFileIsClosedAfterTheHardLimit) {
  nn_.Create("/home/open", kAlice, "writer");
  nn_.clock().Advance(absl::Minutes(20) - absl::Milliseconds(1));
  nn_->RunMaintenance();
  EXPECT_THAT(nn_->IsFileClosed(kSuper, "/home/open").value, IsOkAndHolds(false));
  nn_.clock().Advance(absl::Milliseconds(1));
  nn_->RunMaintenance();
  EXPECT_THAT(nn_->IsFileClosed(kSuper, "/home/open").value, IsOkAndHolds(true));
}

// A reader may have seen bytes that were never synced: they are not given up before all datanodes
// have said what they hold.
TEST_F(AttributesTest, AfterARestartABlockThatNobodyHasShownIsWaitedFor) {
  nn_.Create("/home/open", kAlice, "writer");
  nn_.AddBlock("/home/open", {}, "writer");
  nn_.Restart();
  EXPECT_THAT(nn_->RecoverLease(kAlice, "/home/open", "any").value, IsOkAndHolds(false));
  nn_.SendFullReports();
  EXPECT_THAT(nn_->RecoverLease(kAlice, "/home/open", "any").value, IsOkAndHolds(true));
  EXPECT_EQ(nn_.Stat("/home/open")->length, 0u);
  nn_.ExpectConsistent();
}

TEST_F(AttributesTest, ARecoveryOfADeletedFileIsForgotten) {
  nn_.Create("/home/open", kAlice, "writer");
  const BlockVersion block = nn_.AddBlock("/home/open", {}, "writer").block;
  EXPECT_THAT(nn_->RecoverLease(kAlice, "/home/open", "any").value, IsOkAndHolds(false));
  EXPECT_THAT(nn_->Delete(kSuper, "/home/open", false).value, IsOkAndHolds(true));
  nn_->RunMaintenance();
  nn_.HeartbeatAll();
  EXPECT_OK(nn_.Report(0, {block.id, GenerationStamp{ToInt(block.stamp) + 1}, 3},
                       ReplicaState::kFinalized));
  nn_.ExpectConsistent();
}

// ---- safe mode

TEST_F(AttributesTest, InSafeModeNothingChanges) {
  EXPECT_THAT(nn_->SafeMode(kAlice, SafeModeAction::kEnter).value,
              IsFsError(FsError::kAccessControl));
  EXPECT_FALSE(nn_->SafeMode(kAlice, SafeModeAction::kGet).value->on);
  EXPECT_TRUE(nn_->SafeMode(kSuper, SafeModeAction::kEnter).value->on);
  const TxId before = nn_.journal().last_appended();
  const absl::Status status = nn_->Mkdirs(kSuper, "/x", 0755, true).value.status();
  EXPECT_THAT(status, IsFsError(FsError::kSafeMode));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("Cannot create directory /x. Name node is in safe mode"));
  EXPECT_THAT(nn_->Create(kSuper, "/x", CreateFlags(true, false)).value,
              IsFsError(FsError::kSafeMode));
  EXPECT_THAT(nn_->Delete(kSuper, "/home", true).value, IsFsError(FsError::kSafeMode));
  EXPECT_THAT(nn_->Rename(kSuper, "/home", "/x").value, IsFsError(FsError::kSafeMode));
  EXPECT_THAT(nn_->SetPermission(kSuper, "/home", 0).value, IsFsError(FsError::kSafeMode));
  EXPECT_TRUE(nn_.Exists("/home/f")) << "reads go on";
  EXPECT_OK(nn_->GetBlockLocations(kSuper, "/home/f", 0, 1).value);
  EXPECT_OK(nn_->RenewLease(kAlice, "writer").value);
  nn_.clock().Advance(absl::Hours(1));
  nn_->RunMaintenance();
  EXPECT_EQ(nn_.journal().last_appended(), before);
  EXPECT_FALSE(nn_->SafeMode(kSuper, SafeModeAction::kLeave).value->on);
  EXPECT_OK(nn_->Mkdirs(kSuper, "/x", 0755, true).value);
}

TEST_F(AttributesTest, StartUpSafeModeEndsWhenTheDatanodesAreBack) {
  nn_.Crash();
  ASSERT_OK(nn_.Start());
  nn_->StartSafeMode(absl::Minutes(1));
  EXPECT_THAT(nn_->Mkdirs(kSuper, "/x", 0755, true).value, IsFsError(FsError::kRetriable));
  nn_.RegisterDatanodes();
  nn_->RunMaintenance();
  EXPECT_OK(nn_->Mkdirs(kSuper, "/x", 0755, true).value);
}

TEST_F(AttributesTest, StartUpSafeModeEndsInTimeWithoutThem) {
  nn_.Crash();
  ASSERT_OK(nn_.Start());
  nn_->StartSafeMode(absl::Minutes(1));
  nn_.clock().Advance(absl::Minutes(1) - absl::Milliseconds(1));
  nn_->RunMaintenance();
  EXPECT_TRUE(nn_->SafeMode(kSuper, SafeModeAction::kGet).value->on);
  nn_.clock().Advance(absl::Milliseconds(1));
  nn_->RunMaintenance();
  EXPECT_FALSE(nn_->SafeMode(kSuper, SafeModeAction::kGet).value->on);
}

TEST_F(AttributesTest, StartUpSafeModeWaitsForNoDatanodeThatWasGivenUp) {
  const auto is_on = [&] {
    nn_->RunMaintenance();
    return nn_->SafeMode(kSuper, SafeModeAction::kGet).value->on;
  };
  nn_.clock().Advance(absl::Minutes(4));
  nn_.Heartbeat(0);
  nn_.Heartbeat(1);
  nn_.clock().Advance(absl::Minutes(1));
  nn_->RunMaintenance();  // datanode 2 has been silent for five minutes
  for (const bool flush : {false, true}) {
    if (flush) nn_.Flush();
    nn_.Crash();
    ASSERT_OK(nn_.Start());
    nn_->StartSafeMode(absl::Minutes(1));
    ASSERT_OK(nn_.RegisterDatanode(0));
    EXPECT_TRUE(is_on());
    ASSERT_OK(nn_.RegisterDatanode(1));
    EXPECT_FALSE(is_on()) << flush;
  }
  // It comes back, and is waited for again.
  ASSERT_OK(nn_.RegisterDatanode(2));
  nn_.clock().Advance(absl::Seconds(10));
  nn_->RunMaintenance();
  nn_.Crash();
  ASSERT_OK(nn_.Start());
  nn_->StartSafeMode(absl::Minutes(1));
  ASSERT_OK(nn_.RegisterDatanode(0));
  ASSERT_OK(nn_.RegisterDatanode(1));
  EXPECT_TRUE(is_on());
  ASSERT_OK(nn_.RegisterDatanode(2));
  EXPECT_FALSE(is_on());
}

TEST_F(AttributesTest, AFullDiskRefusesChangesAndHeals) {
  nn_.journal().SetReady(absl::ResourceExhaustedError("disk full"));
  EXPECT_THAT(nn_->Mkdirs(kSuper, "/x", 0755, true).value,
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_TRUE(nn_.Exists("/home"));
  nn_->RunMaintenance();
  nn_.journal().SetReady(absl::OkStatus());
  EXPECT_OK(nn_->Mkdirs(kSuper, "/x", 0755, true).value);
}

}  // namespace
}  // namespace cairn::namenode
