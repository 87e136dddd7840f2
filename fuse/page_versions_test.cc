#include "fuse/page_versions.h"

#include <gtest/gtest.h>

namespace cairn::fuse {
namespace {

TEST(PageVersions, PagesStayAsLongAsTheBlocksDo) {
  PageVersions versions;
  EXPECT_FALSE(versions.Found(17'000, {1, 1000, 5}));  // who knows what is there
  EXPECT_TRUE(versions.Found(17'000, {1, 1000, 5}));
  EXPECT_FALSE(versions.Found(17'000, {2, 1001, 5}));
  EXPECT_TRUE(versions.Found(17'000, {2, 1001, 5}));
  EXPECT_FALSE(versions.Found(17'000, {2, 1001, 6}));
  EXPECT_FALSE(versions.Found(17'001, {2, 1001, 6}));
}

// A block in the middle was replaced.
TEST(PageVersions, OtherBlocksThanTheLastCountToo) {
  PageVersions versions;
  EXPECT_FALSE(versions.Found(17'000, {2, 1001, 5, 77}));
  EXPECT_TRUE(versions.Found(17'000, {2, 1001, 5, 77}));
  EXPECT_FALSE(versions.Found(17'000, {2, 1001, 5, 78}));
}

TEST(PageVersions, WhatIsForgottenIsNotFoundOnce) {
  PageVersions versions;
  versions.Found(17'000, {1, 1000, 5});
  versions.Forget(17'000);
  EXPECT_FALSE(versions.Found(17'000, {1, 1000, 5}));
  EXPECT_TRUE(versions.Found(17'000, {1, 1000, 5}));
}

TEST(PageVersions, TheTableIsBounded) {
  PageVersions versions;
  for (uint64_t inode = 0; inode <= PageVersions::kMaxEntries; ++inode) {
    versions.Found(inode, {1, 1000, 5});
  }
  EXPECT_TRUE(versions.Found(PageVersions::kMaxEntries, {1, 1000, 5}));
  EXPECT_FALSE(versions.Found(0, {1, 1000, 5}));
}

}  // namespace
}  // namespace cairn::fuse
