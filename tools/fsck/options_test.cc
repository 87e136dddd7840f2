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
