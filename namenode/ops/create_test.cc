// create, row by row.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "namenode/core/testing/test_namenode.h"

namespace cairn::namenode {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class CreateTest : public ::testing::Test {
 protected:
  Outcome<FileStatus> Create(absl::string_view path, const CreateOptions& options,
                             const Caller& caller = kSuper) {
    return nn_->Create(caller, path, options);
  }
  TestNamenode nn_;
};

TEST_F(CreateTest, ANewFileIsEmptyAndOpen) {
  CreateOptions options = CreateFlags(true, false);
  options.mode = 01640;
  options.replication = 2;
  const auto created = Create("/f", options);
  ASSERT_OK(created.value);
  EXPECT_NE(created.value->id, kNoInode);
  EXPECT_EQ(created.value->length, 0u);
  EXPECT_EQ(created.value->mode, 0640u);
  EXPECT_EQ(created.value->replication, 2u);
  EXPECT_EQ(created.value->block_bytes, kBlockBytes);
  EXPECT_EQ(created.value->owner, "hdfs");
  EXPECT_EQ(created.value->group, "supergroup") << "the parent's group";
  EXPECT_THAT(nn_->IsFileClosed(kSuper, "/f").value, IsOkAndHolds(false));
  EXPECT_TRUE(nn_.Stat("/f")->open);
  EXPECT_EQ(created.ticket, ToInt(nn_.journal().last_appended()));
}

TEST_F(CreateTest, ClosedFileInTheWay) {
  nn_.WriteFile("/f");
  EXPECT_FALSE(nn_.Stat("/f")->open);
  EXPECT_THAT(Create("/f", CreateFlags(true, false)).value, IsFsError(FsError::kFileAlreadyExists));
}

// The last component of such a path is a number, not the file's name.
TEST_F(CreateTest, OverwriteOfAFileNamedByItsInodeKeepsItsName) {
  const std::string id = absl::StrCat(ToInt(nn_.WriteFile("/d/f", {10}).id));
  const InodeId other = nn_.WriteFile("/d/" + id, {10}).id;
  const auto created = Create("/.reserved/.inodes/" + id, CreateFlags(true, true));
  ASSERT_OK(created.value);
  EXPECT_THAT(nn_.List("/d"), ElementsAre(id, "f"));
  EXPECT_EQ(nn_.Stat("/d/f")->id, created.value->id);
  EXPECT_EQ(nn_.Stat("/d/" + id)->id, other);
  const std::string directory = absl::StrCat(ToInt(nn_.Stat("/d")->id));
  ASSERT_OK(Create("/.reserved/.inodes/" + directory + "/a/g", CreateFlags(true, false)).value);
  EXPECT_TRUE(nn_.Exists("/d/a/g"));
  nn_.ExpectConsistent();
  nn_.Flush();
  nn_.Restart();
  EXPECT_EQ(nn_.Stat("/d/" + id)->id, other);
}

TEST_F(CreateTest, OverwriteReplacesTheFileByANewOne) {
  const FileStatus old = nn_.WriteFile("/f", {100});
  const auto created = Create("/f", CreateFlags(true, true));
  ASSERT_OK(created.value);
  EXPECT_NE(created.value->id, old.id);
  EXPECT_EQ(nn_.Stat("/f")->length, 0u);
  EXPECT_THAT(nn_.List("/"), ElementsAre("f"));
  nn_.ExpectConsistent();
}

TEST_F(CreateTest, OverwriteTakesAnOpenFileFromItsWriter) {
  nn_.Create("/f", kSuper, "first");
  ASSERT_OK(Create("/f", CreateFlags(true, true)).value);
  AddBlockRequest request;
  request.path = "/f";
  request.client_name = "first";
  EXPECT_THAT(nn_->AddBlock(kSuper, request, nullptr).value, IsFsError(FsError::kLeaseExpired));
}

TEST_F(CreateTest, OverwriteAloneNeedsAFile) {
  EXPECT_THAT(Create("/f", CreateFlags(false, true)).value, IsFsError(FsError::kFileNotFound));
  nn_.WriteFile("/f");
  EXPECT_OK(Create("/f", CreateFlags(false, true)).value);
}

TEST_F(CreateTest, SomeFlagIsNeeded) {
  EXPECT_THAT(Create("/f", CreateFlags(false, false)).value, IsFsError(FsError::kIllegalArgument));
}

TEST_F(CreateTest, DirectoryInTheWay) {
  nn_.Mkdir("/d");
  for (const bool overwrite : {false, true}) {
    const auto status = Create("/d", CreateFlags(true, overwrite)).value.status();
    EXPECT_THAT(status, IsFsError(FsError::kFileAlreadyExists));
    EXPECT_THAT(std::string(status.message()), HasSubstr("already exists as a directory"));
  }
  EXPECT_THAT(Create("/", CreateFlags(true, true)).value, IsFsError(FsError::kFileAlreadyExists));
}

TEST_F(CreateTest, MissingParentsAreMadeOnlyWhenAsked) {
  EXPECT_THAT(Create("/a/b/f", CreateFlags(true, false, /*create_parent=*/false)).value,
              IsFsError(FsError::kFileNotFound));
  EXPECT_THAT(nn_.List("/"), IsEmpty());
  ASSERT_OK(Create("/a/b/f", CreateFlags(true, false)).value);
  EXPECT_TRUE(nn_.Exists("/a/b/f"));
  EXPECT_TRUE(nn_.Stat("/a/b")->directory);
}

TEST_F(CreateTest, ParentsMadeOnTheWayHaveTheNearestOnesModeAndLetTheirOwnerIn) {
  nn_.Mkdir("/base", kSuper, 0077);
  ASSERT_OK(Create("/base/a/b/f", CreateFlags(true, false)).value);
  EXPECT_EQ(nn_.Stat("/base/a")->mode, 0377u);
  EXPECT_EQ(nn_.Stat("/base/a/b")->mode, 0377u);
}

TEST_F(CreateTest, AncestorIsAFile) {
  nn_.WriteFile("/f");
  EXPECT_THAT(Create("/f/g", CreateFlags(true, false)).value,
              IsFsError(FsError::kParentNotDirectory));
  EXPECT_THAT(Create("/f/g/h", CreateFlags(true, false)).value,
              IsFsError(FsError::kParentNotDirectory));
  EXPECT_THAT(nn_->Create(kAlice, "/f/g", CreateFlags(true, false)).value,
              IsFsError(FsError::kParentNotDirectory));
}

TEST_F(CreateTest, OpenFileInTheWay) {
  nn_.Create("/f", kSuper, "client");
  const auto own = Create("/f", CreateFlags(true, false)).value.status();
  EXPECT_THAT(own, IsFsError(FsError::kAlreadyBeingCreated));
  CreateOptions other = CreateFlags(true, false);
  other.client_name = "other";
  EXPECT_THAT(Create("/f", other).value, IsFsError(FsError::kAlreadyBeingCreated));
}

TEST_F(CreateTest, ASilentWritersFileIsRecoveredAfterTheSoftLimit) {
  nn_.Create("/f", kSuper, "gone");
  BlockVersion block = nn_.AddBlock("/f", {}, "gone").block;
  ASSERT_OK(nn_.Report(0, block, ReplicaState::kBeingWritten));
  nn_.clock().Advance(absl::Seconds(60));
  EXPECT_THAT(Create("/f", CreateFlags(true, false)).value,
              IsFsError(FsError::kRecoveryInProgress));
  // Recovery has begun: the old writer is shut out, the datanode is told, and its report closes it.
  AddBlockRequest request;
  request.path = "/f";
  request.client_name = "gone";
  EXPECT_THAT(nn_->AddBlock(kSuper, request, nullptr).value, IsFsError(FsError::kLeaseExpired));
  nn_.HeartbeatAll();
  nn_->RunMaintenance();
  GenerationStamp stamp{};
  for (int node = 0; node < 3; ++node) {
    for (const DatanodeCommand& command : nn_.Heartbeat(node)) {
      const auto* const recover = std::get_if<RecoverCommand>(&command);
      if (recover != nullptr) stamp = recover->new_stamp;
    }
  }
  EXPECT_GT(stamp, block.stamp);
  nn_.ReportFinalized({block.id, stamp, 77});
  EXPECT_THAT(nn_->IsFileClosed(kSuper, "/f").value, IsOkAndHolds(true));
  EXPECT_EQ(nn_.Stat("/f")->length, 77u);
  EXPECT_THAT(Create("/f", CreateFlags(true, false)).value, IsFsError(FsError::kFileAlreadyExists));
}

TEST_F(CreateTest, ASilentWritersFileWithoutBlocksIsClosedAtOnce) {
  nn_.Create("/f", kSuper, "gone");
  nn_.clock().Advance(absl::Seconds(60));
  EXPECT_THAT(Create("/f", CreateFlags(true, false)).value, IsFsError(FsError::kFileAlreadyExists));
  EXPECT_THAT(nn_->IsFileClosed(kSuper, "/f").value, IsOkAndHolds(true));
}

TEST_F(CreateTest, LimitsOfBlockSizeAndReplication) {
  CreateOptions options = CreateFlags(true, false);
  options.block_bytes = kBlockBytes - 1;
  auto status = Create("/f", options).value.status();
  EXPECT_THAT(status, IsFsError(FsError::kIo));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("Specified block size is less than configured minimum value"));
  options.block_bytes = kBlockBytes;
  for (const uint32_t replication : {0u, 513u}) {
    options.replication = replication;
    status = Create("/f", options).value.status();
    EXPECT_THAT(status, IsFsError(FsError::kIo));
    EXPECT_THAT(std::string(status.message()), HasSubstr("Requested replication factor of"));
  }
  options.replication = 512;
  EXPECT_OK(Create("/f", options).value);
}

