// rename, rename2, delete and mkdirs, row by row.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "namenode/core/testing/test_namenode.h"

namespace cairn::namenode {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class RenameTest : public ::testing::Test {
 protected:
  absl::StatusOr<bool> Rename(absl::string_view from, absl::string_view to,
                              const Caller& caller = kSuper) {
    return nn_->Rename(caller, from, to).value;
  }
  absl::Status Rename2(absl::string_view from, absl::string_view to, bool overwrite = false,
                       const Caller& caller = kSuper, bool to_trash = false) {
    return nn_->Rename2(caller, from, to, overwrite, to_trash).value.status();
  }
  absl::StatusOr<bool> Delete(absl::string_view path, bool recursive = false,
                              const Caller& caller = kSuper) {
    return nn_->Delete(caller, path, recursive).value;
  }
  absl::StatusOr<bool> Mkdirs(absl::string_view path, bool create_parent = true,
                              const Caller& caller = kSuper, uint32_t mode = 0755) {
    return nn_->Mkdirs(caller, path, mode, create_parent).value;
  }
  TestNamenode nn_;
};

// ---- rename

TEST_F(RenameTest, AFileOrADirectoryGetsItsNewName) {
  nn_.WriteFile("/f", {10});
  nn_.WriteFile("/d/e/g", {10});
  EXPECT_THAT(Rename("/f", "/f2"), IsOkAndHolds(true));
  EXPECT_THAT(Rename("/d", "/d2"), IsOkAndHolds(true));
  EXPECT_THAT(nn_.List("/"), ElementsAre("d2", "f2"));
  EXPECT_TRUE(nn_.Exists("/d2/e/g"));
  nn_.ExpectConsistent();
}

// The last component of such a path is a number, not the target's name.
TEST_F(RenameTest, ATargetNamedByItsInodeKeepsItsName) {
  const InodeId moved = nn_.WriteFile("/x", {10}).id;
  const std::string id = absl::StrCat(ToInt(nn_.WriteFile("/y", {10}).id));
  const InodeId other = nn_.WriteFile("/" + id, {10}).id;
  const std::string by_id = "/.reserved/.inodes/" + id;
  EXPECT_THAT(Rename2("/x", by_id), IsFsError(FsError::kFileAlreadyExists));
  EXPECT_THAT(Rename("/x", by_id), IsOkAndHolds(false));
  ASSERT_OK(Rename2("/x", by_id, /*overwrite=*/true));
  EXPECT_THAT(nn_.List("/"), ElementsAre(id, "y"));
  EXPECT_EQ(nn_.Stat("/y")->id, moved);
  EXPECT_EQ(nn_.Stat("/" + id)->id, other);

  nn_.Mkdir("/d");
  const std::string directory = absl::StrCat("/.reserved/.inodes/", ToInt(nn_.Stat("/d")->id));
  EXPECT_THAT(Rename("/y", directory), IsOkAndHolds(true)) << "into it";
  ASSERT_OK(Rename2(directory + "/y", directory + "/z"));
  EXPECT_THAT(nn_.List("/d"), ElementsAre("z"));
  EXPECT_THAT(Mkdirs(directory + "/a/b"), IsOkAndHolds(true));
  EXPECT_TRUE(nn_.Exists("/d/a/b"));
  nn_.ExpectConsistent();
  nn_.Flush();
  nn_.Restart();
  EXPECT_EQ(nn_.Stat("/" + id)->id, other);
}

// Trap 23: clients compare a directory's time to see whether anything in it changed.
TEST_F(RenameTest, Trap23ADirectorysTimeMovesWhenItsEntriesDo) {
  nn_.Mkdir("/a");
  nn_.Mkdir("/b");
  const auto moves = [&](absl::string_view path, const std::function<void()>& change) {
    const uint64_t before = nn_.Stat(path)->mtime_ms;
    nn_.clock().Advance(absl::Seconds(1));
    change();
    return nn_.Stat(path)->mtime_ms > before;
  };
  EXPECT_TRUE(moves("/a", [&] { nn_.Create("/a/f"); }));
  EXPECT_FALSE(moves("/a", [&] { nn_.AddBlock("/a/f"); }));
  nn_.WriteFile("/a/g");
  EXPECT_TRUE(moves("/a", [&] { nn_.Mkdir("/a/d"); }));
  EXPECT_FALSE(moves("/a", [&] { nn_.Mkdir("/a/d/e"); })) << "its child's, not its own";
  EXPECT_TRUE(moves("/a", [&] { ASSERT_THAT(Rename("/a/g", "/a/h"), IsOkAndHolds(true)); }));
  const uint64_t b = nn_.Stat("/b")->mtime_ms;
  EXPECT_TRUE(moves("/a", [&] { ASSERT_THAT(Rename("/a/h", "/b/h"), IsOkAndHolds(true)); }));
  EXPECT_GT(nn_.Stat("/b")->mtime_ms, b);
  EXPECT_TRUE(moves("/b", [&] { ASSERT_THAT(Delete("/b/h"), IsOkAndHolds(true)); }));
}

TEST_F(RenameTest, NothingToRename) {
  nn_.Mkdir("/d");
  EXPECT_THAT(Rename("/missing", "/x"), IsOkAndHolds(false));
  EXPECT_THAT(Rename("/", "/d/x"), IsOkAndHolds(false));
}

TEST_F(RenameTest, OntoADirectoryMeansIntoIt) {
  nn_.Mkdir("/d");
  nn_.WriteFile("/a/f");
  EXPECT_THAT(Rename("/a/f", "/d"), IsOkAndHolds(true));
  EXPECT_TRUE(nn_.Exists("/d/f"));
  EXPECT_THAT(Rename("/d/f", "/"), IsOkAndHolds(true));
  EXPECT_THAT(nn_.List("/"), ElementsAre("a", "d", "f"));
  nn_.WriteFile("/d/f");
  EXPECT_THAT(Rename("/f", "/d"), IsOkAndHolds(false)) << "the name is taken there";
}

TEST_F(RenameTest, OntoAFileIsRefused) {
  nn_.WriteFile("/f");
  nn_.WriteFile("/g");
  nn_.Mkdir("/d");
  EXPECT_THAT(Rename("/f", "/g"), IsOkAndHolds(false));
  EXPECT_THAT(Rename("/d", "/g"), IsOkAndHolds(false));
}

TEST_F(RenameTest, WhereTheDestinationHasNoParent) {
  nn_.WriteFile("/f");
  nn_.WriteFile("/g");
  EXPECT_THAT(Rename("/f", "/missing/f"), IsOkAndHolds(false));
  EXPECT_THAT(Rename("/f", "/missing/deep/f"), IsOkAndHolds(false));
  EXPECT_THAT(Rename("/f", "/g/x"), IsFsError(FsError::kParentNotDirectory));
  EXPECT_THAT(Rename("/f", "/g/x/y"), IsFsError(FsError::kParentNotDirectory));
}

TEST_F(RenameTest, ADirectoryNeverMovesBelowItself) {
  nn_.Mkdir("/d/e");
  EXPECT_THAT(Rename("/d", "/d/x"), IsOkAndHolds(false));
  EXPECT_THAT(Rename("/d", "/d/e"), IsOkAndHolds(false));
  EXPECT_THAT(Rename("/d", "/d/e/x"), IsOkAndHolds(false));
  EXPECT_THAT(Rename2("/d", "/d/x"), IsFsError(FsError::kIo));
  EXPECT_THAT(Rename2("/d", "/d/e/x"), IsFsError(FsError::kIo));
  EXPECT_THAT(Rename2("/d/e", "/d", true), IsFsError(FsError::kIo)) << "nor replaces its parent";
  nn_.ExpectConsistent();
}

TEST_F(RenameTest, OntoItself) {
  nn_.WriteFile("/f");
  nn_.Mkdir("/d");
  EXPECT_THAT(Rename("/f", "/f"), IsOkAndHolds(true));
  EXPECT_THAT(Rename("/f", "/"), IsOkAndHolds(true));
  EXPECT_THAT(Rename("/d", "/d"), IsOkAndHolds(false));
  EXPECT_THAT(Rename2("/f", "/f"), IsFsError(FsError::kFileAlreadyExists));
  EXPECT_THAT(Rename2("/f", "/f", true), IsFsError(FsError::kFileAlreadyExists));
  EXPECT_THAT(Rename2("/d", "/d", true), IsFsError(FsError::kFileAlreadyExists));
}

TEST_F(RenameTest, AnOpenFileStaysOpenUnderItsNewName) {
  nn_.Create("/d/f");
  EXPECT_THAT(Rename("/d", "/e"), IsOkAndHolds(true));
  nn_.AddBlock("/e/f");
  nn_.Restart();
  EXPECT_THAT(nn_->IsFileClosed(kSuper, "/e/f").value, IsOkAndHolds(false));
  nn_.ExpectConsistent();
}

TEST_F(RenameTest, NewNamesAreChecked) {
  nn_.WriteFile("/f");
  EXPECT_THAT(Rename("/f", "/" + std::string(256, 'x')), IsFsError(FsError::kNameTooLong));
  EXPECT_THAT(Rename2("/f", "/" + std::string(256, 'x')), IsFsError(FsError::kNameTooLong));
  EXPECT_THAT(Rename("/f", "/a/./b"), IsFsError(FsError::kInvalidPath));
  EXPECT_THAT(Rename("f", "/b"), IsFsError(FsError::kInvalidPath));
  EXPECT_THAT(Rename2("/f", "/.reserved"), IsFsError(FsError::kInvalidPath));
}

// ---- rename2

TEST_F(RenameTest, Rename2ExplainsItself) {
  nn_.WriteFile("/f");
  nn_.Mkdir("/d");
  const absl::Status missing = Rename2("/missing", "/x");
  EXPECT_THAT(missing, IsFsError(FsError::kFileNotFound));
  EXPECT_THAT(Rename2("/", "/x"), IsFsError(FsError::kIo));
  const absl::Status to_root = Rename2("/f", "/", true);
  EXPECT_THAT(to_root, IsFsError(FsError::kIo));
  EXPECT_THAT(std::string(to_root.message()), HasSubstr("rename destination cannot be the root"));
  const absl::Status no_parent = Rename2("/f", "/missing/x");
  EXPECT_THAT(no_parent, IsFsError(FsError::kFileNotFound));
  EXPECT_THAT(std::string(no_parent.message()), HasSubstr("rename destination parent"));
  EXPECT_THAT(Rename2("/d", "/f/x"), IsFsError(FsError::kParentNotDirectory));
  EXPECT_THAT(Rename2("/d", "/f/x/y"), IsFsError(FsError::kParentNotDirectory));
}

TEST_F(RenameTest, Rename2ReplacesAFileOnlyWhenAsked) {
  nn_.WriteFile("/f", {10});
  nn_.WriteFile("/g", {20});
  EXPECT_THAT(Rename2("/f", "/g"), IsFsError(FsError::kFileAlreadyExists));
  EXPECT_OK(Rename2("/f", "/g", true));
  EXPECT_EQ(nn_.Stat("/g")->length, 10u);
  EXPECT_THAT(nn_.List("/"), ElementsAre("g"));
  nn_.ExpectConsistent();
}

TEST_F(RenameTest, Rename2ReplacesAnEmptyDirectoryByADirectory) {
  nn_.WriteFile("/d/f", {10});
  nn_.Mkdir("/empty");
  nn_.Mkdir("/full/x");
  EXPECT_THAT(Rename2("/d", "/empty"), IsFsError(FsError::kFileAlreadyExists));
  const absl::Status full = Rename2("/d", "/full", true);
  EXPECT_THAT(full, IsFsError(FsError::kIo));
  EXPECT_THAT(std::string(full.message()), HasSubstr("rename destination directory is not empty"));
  EXPECT_OK(Rename2("/d", "/empty", true));
  EXPECT_TRUE(nn_.Exists("/empty/f"));
  nn_.ExpectConsistent();
}

TEST_F(RenameTest, Rename2KeepsFilesAndDirectoriesApart) {
  nn_.WriteFile("/f");
  nn_.Mkdir("/d");
  EXPECT_THAT(Rename2("/f", "/d", true), IsFsError(FsError::kIo));
  EXPECT_THAT(Rename2("/d", "/f", true), IsFsError(FsError::kIo));
}

TEST_F(RenameTest, BothSidesNeedWritePermission) {
  nn_.Mkdir("/mine", kSuper, 0777);
  nn_.Mkdir("/theirs", kSuper, 0755);
  nn_.WriteFile("/mine/f", {}, kAlice);
  nn_.WriteFile("/theirs/g");
  EXPECT_THAT(Rename("/mine/f", "/theirs/f", kAlice), IsFsError(FsError::kAccessControl));
  EXPECT_THAT(Rename("/theirs/g", "/mine/g", kAlice), IsFsError(FsError::kAccessControl));
  EXPECT_THAT(Rename2("/mine/f", "/theirs/g", true, kAlice), IsFsError(FsError::kAccessControl));
  EXPECT_THAT(Rename("/mine/f", "/mine/f2", kAlice), IsOkAndHolds(true));
}

// As HDFS: the right to search is asked for first, and each by itself.
TEST_F(RenameTest, ADenialNamesTheOneRightThatIsMissing) {
  nn_.Mkdir("/mine", kSuper, 0777);
  nn_.WriteFile("/mine/f", {}, kAlice);
  nn_.Mkdir("/closed", kSuper, 0755);
  nn_.WriteFile("/closed/g");
  nn_.Mkdir("/hidden", kSuper, 0766);
  nn_.Mkdir("/secret", kSuper, 0700);
  const std::string closed =
      "Permission denied: user=alice, access=WRITE, "
      "inode=\"/closed\":hdfs:supergroup:drwxr-xr-x";
  const std::string hidden =
      "Permission denied: user=alice, access=EXECUTE, "
      "inode=\"/hidden\":hdfs:supergroup:drwxrw-rw-";
  const std::string secret =
      "Permission denied: user=alice, access=EXECUTE, "
      "inode=\"/secret\":hdfs:supergroup:drwx------";
  const auto create = [&](absl::string_view path) {
    return nn_->Create(kAlice, path, CreateFlags(true, false)).value.status();
  };
  const auto text = [](const absl::Status& status) { return std::string(status.message()); };
  EXPECT_EQ(text(Mkdirs("/closed/x/y", true, kAlice).status()), closed);
  EXPECT_EQ(text(Mkdirs("/hidden/x/y", true, kAlice).status()), hidden);
  EXPECT_EQ(text(Mkdirs("/secret/x", true, kAlice).status()), secret);
  EXPECT_EQ(text(create("/closed/x")), closed);
  EXPECT_EQ(text(create("/closed/g")), closed) << "there already";
  EXPECT_EQ(text(create("/hidden/x")), hidden);
  EXPECT_EQ(text(create("/secret/x")), secret);
  EXPECT_EQ(text(Delete("/closed/g", false, kAlice).status()), closed);
  EXPECT_EQ(text(Rename("/closed/g", "/mine/g", kAlice).status()), closed);
  const std::pair<std::string, std::string> denials[] = {
      {"/closed", closed}, {"/hidden", hidden}, {"/secret", secret}};
  for (const auto& [directory, denial] : denials) {
    const std::string target = absl::StrCat(directory, "/f");
    EXPECT_EQ(text(Rename("/mine/f", target, kAlice).status()), denial);
    EXPECT_EQ(text(Rename("/mine/f", directory, kAlice).status()), denial) << "into it";
    EXPECT_EQ(text(Rename2("/mine/f", target, false, kAlice)), denial);
  }
}

TEST_F(RenameTest, MovingToTrashNeedsTheRightToDelete) {
  nn_.Mkdir("/home", kSuper, 0777);
  nn_.Mkdir("/home/d/x");
  EXPECT_THAT(Rename2("/home/d", "/home/t", false, kAlice, /*to_trash=*/true),
              IsFsError(FsError::kAccessControl));
  EXPECT_OK(Rename2("/home/d", "/home/t", false, kAlice, /*to_trash=*/false));
}

TEST_F(RenameTest, InAStickyDirectoryOnlyOwnersMoveAndDelete) {
  nn_.Mkdir("/tmp", kSuper, 01777);
  nn_.WriteFile("/tmp/f", {}, kAlice);
  nn_.WriteFile("/tmp/g", {}, kBob);
  EXPECT_THAT(Rename("/tmp/f", "/tmp/x", kBob), IsFsError(FsError::kAccessControl));
  EXPECT_THAT(Rename2("/tmp/g", "/tmp/f", true, kBob), IsFsError(FsError::kAccessControl));
  const absl::Status sticky = Delete("/tmp/f", false, kBob).status();
  EXPECT_THAT(sticky, IsFsError(FsError::kAccessControl));
  EXPECT_THAT(std::string(sticky.message()), HasSubstr("sticky bit"));
  EXPECT_THAT(Delete("/tmp/f", false, kAlice), IsOkAndHolds(true));
  EXPECT_THAT(Delete("/tmp/g"), IsOkAndHolds(true)) << "the superuser may";
}

// ---- delete

TEST_F(RenameTest, DeletingWhatIsNotThere) {
  EXPECT_THAT(Delete("/missing", true), IsOkAndHolds(false));
  EXPECT_THAT(Delete("/missing/deeper", true), IsOkAndHolds(false));
  EXPECT_THAT(Delete("/", true), IsOkAndHolds(false));
}

TEST_F(RenameTest, AFullDirectoryIsDeletedOnlyRecursively) {
  nn_.WriteFile("/d/f", {10});
  const absl::Status full = Delete("/d").status();
  EXPECT_THAT(full, IsFsError(FsError::kNotEmptyDirectory));
  EXPECT_THAT(std::string(full.message()), HasSubstr("/d is non empty"));
  EXPECT_THAT(Delete("/d", true), IsOkAndHolds(true));
  EXPECT_FALSE(nn_.Exists("/d"));
  EXPECT_FALSE(nn_.Exists("/d/f"));
  nn_.Mkdir("/e");
  EXPECT_THAT(Delete("/e"), IsOkAndHolds(true)) << "an empty one goes without";
}

TEST_F(RenameTest, AncestorsThatAreFiles) {
  nn_.WriteFile("/f");
  EXPECT_THAT(Delete("/f/x"), IsFsError(FsError::kAccessControl));
}

TEST_F(RenameTest, ADeletedSubtreeIsWorkedOffAndItsBlocksAreInvalidated) {
  std::vector<BlockVersion> blocks;
  for (int i = 0; i < 600; ++i) nn_.WriteFile(absl::StrCat("/d/", i % 7, "/f", i));
  nn_.WriteFile("/d/last", {10, 20});
  EXPECT_THAT(Delete("/d", true), IsOkAndHolds(true));
  nn_.ExpectConsistent();
  EXPECT_TRUE(nn_->HasBackgroundWork());
  nn_->RunMaintenance();
  nn_.ExpectConsistent();
  nn_.Flush();
  nn_.Restart();  // in the middle
  for (int i = 0; i < 20 && nn_->HasBackgroundWork(); ++i) nn_->RunMaintenance();
  EXPECT_FALSE(nn_->HasBackgroundWork());
  nn_.ExpectConsistent();
  EXPECT_EQ(nn_.Records().size(), 4u + 3u) << "what a new namespace has, and three storages";
  size_t invalidated = 0;
  for (const DatanodeCommand& command : nn_.Heartbeat(0)) {
    if (const auto* const order = std::get_if<InvalidateCommand>(&command)) {
      invalidated += order->blocks.size();
    }
  }
  EXPECT_EQ(invalidated, 2u);
}

// Everybody waits while one slice is worked off.
TEST_F(RenameTest, ADeletedSubtreesBlocksAreWorkedOffAFewThousandAtATime) {
  constexpr uint64_t kMost = 2000;  // blocks
  TestNamenode::Options options;
  options.namenode.max_blocks_per_file = 5000;
  TestNamenode nn(options);
  nn.WriteFile("/d/a", std::vector<uint64_t>(700, 1));
  nn.WriteFile("/d/b", std::vector<uint64_t>(700, 1));
  nn.WriteFile("/d/c", std::vector<uint64_t>(700, 1));
  nn.WriteFile("/d/large", std::vector<uint64_t>(4500, 1));
  nn.WriteFile("/d/z", {1, 1});
  constexpr uint64_t kAll = 3 * 700 + 4500 + 2;
  ASSERT_THAT(nn->Delete(kSuper, "/d", true).value, IsOkAndHolds(true));
  int slices = 0;
  for (uint64_t told = 0; nn->HasBackgroundWork() && slices < 20; ++slices) {
    nn->RunMaintenance();
    const uint64_t now = nn->Health().pending_deletions;
    EXPECT_LE(now - told, kMost);
    told = now;
    nn.ExpectConsistent();
  }
  EXPECT_GE(slices, 4);
  EXPECT_LT(slices, 10);
  EXPECT_EQ(nn->Health().pending_deletions, kAll);
  EXPECT_EQ(nn.Records().size(), 4u + 3u);
}

TEST_F(RenameTest, ALargeFileThatIsHalfWorkedOffGoesAfterARestart) {
  nn_.WriteFile("/d/large", std::vector<uint64_t>(4500, 1));
  nn_.Create("/d/open", kSuper, "other");
  ASSERT_THAT(Delete("/d", true), IsOkAndHolds(true));
  nn_->RunMaintenance();
  nn_.Restart();
  nn_.ExpectConsistent();
  nn_->RunMaintenance();
  nn_.Flush();
  nn_.Restart();
  for (int i = 0; i < 100 && nn_->HasBackgroundWork(); ++i) nn_->RunMaintenance();
  EXPECT_FALSE(nn_->HasBackgroundWork());
  nn_.ExpectConsistent();
  EXPECT_EQ(nn_.Records().size(), 4u + 3u);
}

TEST_F(RenameTest, WorkingOffWaitsWhileTheDatanodesHaveEnoughToDelete) {
  TestNamenode::Options options;
  options.namenode.invalidations.full_at = 600;
  options.namenode.invalidations.batch = 500;
  TestNamenode nn(options);
  for (int i = 0; i < 1000; ++i) nn.WriteFile(absl::StrCat("/d/", i), {1, 1});
  ASSERT_THAT(nn->Delete(kSuper, "/d", true).value, IsOkAndHolds(true));
  for (int i = 0; i < 20; ++i) nn->RunMaintenance();
  EXPECT_TRUE(nn->HasBackgroundWork());
  EXPECT_LE(nn->Health().pending_deletions, 600u + 2 * 256u);
  for (int i = 0; i < 20 && nn->HasBackgroundWork(); ++i) {
    nn.HeartbeatAll();
    nn->RunMaintenance();
  }
  EXPECT_FALSE(nn->HasBackgroundWork());
  nn.ExpectConsistent();
}

// However much is deleted, a slice of it is little, a crash in between costs a walk and no work,
// and others get their turn after each slice.
TEST_F(RenameTest, AHugeDirectoryIsWorkedOffInSmallSlicesAndOnAfterACrash) {
  constexpr size_t kDirectories = 100, kPerDirectory = 1000;
  constexpr int kMost = 256;  // inodes
  for (size_t i = 0; i < kDirectories; ++i) {
    for (size_t j = 0; j < kPerDirectory; ++j) nn_.Mkdir(absl::StrCat("/d/", i, "/", j));
  }
  nn_.Flush();
  const auto edits = [this] { return ToInt(nn_.journal().last_appended()); };
  const uint64_t edits_before = edits();
  ASSERT_THAT(Delete("/d", true), IsOkAndHolds(true));
  EXPECT_EQ(edits(), edits_before + 1) << "the caller waits for one edit";
  for (int round = 0; nn_->HasBackgroundWork(); ++round) {
    ASSERT_LT(round, 2000);
    const uint64_t before = edits();
    nn_->RunMaintenance();
    ASSERT_LE(edits(), before + 1) << "one slice, then the lock is free";
    nn_.Mkdir("/others");
    if (round == 50) nn_.Crash();
    if (round == 150) {
      nn_.Flush();
      nn_.Crash();
    }
    if (round == 50 || round == 150) {
      ASSERT_OK(nn_.Start());
      nn_.RegisterDatanodes();
      ASSERT_TRUE(nn_->HasBackgroundWork()) << "it goes on";
    }
  }
  size_t removed = 0;
  for (const auto& [txid, bytes] : nn_.AllEdits()) {
    edit::Edit edit;
    ASSERT_TRUE(edit.ParseFromString(bytes));
    EXPECT_LE(edit.reclaim().removed_size(), kMost);
    removed += static_cast<size_t>(edit.reclaim().removed_size());
  }
  EXPECT_EQ(removed, kDirectories * kPerDirectory + kDirectories) << "each once";
  ASSERT_THAT(Delete("/others", true), IsOkAndHolds(true));
  nn_.ExpectConsistent();
  EXPECT_EQ(nn_.Records().size(), 4u + 3u);
}

TEST_F(RenameTest, DeepSubtreesAreWorkedOff) {
  std::string path;
  for (int i = 0; i < 500; ++i) path += "/d";
  nn_.Mkdir(path);
  EXPECT_THAT(Delete("/d", true), IsOkAndHolds(true));
  for (int i = 0; i < 20 && nn_->HasBackgroundWork(); ++i) nn_->RunMaintenance();
  EXPECT_FALSE(nn_->HasBackgroundWork());
  EXPECT_EQ(nn_.Records().size(), 4u + 3u);
}

// ---- mkdirs

TEST_F(RenameTest, MkdirsMakesAllThatIsMissing) {
  EXPECT_THAT(Mkdirs("/a/b/c"), IsOkAndHolds(true));
  EXPECT_THAT(Mkdirs("/a/b/c"), IsOkAndHolds(true)) << "it is there";
  EXPECT_THAT(Mkdirs("/"), IsOkAndHolds(true));
  EXPECT_THAT(Mkdirs("/a/b/c/"), IsOkAndHolds(true));
  EXPECT_EQ(nn_.Stat("/a")->children, 1u);
}

TEST_F(RenameTest, MkdirsWithoutParents) {
  EXPECT_THAT(Mkdirs("/a/b", false), IsFsError(FsError::kFileNotFound));
  EXPECT_THAT(Mkdirs("/a", false), IsOkAndHolds(true));
  EXPECT_THAT(Mkdirs("/a/b", false), IsOkAndHolds(true));
}

TEST_F(RenameTest, MkdirsMeetsAFile) {
  nn_.WriteFile("/f");
  EXPECT_THAT(Mkdirs("/f"), IsFsError(FsError::kFileAlreadyExists));
  EXPECT_THAT(Mkdirs("/f/d"), IsFsError(FsError::kParentNotDirectory));
  EXPECT_THAT(Mkdirs("/f/d/e"), IsFsError(FsError::kParentNotDirectory));
}

TEST_F(RenameTest, ModesOfNewDirectories) {
  EXPECT_THAT(Mkdirs("/a/b", true, kSuper, 07011), IsOkAndHolds(true));
  EXPECT_EQ(nn_.Stat("/a/b")->mode, 01011u) << "as asked, without setuid and setgid";
  EXPECT_EQ(nn_.Stat("/a")->mode & 0777, 0311u) << "and its owner can go on";
}

TEST_F(RenameTest, MkdirsNeedsWritePermissionOnTheNearestAncestor) {
  EXPECT_THAT(Mkdirs("/x/y", true, kAlice), IsFsError(FsError::kAccessControl));
  nn_.Mkdir("/open", kSuper, 0777);
  EXPECT_THAT(Mkdirs("/open/y/z", true, kAlice), IsOkAndHolds(true));
  EXPECT_EQ(nn_.Stat("/open/y")->owner, "alice");
  EXPECT_EQ(nn_.Stat("/open/y/z")->group, "supergroup");
}

TEST_F(RenameTest, AThousandDirectoriesInOneCall) {
  std::string path;
  for (int i = 0; i < 1000; ++i) absl::StrAppend(&path, "/", i % 10);
  EXPECT_THAT(Mkdirs(path), IsOkAndHolds(true));
  EXPECT_THAT(Mkdirs(path + "/x"), IsFsError(FsError::kInvalidPath));
  nn_.ExpectConsistent();
}

}  // namespace
}  // namespace cairn::namenode
