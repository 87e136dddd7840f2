#include "tools/hadoop_text.h"

#include "common/testing/status_matchers.h"

namespace cairn::tools {
namespace {

TEST(HadoopTextTest, FloatsLookAsJavaPrintsThem) {
  EXPECT_EQ(JavaFloat(0), "0.0");
  EXPECT_EQ(JavaFloat(100), "100.0");
  EXPECT_EQ(JavaFloat(100.0f / 3), "33.333332");
  EXPECT_EQ(JavaFloat(2.5), "2.5");
  EXPECT_EQ(JavaFloat(1e10f), "1.0E10");
  EXPECT_EQ(JavaFloat(0.0002f), "2.0E-4");
}

TEST(HadoopTextTest, OfNothingThereIsNoShare) {
  EXPECT_EQ(CountWithShare(0, 0), "0");
  EXPECT_EQ(CountWithShare(1, 3), "1 (33.333332 %)");
}

TEST(HadoopTextTest, NamesAreAsTheyAreUnlessTheyCouldForgeALineOrSteerATerminal) {
  for (const char* const name :
       {"", "/a/b c", "/gr\xc3\xbc\xc3\x9f", "/a\\b\\\\c", "/\xf0\x9f\x98\x80"}) {
    EXPECT_EQ(Escaped(name), name);
  }
  EXPECT_EQ(Escaped("/x\nblk_7\t/f"), "/x\\nblk_7\\t/f");
  EXPECT_EQ(Escaped("\x1b[2J"), "\\x1b[2J");
  EXPECT_EQ(Escaped("\xc2\x9b"
                    "2J"),
            "\\xc2\\x9b2J")
      << "CSI in one character";
  EXPECT_EQ(Escaped("/\xff"), "/\\xff");
  EXPECT_EQ(Escaped("/a\\n\n"), "/a\\\\n\\n") << "both kinds can be told apart";
  EXPECT_EQ(Escaped(std::string(5000, 'x')), std::string(5000, 'x')) << "nothing is cut off";
}

}  // namespace
}  // namespace cairn::tools
