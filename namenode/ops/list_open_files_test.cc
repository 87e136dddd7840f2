#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "namenode/core/testing/test_namenode.h"

namespace cairn::namenode {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ListOpenFilesTest : public ::testing::Test {
 protected:
  OpenFilePage Page(InodeId after = kNoInode, size_t most = 1000) {
    Outcome<OpenFilePage> page = nn_->ListOpenFiles(kSuper, after, false, most);
    EXPECT_OK(page.value);
    return *page.value;
  }
  static std::vector<std::string> Paths(const OpenFilePage& page) {
    std::vector<std::string> paths;
    for (const OpenFile& file : page.files) paths.push_back(file.path);
    return paths;
  }

  TestNamenode nn_;
};

TEST_F(ListOpenFilesTest, FilesBeingWrittenAreListedWithTheirWriters) {
  nn_.Mkdir("/d");
  const FileStatus file = nn_.Create("/d/f", kSuper, "writer-a");
  nn_.WriteFile("/closed", {10});
  const OpenFilePage page = Page();
  ASSERT_THAT(Paths(page), ElementsAre("/d/f"));
  EXPECT_EQ(page.files[0].id, file.id);
  EXPECT_EQ(page.files[0].holder, "writer-a");
  EXPECT_EQ(page.files[0].machine, "10.9.9.9");
  EXPECT_FALSE(page.more);
  EXPECT_EQ(page.last, file.id);
}

TEST_F(ListOpenFilesTest, PagesGoOnBehindTheLastFileAndFollowARename) {
  for (const char* path : {"/a", "/b", "/c"}) nn_.Create(path);
  const OpenFilePage first = Page(kNoInode, 2);
  EXPECT_THAT(Paths(first), ElementsAre("/a", "/b"));
  EXPECT_TRUE(first.more);
  ASSERT_OK(nn_->Rename(kSuper, "/c", "/e").value);
  const OpenFilePage second = Page(first.last, 2);
  EXPECT_THAT(Paths(second), ElementsAre("/e"));
  EXPECT_FALSE(second.more);
}

TEST_F(ListOpenFilesTest, WhatIsClosedOrDeletedIsNotListed) {
  nn_.Mkdir("/d");
  for (const char* path : {"/a", "/b", "/d/c"}) nn_.Create(path);
  EXPECT_THAT(nn_->Complete(kSuper, "/a", kNoInode, "client", std::nullopt, nullptr).value,
              IsOkAndHolds(true));
  ASSERT_OK(nn_->Delete(kSuper, "/d", true).value);
  EXPECT_THAT(Paths(Page()), ElementsAre("/b"));
  ASSERT_OK(nn_->Delete(kSuper, "/b", false).value);
  EXPECT_THAT(Paths(Page()), IsEmpty());
}

TEST_F(ListOpenFilesTest, AfterARestartTheSameAreOpen) {
  nn_.Mkdir("/d");
  nn_.Create("/d/f");
  nn_.Flush();
  nn_.Restart();
  EXPECT_THAT(Paths(Page()), ElementsAre("/d/f"));
}

}  // namespace
}  // namespace cairn::namenode
