#include "fuse/ops/serve.h"

#include <fcntl.h>
#include <gtest/gtest.h>

namespace cairn::fuse {
namespace {

fuse_file_info Caching(int flags, bool in_place, bool keep = true) {
  fuse_file_info info{};
  info.flags = flags;
  SetCaching(info, in_place, keep);
  return info;
}

// With direct_io the kernel refuses shared mappings, by ENODEV.
TEST(SetCaching, OnlyAFileThatCanBeChangedInPlaceIsMappedToBeWritten) {
  EXPECT_FALSE(Caching(O_RDWR, /*in_place=*/true).direct_io);
  EXPECT_TRUE(Caching(O_RDWR, /*in_place=*/false).direct_io);
  EXPECT_TRUE(Caching(O_RDWR | O_APPEND, /*in_place=*/true).direct_io);
  EXPECT_TRUE(Caching(O_WRONLY, /*in_place=*/true).direct_io);
}

TEST(SetCaching, WhatOnlyReadsHasPagesOfAnyFile) {
  for (const bool in_place : {false, true}) {
    EXPECT_FALSE(Caching(O_RDONLY, in_place).direct_io);
    EXPECT_TRUE(Caching(O_RDONLY, in_place).keep_cache);
    EXPECT_TRUE(Caching(O_RDONLY, in_place).noflush);
  }
  EXPECT_FALSE(Caching(O_RDONLY, /*in_place=*/true, /*keep=*/false).keep_cache);
}

TEST(SetCaching, PagesStayOnlyWhereThereAreSome) {
  EXPECT_TRUE(Caching(O_RDWR, /*in_place=*/true).keep_cache);
  EXPECT_FALSE(Caching(O_RDWR, /*in_place=*/false).keep_cache);
  EXPECT_FALSE(Caching(O_RDWR, /*in_place=*/true).noflush);
}

// What would be asked of the cluster for nothing is not asked.
TEST(MayMapToWrite, OnlyWhoReadsAndWritesAndDoesNotAppend) {
  EXPECT_TRUE(MayMapToWrite(O_RDWR));
  EXPECT_TRUE(MayMapToWrite(O_RDWR | O_CREAT | O_TRUNC));
  EXPECT_FALSE(MayMapToWrite(O_RDONLY));
  EXPECT_FALSE(MayMapToWrite(O_WRONLY));
  EXPECT_FALSE(MayMapToWrite(O_RDWR | O_APPEND));
}

}  // namespace
}  // namespace cairn::fuse
