#include "tools/dfs/format.h"

#include <gtest/gtest.h>

#include <sstream>

namespace cairn::tools {
namespace {

TEST(HumanSizeTest, DividesBy1024AndRoundsToOnePlace) {
  EXPECT_EQ(HumanSize(0), "0");
  EXPECT_EQ(HumanSize(1023), "1023");
  EXPECT_EQ(HumanSize(1024), "1 K");
  EXPECT_EQ(HumanSize(1536), "1.5 K");
  EXPECT_EQ(HumanSize(28723), "28.0 K");
  EXPECT_EQ(HumanSize(uint64_t{270553174016}), "252.0 G");
  EXPECT_EQ(HumanSize(UINT64_MAX), "16.0 E");
}

TEST(HumanSizeTest, WhatRoundsUpTo1024TakesTheNextUnit) {
  EXPECT_EQ(HumanSize((1 << 20) - 1), "1.0 M");
}

TEST(HumanSizeTest, AUnitFollowsASpace) {
  EXPECT_EQ(HumanSize(28721, "B", 2), "28.05 KB");
  EXPECT_EQ(HumanSize(0, "B", 2), "0 B");
}

TEST(TextTableTest, ColumnsAreAsWideAsTheirWidestCell) {
  TextTable table({false, true, false});
  table.AddRow({"a", "100", "/x"});
  table.AddRow({"\xC3\xA9t\xC3\xA9", "1", "/y"});  // three characters of five bytes
  std::ostringstream out;
  table.Print(out);
  EXPECT_EQ(out.str(), "a    100  /x\n\xC3\xA9t\xC3\xA9    1  /y\n");
}

TEST(PrintableTest, ControlCharactersBecomeQuestionMarks) {
  EXPECT_EQ(Printable("a\tb\x1b[1m\x7f"), "a?b?[1m?");
  EXPECT_EQ(Printable("\xC2\x9B"
                      "1m \xC2\xA0\xC3\x9F\xE2\x82\xAC"),
            "?1m \xC2\xA0\xC3\x9F\xE2\x82\xAC");
  EXPECT_EQ(Printable("\x9B"
                      "1m\xC2"),
            "?1m?");
}

TEST(TimeTextTest, SecondsAreUtc) {
  EXPECT_EQ(SecondTextUtc(absl::FromUnixSeconds(1577934245)), "2020-01-02 03:04:05");
}

}  // namespace
}  // namespace cairn::tools
