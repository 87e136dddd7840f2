#include "namenode/namespace/path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "common/testing/status_matchers.h"

namespace cairn::namenode {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(PathTest, AnAbsolutePathIsSplitAtItsSlashes) {
  ASSERT_OK_AND_ASSIGN(const Path path, ParsePath("/a/bc/d e"));
  EXPECT_THAT(path.components, ElementsAre("a", "bc", "d e"));
  EXPECT_EQ(path.leaf(), "d e");
  EXPECT_FALSE(path.is_root());
}

TEST(PathTest, TheRootHasNoComponents) {
  ASSERT_OK_AND_ASSIGN(const Path path, ParsePath("/"));
  EXPECT_TRUE(path.is_root());
}

TEST(PathTest, OneTrailingSlashIsTolerated) {
  ASSERT_OK_AND_ASSIGN(const Path path, ParsePath("/a/b/"));
  EXPECT_THAT(path.components, ElementsAre("a", "b"));
  EXPECT_THAT(ParsePath("/a/b//"), IsFsError(FsError::kInvalidPath));
}

TEST(PathTest, WhatIsNoPathIsRefused) {
  for (const absl::string_view text :
       {"", "a", "a/b", "//", "//a", "/a//b", "/.", "/..", "/a/../b", "/a/.", "/a:b", "/a/b:"}) {
    EXPECT_THAT(ParsePath(text), IsFsError(FsError::kInvalidPath)) << text;
  }
  EXPECT_THAT(ParsePath(absl::string_view("/a\0b", 4)), IsFsError(FsError::kInvalidPath));
}

TEST(PathTest, ADirectoryMayBeNamedByAnInodeInIt) {
  EXPECT_OK(ParsePath("/.reserved/.inodes/16386/.."));
  ASSERT_OK_AND_ASSIGN(const Path path, ParsePath("/.reserved/.inodes/16386/../f"));
  EXPECT_THAT(path.components, ElementsAre(".reserved", ".inodes", "16386", "..", "f"));
  for (const absl::string_view text : {"/.reserved/.inodes/..", "/.reserved/.inodes/1/../..",
                                       "/.reserved/.inodes/1/a/..", "/a/.inodes/1/.."}) {
    EXPECT_THAT(ParsePath(text), IsFsError(FsError::kInvalidPath)) << text;
  }
}

TEST(PathTest, NamesAreAnyUtf8) {
  ASSERT_OK_AND_ASSIGN(const Path path, ParsePath("/\xc3\xa9/\n\x01/..."));
  EXPECT_THAT(path.components, ElementsAre("\xc3\xa9", "\n\x01", "..."));
  EXPECT_THAT(ParsePath("/a/\xff\xfe"), IsFsError(FsError::kInvalidPath));
}

TEST(PathTest, APathMayHaveEightThousandBytesAndAThousandComponents) {
  EXPECT_OK(ParsePath(absl::StrCat("/", std::string(kMaxPathBytes - 1, 'x'))));
  const absl::Status too_long =
      ParsePath(absl::StrCat("/", std::string(kMaxPathBytes, 'x'))).status();
  EXPECT_THAT(too_long, IsFsError(FsError::kInvalidPath));
  EXPECT_LT(too_long.message().size(), 1000u) << "a message repeats no huge path";

  std::string deep;
  for (size_t i = 0; i < kMaxPathComponents; ++i) deep += "/d";
  EXPECT_OK(ParsePath(deep));
  EXPECT_THAT(ParsePath(deep + "/d"), IsFsError(FsError::kInvalidPath));
}

TEST(PathTest, ANewNameMayHave255Bytes) {
  EXPECT_OK(CheckNewName(std::string(255, 'n'), "/"));
  EXPECT_THAT(CheckNewName(std::string(256, 'n'), "/dir"), IsFsError(FsError::kNameTooLong));
  EXPECT_THAT(CheckNewName(std::string(256, 'n'), "/dir").message(), HasSubstr("length=256"));
}

TEST(PathTest, ReservedNamesAreNotMade) {
  EXPECT_THAT(CheckNewName(".snapshot", "/a"), IsFsError(FsError::kInvalidPath));
  EXPECT_THAT(CheckNewName(".reserved", "/"), IsFsError(FsError::kInvalidPath));
  EXPECT_OK(CheckNewName(".reserved", "/a"));
  EXPECT_OK(CheckNewName(".snapshots", "/a"));
}

}  // namespace
}  // namespace cairn::namenode
