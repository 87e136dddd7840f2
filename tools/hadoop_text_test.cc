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

}  // namespace
}  // namespace cairn::tools
