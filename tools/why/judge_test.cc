#include "tools/why/judge.h"

#include "common/testing/status_matchers.h"

namespace cairn::tools {
namespace {

using client::BlockReport;
using client::ClusterFacts;
using client::Need;
using client::NodeFacts;
using client::NodeLiveness;
using client::Standing;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

BlockReport Block(Need need, std::vector<Standing> standings) {
  BlockReport block;
  block.id = 7;
  block.length = 10;
  block.wanted = 3;
  block.need = need;
  uint16_t port = 9001;
  for (const Standing standing : standings) {
    client::ReplicaReport replica;
    replica.ip = "10.0.0.1";
    replica.transfer_port = port++;
    replica.standing = standing;
    block.replicas.push_back(replica);
  }
  return block;
}

Explanation Explain(const BlockReport& block) {
  return ExplainBlock({.path = "/f", .inode = 1, .block_pool = "BP", .block = block}, nullptr);
}

NodeFacts Node(NodeLiveness liveness, absl::Duration silent) {
  NodeFacts node;
  node.uuid = "uuid-1";
  node.ip = "10.0.0.1";
  node.host = "dn1";
  node.transfer_port = 9866;
  node.liveness = liveness;
  node.silent = silent;
  node.storages = {{.uuid = "DS-1", .capacity = 1000, .remaining = 500}};
  return node;
}

ClusterFacts Cluster() {
  ClusterFacts cluster;
  cluster.stale_interval = absl::Seconds(15);
  cluster.dead_interval = absl::Minutes(5);
  return cluster;
}

TEST(WhyTest, NothingIsWrongWithAWholeBlock) {
  const Explanation e =
      Explain(Block(Need::kNone, {Standing::kLive, Standing::kLive, Standing::kLive}));
  EXPECT_THAT(e.troubles, IsEmpty());
  EXPECT_EQ(e.fine, "it has 3 good replicas, and 3 are wanted");
}

TEST(WhyTest, ALostReplicaUnderRepairIsToldWithItsCopy) {
  BlockReport block = Block(Need::kLow, {Standing::kLive, Standing::kLive, Standing::kDead});
  block.repair = BlockReport::Repair{.known = absl::Seconds(65)};
  block.copies = {{"10.0.0.1:9001", "10.0.0.1:9004", absl::Milliseconds(2500)}};
  const Explanation e = Explain(block);
  ASSERT_THAT(e.troubles, SizeIs(1));
  const Trouble& t = e.troubles[0];
  EXPECT_EQ(t.subject, "blk_7 of /f");
  EXPECT_EQ(t.what, "2 of 3 replicas are there (lost with 10.0.0.1:9003)");
  EXPECT_EQ(t.since, "1m5s");
  EXPECT_EQ(t.doing, "a copy from 10.0.0.1:9001 to 10.0.0.1:9004 has run for 2.5s");
  EXPECT_EQ(t.expected, "when the copy is done");
}

TEST(WhyTest, WhatIsInTheWayIsToldWithTheFailures) {
  BlockReport block = Block(Need::kHighest, {Standing::kLive});
  block.repair = BlockReport::Repair{.known = absl::Seconds(5),
                                     .again = absl::Seconds(20),
                                     .failures = 2,
                                     .blocked_by = "no datanode has room"};
  const Trouble t = Explain(block).troubles.at(0);
  EXPECT_EQ(t.doing, "it is queued for repair");
  EXPECT_EQ(t.blocked, "no datanode has room; 2 tries have failed");
  EXPECT_EQ(t.expected, "tried again in 20s");
}

TEST(WhyTest, ABlockWithoutAReadableReplicaWaitsForItsDatanodesOrIsLost) {
  const Trouble away = Explain(Block(Need::kMissing, {Standing::kDead})).troubles.at(0);
  EXPECT_TRUE(away.data_lost);
  EXPECT_EQ(away.expected, "when one of the datanodes that held it is back");
  BlockReport rotten = Block(Need::kMissing, {Standing::kCorrupt});
  rotten.corrupt = true;
  const Trouble lost = Explain(rotten).troubles.at(0);
  EXPECT_THAT(lost.what, HasSubstr("every replica that is left is bad"));
  EXPECT_THAT(lost.expected, HasSubstr("not by itself"));
}

TEST(WhyTest, ABlockThatIsBeingWrittenIsNoTrouble) {
  BlockReport block = Block(Need::kNone, {Standing::kBeingWritten});
  block.under_construction = true;
  EXPECT_THAT(Explain(block).troubles, IsEmpty());
}

TEST(WhyTest, ABlockThatIsBeingWrittenIsLostWithItsLastReplica) {
  BlockReport block = Block(Need::kNone, {Standing::kDead, Standing::kCorrupt});
  block.under_construction = true;
  const Trouble away = Explain(block).troubles.at(0);
  EXPECT_TRUE(away.data_lost);
  EXPECT_THAT(away.what, HasSubstr("still open, and no replica of it can be read now"));
  EXPECT_THAT(away.what, HasSubstr("lost with 10.0.0.1:9001; bad on 10.0.0.1:9002"));
  EXPECT_EQ(away.expected, "when one of the datanodes that held it is back");

  block = Block(Need::kNone, {Standing::kCorrupt});
  block.under_construction = true;
  EXPECT_THAT(Explain(block).troubles.at(0).expected, HasSubstr("not by itself"));
}

TEST(WhyTest, ABlockWhoseRecoveryCannotEndTellsWhatItWaitsFor) {
  BlockReport block = Block(Need::kNone, {Standing::kBeingWritten});
  block.under_construction = true;
  block.recovery_waits_for = "storage DS-1 of datanode dn-1, which may hold bytes of it";
  const Trouble t = Explain(block).troubles.at(0);
  EXPECT_THAT(t.what, HasSubstr("its writer is gone"));
  EXPECT_EQ(t.blocked, "it waits for storage DS-1 of datanode dn-1, which may hold bytes of it");
  EXPECT_THAT(t.expected, HasSubstr("when that is back"));
  EXPECT_FALSE(t.data_lost);
}

TEST(WhyTest, TheWorstBlockOfAFileComesFirst) {
  client::FileReport file;
  file.path = "/f";
  file.blocks = {Block(Need::kLow, {Standing::kLive, Standing::kLive}), Block(Need::kMissing, {})};
  const Explanation e = ExplainFile(file, nullptr);
  ASSERT_THAT(e.troubles, SizeIs(2));
  EXPECT_TRUE(e.troubles[0].data_lost);
}

TEST(WhyTest, AServerThatDoesNotSayWhatABlockNeedsIsJudgedByItsReplicas) {
  EXPECT_THAT(Explain(Block(Need::kNone, {Standing::kLive})).troubles, SizeIs(1));
  EXPECT_TRUE(Explain(Block(Need::kNone, {})).troubles.at(0).data_lost);
}

TEST(WhyTest, SafeModeIsInTheWayOfEverything) {
  ClusterFacts cluster = Cluster();
  cluster.safe_mode = true;
  cluster.safe_mode_reason = "It was turned on manually.";
  const Explanation e = ExplainBlock(
      {.path = "/f", .block = Block(Need::kLow, {Standing::kLive, Standing::kLive})}, &cluster);
  EXPECT_EQ(e.troubles.at(0).blocked, "safe mode: It was turned on manually.");
}

TEST(WhyTest, ASilentNodeHasUntilTheDeadInterval) {
  const Explanation e = ExplainNode(Node(NodeLiveness::kStale, absl::Seconds(60)), Cluster());
  EXPECT_THAT(e.troubles.at(0).expected, HasSubstr("taken for dead in 4m"));
  EXPECT_THAT(ExplainNode(Node(NodeLiveness::kLive, absl::Seconds(1)), Cluster()).troubles,
              IsEmpty());
}

TEST(WhyTest, OfADeadNodeNothingIsLeftToDoOnlyIfAllBlocksWereLookedAt) {
  const NodeFacts dead = Node(NodeLiveness::kDead, absl::Minutes(10));
  ClusterFacts cluster = Cluster();
  EXPECT_THAT(ExplainNode(dead, cluster).troubles.at(0).doing, HasSubstr("nothing is left to do"));
  cluster.looking = true;
  EXPECT_EQ(ExplainNode(dead, cluster).troubles.at(0).doing,
            "no block is known to lack replicas, but the namenode is still looking through the "
            "blocks");
  cluster.by_need[static_cast<size_t>(Need::kLow)] = 2;
  EXPECT_THAT(ExplainNode(dead, cluster).troubles.at(0).doing,
              HasSubstr("2 blocks of the cluster lack replicas"));
  cluster.safe_mode = true;
  cluster.safe_mode_reason = "It was turned on manually.";
  const Trouble t = ExplainNode(dead, cluster).troubles.at(0);
  EXPECT_EQ(t.doing, "nothing: in safe mode no replica is copied");
  EXPECT_EQ(t.blocked, "safe mode: It was turned on manually.");
}

TEST(WhyTest, OfANodeThatIsToLeaveTheRestAndTheEndAreTold) {
  NodeFacts node = Node(NodeLiveness::kLive, absl::Seconds(1));
  node.admin_state = client::DatanodeAdminState::kDecommissioning;
  node.leaving = client::LeaveFacts{.since = absl::Seconds(42),
                                    .blocks_left = 2,
                                    .bytes_left = 3 << 20,
                                    .last_copies = 1,
                                    .bytes_per_second = 1 << 20,
                                    .ends_in = absl::Seconds(3),
                                    .blocked_by = "blk_1: no datanode has room"};
  const Trouble t = ExplainNode(node, Cluster()).troubles.at(0);
  EXPECT_EQ(t.since, "42s");
  EXPECT_EQ(t.doing,
            "its blocks are copied elsewhere: 2 blocks with 3 MB are left; 1 of them is nowhere "
            "else; 1 MB a second");
  EXPECT_EQ(t.blocked, "blk_1: no datanode has room");
  EXPECT_EQ(t.expected, "in 3s");
  node.leaving->ends_in.reset();
  EXPECT_THAT(ExplainNode(node, Cluster()).troubles.at(0).expected,
              HasSubstr("when every block has its replicas elsewhere"));
}

TEST(WhyTest, StoragesThatFailedOrAreFullAreTroubles) {
  NodeFacts node = Node(NodeLiveness::kLive, absl::Seconds(1));
  node.storages[0].failed = true;
  node.storages.push_back({.uuid = "DS-2", .capacity = 1000, .remaining = 10});
  const Explanation e = ExplainNode(node, Cluster());
  ASSERT_THAT(e.troubles, SizeIs(2));
  EXPECT_THAT(e.troubles[0].what, HasSubstr("failed"));
  EXPECT_THAT(e.troubles[1].what, HasSubstr("full"));
}

TEST(WhyTest, ANodeIsFoundByAnyOfItsNamesIfThatIsItsAlone) {
  ClusterFacts cluster = Cluster();
  cluster.nodes = {Node(NodeLiveness::kLive, absl::Seconds(1))};
  for (const char* name : {"10.0.0.1:9866", "dn1:9866", "dn1", "10.0.0.1", "uuid-1"}) {
    EXPECT_EQ(FindNode(cluster, name), &cluster.nodes[0]) << name;
  }
  EXPECT_EQ(FindNode(cluster, "dn2"), nullptr);
  cluster.nodes.push_back(cluster.nodes[0]);
  EXPECT_EQ(FindNode(cluster, "dn1"), nullptr) << "several";
}

}  // namespace
}  // namespace cairn::tools
