#include "tools/block_counts.h"

#include "common/testing/status_matchers.h"

namespace cairn::tools {
namespace {

using ::testing::HasSubstr;

TEST(BlockCountsTest, AllIsKnownOnlyOnceAllHasBeenLookedAtAndRemembered) {
  client::ClusterFacts cluster;
  EXPECT_EQ(WhyMoreMayBeWrong(cluster), "");
  cluster.overflowed = true;
  EXPECT_THAT(WhyMoreMayBeWrong(cluster), HasSubstr("more than the namenode remembers"));
  cluster.looking = true;
  EXPECT_THAT(WhyMoreMayBeWrong(cluster), HasSubstr("still looking"));
  cluster.safe_mode = true;
  cluster.safe_mode_reason = "It was turned on manually.";
  EXPECT_THAT(WhyMoreMayBeWrong(cluster), HasSubstr("safe mode"));
  EXPECT_THAT(WhyMoreMayBeWrong(cluster), HasSubstr("It was turned on manually."));
}

}  // namespace
}  // namespace cairn::tools
