#include "tools/fsck/lost_blocks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace cairn::tools {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Text(const LostBlocks& lost) {
  std::ostringstream out;
  PrintLostBlocks(lost, out);
  return out.str();
}

std::string Json(const LostBlocks& lost) {
  std::ostringstream out;
  JsonWriter json(out);
  WriteLostBlocks(lost, json);
  return out.str();
}

TEST(LostBlocksTest, TheTextIsHdfss) {
  EXPECT_EQ(Text({.path = "/a"}), "The filesystem under path '/a' has 0 CORRUPT blocks\n");
  EXPECT_EQ(Text({.path = "/", .blocks = {{7, "/a/f"}}}),
            "The list of corrupt blocks under path '/' are:\n"
            "blk_7\t/a/f\n"
            "The filesystem under path '/' has 1 CORRUPT blocks\n");
  EXPECT_THAT(Json({.path = "/"}), HasSubstr("\"complete\":true"));
}

TEST(LostBlocksTest, NothingFoundIsAllClearOnlyIfAllWasLookedAt) {
  EXPECT_EQ(LostBlocksExitCode({.path = "/"}), 0);
  EXPECT_EQ(LostBlocksExitCode({.path = "/", .blocks = {{7, "/a/f"}}}), 255);
  const LostBlocks unknown{.path = "/", .more = "the namenode is still looking"};
  EXPECT_EQ(LostBlocksExitCode(unknown), 255);
  EXPECT_EQ(Text(unknown),
            "There may be more CORRUPT blocks under path '/' than these 0: the namenode is still "
            "looking\n");
  EXPECT_THAT(Json(unknown), HasSubstr("\"complete\":false"));
}

TEST(LostBlocksTest, ANameForgesNoLine) {
  const std::string text = Text({.path = "/", .blocks = {{7, "/x\nblk_8\t/b\x1b[2J"}}});
  EXPECT_THAT(text, HasSubstr("blk_7\t/x\\nblk_8\\t/b\\x1b[2J\n"));
  EXPECT_THAT(text, Not(HasSubstr("\nblk_8")));
}

}  // namespace
}  // namespace cairn::tools
