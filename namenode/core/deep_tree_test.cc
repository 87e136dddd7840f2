// Trees deeper than any path is long: how far they can be made, and that one is no harm.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "namenode/core/testing/test_namenode.h"

namespace cairn::namenode {
namespace {

std::string ById(InodeId id) { return absl::StrCat("/.reserved/.inodes/", ToInt(id)); }

std::string Levels(size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) absl::StrAppend(&text, "/a");
  return text;
}

class DeepTreeTest : public ::testing::Test {
 protected:
  // Of `chains` times 1000 levels, with an open file at the bottom. Its top is /d.
  InodeId MakeDeepTree(int chains) {
    nn_.Mkdir("/d" + Levels(998));
    const InodeId bottom = nn_.Create("/d" + Levels(998) + "/f").id;
    for (int chain = 1; chain < chains; ++chain) {
      nn_.Mkdir("/e" + Levels(998));
      EXPECT_THAT(nn_->Rename(kSuper, "/d", "/e" + Levels(998) + "/d").value, IsOkAndHolds(true));
      EXPECT_THAT(nn_->Rename(kSuper, "/e", "/d").value, IsOkAndHolds(true));
    }
    return bottom;
  }

  TestNamenode nn_;
};

TEST_F(DeepTreeTest, APathThatBeginsAtAnInodeEndsNoDeeperThanOneFromTheRoot) {
  nn_.Mkdir(Levels(900));
  const InodeId id = nn_.Stat(Levels(900))->id;
  EXPECT_THAT(nn_->Mkdirs(kSuper, ById(id) + Levels(101), 0755, true).value,
              IsFsError(FsError::kInvalidPath));
  nn_.Mkdir(ById(id) + Levels(100));
  const std::string deepest = ById(nn_.Stat(Levels(1000))->id);
  for (int i = 0; i < 40; ++i) {
    ASSERT_THAT(nn_->Mkdirs(kSuper, deepest + Levels(900), 0755, true).value,
                IsFsError(FsError::kInvalidPath));
  }
  EXPECT_THAT(nn_->Create(kSuper, deepest + "/f", CreateFlags(true, false)).value,
              IsFsError(FsError::kInvalidPath));
  nn_.Create(ById(nn_.Stat(Levels(999))->id) + "/f");
}

TEST_F(DeepTreeTest, NothingIsRenamedToWhereItCouldNotBeMade) {
  nn_.Mkdir(Levels(1000));
  nn_.Mkdir("/b");
  const std::string deepest = ById(nn_.Stat(Levels(1000))->id);
  EXPECT_THAT(nn_->Rename(kSuper, "/b", deepest).value, IsFsError(FsError::kInvalidPath));
  EXPECT_THAT(nn_->Rename(kSuper, "/b", deepest + "/b").value, IsFsError(FsError::kInvalidPath));
  EXPECT_THAT(nn_->Rename2(kSuper, "/b", deepest + "/b", false, false).value,
              IsFsError(FsError::kInvalidPath));
  EXPECT_THAT(nn_->Rename(kSuper, "/b", Levels(999) + "/b").value, IsOkAndHolds(true));
}

// Loaded one level per call, they would not fit on the stack.
TEST_F(DeepTreeTest, ADeepTreeIsLoadedAtTheStartAndByRequests) {
  const InodeId file = MakeDeepTree(20);
  nn_.Flush();
  nn_.Restart();  // the start loads the open file
  ASSERT_THAT(nn_->Complete(kSuper, ById(file), file, "client", {}, nullptr).value,
              IsOkAndHolds(true));
  nn_.Flush();
  nn_.Restart();  // nothing of it is resident now
  const auto status = nn_.Stat(ById(file));
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(status->id, file);
}

TEST_F(DeepTreeTest, ADeepTreeThatWasDeletedIsWorkedOffAfterAStart) {
  const InodeId file = MakeDeepTree(20);
  nn_.Flush();
  ASSERT_THAT(nn_->Delete(kSuper, "/d", true).value, IsOkAndHolds(true));
  nn_.Flush();
  nn_.Restart();
  EXPECT_EQ(nn_.Stat(ById(file)), std::nullopt);
  for (int i = 0; i < 1000 && nn_->HasBackgroundWork(); ++i) nn_->RunMaintenance();
  EXPECT_FALSE(nn_->HasBackgroundWork());
  nn_.ExpectConsistent();
}

TEST_F(DeepTreeTest, TheReservedNameIsNotMadeByWayOfAnInode) {
  nn_.Mkdir("/b");
  for (const std::string& root : {ById(kRootInode), ById(nn_.Stat("/b")->id) + "/.."}) {
    EXPECT_THAT(nn_->Mkdirs(kSuper, root + "/.reserved", 0755, true).value,
                IsFsError(FsError::kInvalidPath));
    EXPECT_THAT(nn_->Mkdirs(kSuper, root + "/.reserved/a", 0755, true).value,
                IsFsError(FsError::kInvalidPath));
    EXPECT_THAT(nn_->Create(kSuper, root + "/.reserved", CreateFlags(true, false)).value,
                IsFsError(FsError::kInvalidPath));
    EXPECT_THAT(nn_->Rename(kSuper, "/b", root + "/.reserved").value,
                IsFsError(FsError::kInvalidPath));
  }
  nn_.Mkdir(ById(nn_.Stat("/b")->id) + "/.reserved");  // in another directory it is a name
}

}  // namespace
}  // namespace cairn::namenode
