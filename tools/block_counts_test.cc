#include "tools/block_counts.h"

#include "common/testing/status_matchers.h"

namespace cairn::tools {
namespace {

using ::testing::HasSubstr;

client::BlockReport Open(uint64_t length, std::vector<client::Standing> standings) {
  client::BlockReport block;
  block.under_construction = true;
  block.length = length;
  for (const client::Standing standing : standings) {
    block.replicas.emplace_back().standing = standing;
  }
  return block;
}

TEST(OpenBlockTest, CannotBeReadWhenEveryReplicaIsLostOrBad) {
  using client::Standing;
  EXPECT_TRUE(IsOpenAndUnreadable(Open(0, {Standing::kDead, Standing::kCorrupt})));
  EXPECT_TRUE(IsOpenAndUnreadable(Open(10, {Standing::kAwaited})));
  for (const Standing readable : {Standing::kBeingWritten, Standing::kStale,
                                  Standing::kDecommissioning, Standing::kMaintenance}) {
    EXPECT_FALSE(IsOpenAndUnreadable(Open(10, {Standing::kDead, readable})));
  }
}

TEST(OpenBlockTest, OfWhichNobodyToldIsMissedOnlyIfItHasBytes) {
  EXPECT_TRUE(IsOpenAndUnreadable(Open(1, {})));
  EXPECT_FALSE(IsOpenAndUnreadable(Open(0, {})));
}

TEST(OpenBlockTest, AClosedOneIsNotJudgedHere) {
  client::BlockReport block = Open(10, {client::Standing::kDead});
  block.under_construction = false;
  EXPECT_FALSE(IsOpenAndUnreadable(block));
}

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
