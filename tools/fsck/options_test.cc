#include "tools/fsck/options.h"

#include "common/testing/status_matchers.h"

namespace cairn::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(FsckOptionsTest, OptionsStandBeforeAndBehindThePath) {
  const auto o = ParseFsckOptions({"-files", "/a", "-blocks", "-locations"});
  ASSERT_OK(o);
  EXPECT_EQ(o->path, "/a");
  EXPECT_TRUE(o->files && o->blocks && o->locations);
  EXPECT_FALSE(o->remove);
}

TEST(FsckOptionsTest, BlockIdsGoOnUntilTheNextOption) {
  const auto o = ParseFsckOptions({"-blockId", "blk_1", "blk_2_1001", "-maintenance"});
  ASSERT_OK(o);
  EXPECT_THAT(o->block_ids, ElementsAre("blk_1", "blk_2_1001"));
  EXPECT_TRUE(o->maintenance);
}

TEST(FsckOptionsTest, TwoPathsAndUnknownOptionsAreRefusedInHdfssWords) {
  EXPECT_THAT(ParseFsckOptions({"/a", "/b"}).status().message(),
              HasSubstr("fsck: can only operate on one path at a time '/b'"));
  EXPECT_THAT(ParseFsckOptions({"/a", "-fast"}).status().message(),
              HasSubstr("fsck: Illegal option '-fast'"));
}

TEST(FsckOptionsTest, GroupsAreVerifiedAFewAtATime) {
  EXPECT_FALSE(ParseFsckOptions({"/a"})->verify_groups);
  const auto o = ParseFsckOptions({"/a", "-ec-verify"});
  ASSERT_OK(o);
  EXPECT_TRUE(o->verify_groups);
  EXPECT_EQ(o->verify_parallel, 4u);
  for (const uint32_t groups : {1u, 64u}) {
    const auto more = ParseFsckOptions({"-ec-verify", "-parallel", std::to_string(groups), "/a"});
    ASSERT_OK(more);
    EXPECT_EQ(more->verify_parallel, groups);
    EXPECT_EQ(more->path, "/a");
  }
}

TEST(FsckOptionsTest, WhatVerifyingCannotMeanIsRefused) {
  for (const char* const number : {"0", "65", "-1", "few", ""}) {
    EXPECT_THAT(ParseFsckOptions({"-ec-verify", "-parallel", number}).status().message(),
                HasSubstr("takes a number from 1 to 64"));
  }
  EXPECT_THAT(ParseFsckOptions({"-ec-verify", "-parallel"}).status().message(),
              HasSubstr("takes a number from 1 to 64"));
  EXPECT_THAT(ParseFsckOptions({"/a", "-parallel", "2"}).status().message(),
              HasSubstr("-parallel is for -ec-verify"));
  EXPECT_FALSE(ParseFsckOptions({"-ec-verify", "-blockId", "blk_1"}).ok());
  EXPECT_FALSE(ParseFsckOptions({"/", "-list-corruptfileblocks", "-ec-verify"}).ok());
}

TEST(FsckOptionsTest, BlockNamesHaveTheFormsThatLogsAndFilesShow) {
  EXPECT_THAT(*ParseBlockName("blk_1073741825"), 1073741825u);
  EXPECT_THAT(*ParseBlockName("blk_1073741825_1001"), 1073741825u);
  EXPECT_THAT(*ParseBlockName("/data/subdir0/blk_1073741825_1001.meta"), 1073741825u);
  EXPECT_THAT(*ParseBlockName("blk_-9223372036854775792"),
              static_cast<uint64_t>(-9223372036854775792));
  EXPECT_FALSE(ParseBlockName("1073741825").ok());
  EXPECT_FALSE(ParseBlockName("blk_").ok());
  EXPECT_FALSE(ParseBlockName("blk_12x").ok());
}

}  // namespace
}  // namespace cairn::tools