TEST_F(CreateTest, NamesAreCheckedWhereTheyAreMade) {
  EXPECT_THAT(Create("f", CreateFlags(true, false)).value, IsFsError(FsError::kInvalidPath));
  EXPECT_THAT(Create("/a/../f", CreateFlags(true, false)).value, IsFsError(FsError::kInvalidPath));
  EXPECT_THAT(Create("/" + std::string(256, 'x'), CreateFlags(true, false)).value,
              IsFsError(FsError::kNameTooLong));
  EXPECT_THAT(Create("/" + std::string(256, 'x') + "/f", CreateFlags(true, false)).value,
              IsFsError(FsError::kNameTooLong));
  EXPECT_OK(Create("/" + std::string(255, 'x'), CreateFlags(true, false)).value);
  EXPECT_THAT(Create("/.reserved/f", CreateFlags(true, false)).value,
              IsFsError(FsError::kInvalidPath));
}

// What reaches the journal must come out of it again, and fit in.
TEST_F(CreateTest, ClientNamesAreShortText) {
  CreateOptions options = CreateFlags(true, false);
  for (const std::string& name : {std::string(), std::string("CAIRN_Namenode"),
                                  std::string("\xff\xfe"), std::string(100'000, 'x')}) {
    options.client_name = name;
    EXPECT_THAT(Create("/f", options).value, IsFsError(FsError::kIllegalArgument)) << name.size();
  }
  options.client_name = "DFSClient_NONMAPREDUCE_\xc3\xa9_1";
  ASSERT_OK(Create("/f", options).value);
  nn_.Restart();
  EXPECT_TRUE(nn_.Exists("/f"));
}

TEST_F(CreateTest, StoragePolicyByName) {
  CreateOptions options = CreateFlags(true, false);
  options.storage_policy = "nonsense";
  EXPECT_THAT(Create("/f", options).value, IsFsError(FsError::kIllegalArgument));
  options.storage_policy = "ALL_SSD";
  ASSERT_OK(Create("/f", options).value);
  EXPECT_THAT(nn_->GetStoragePolicy(kSuper, "/f").value, IsOkAndHolds(12u));
}

TEST_F(CreateTest, PermissionIsNeededOnTheParentOrOnTheOverwrittenFile) {
  nn_.Mkdir("/closed", kSuper, 0755);
  nn_.Mkdir("/open", kSuper, 0777);
  EXPECT_THAT(Create("/closed/f", CreateFlags(true, false), kAlice).value,
              IsFsError(FsError::kAccessControl));
  ASSERT_OK(Create("/open/f", CreateFlags(true, false), kAlice).value);
  EXPECT_THAT(Create("/open/f", CreateFlags(true, true), kBob).value,
              IsFsError(FsError::kAccessControl));
  EXPECT_THAT(Create("/open/f", CreateFlags(true, false), kBob).value,
              IsFsError(FsError::kAlreadyBeingCreated));
}

TEST_F(CreateTest, WhoMayNotCreateTakesNoLease) {
  nn_.Mkdir("/alice", kSuper, 0777);
  nn_.Mkdir("/alice/home", kAlice, 0755);
  nn_.Create("/alice/home/empty", kAlice, "gone");
  nn_.Create("/alice/home/f", kAlice, "gone");
  const BlockVersion block = nn_.AddBlock("/alice/home/f", {}, "gone").block;
  nn_.clock().Advance(absl::Seconds(61));
  CreateOptions options = CreateFlags(true, false);
  options.client_name = "other";
  for (const char* path : {"/alice/home/empty", "/alice/home/f"}) {
    EXPECT_THAT(Create(path, options, kBob).value, IsFsError(FsError::kAccessControl));
    EXPECT_THAT(nn_->IsFileClosed(kSuper, path).value, IsOkAndHolds(false));
  }
  EXPECT_OK(nn_->AbandonBlock(kAlice, "/alice/home/f", kNoInode, "gone", block).value)
      << "the lease is still its writer's";
}

TEST_F(CreateTest, AFullDirectoryTakesNoMore) {
  TestNamenode::Options options;
  options.namenode.max_directory_items = 2;
  TestNamenode nn(options);
  nn.Mkdir("/d/a");
  nn.WriteFile("/d/b");
  EXPECT_THAT(nn->Create(kSuper, "/d/c", CreateFlags(true, false)).value,
              IsFsError(FsError::kTooManyEntries));
  EXPECT_THAT(nn->Mkdirs(kSuper, "/d/c", 0755, true).value, IsFsError(FsError::kTooManyEntries));
  EXPECT_THAT(nn->Create(kSuper, "/d/b", CreateFlags(true, true)).value, IsOk())
      << "an overwritten name takes no room";
  nn.WriteFile("/e");
  EXPECT_THAT(nn->Rename(kSuper, "/e", "/d/e").value, IsFsError(FsError::kTooManyEntries));
}

}  // namespace
}  // namespace cairn::namenode
