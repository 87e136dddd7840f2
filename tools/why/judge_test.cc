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

TEST(WhyTest, AGroupInWhichItsFileIsBeingTruncatedTellsWhatThatWaitsFor) {
  BlockReport block = Block(Need::kNone, {Standing::kLive, Standing::kLive, Standing::kLive});
  block.recovery_waits_for = "the truncation of its file to 7 bytes: nobody writes what stays";
  const Explanation explained = Explain(block);
  ASSERT_EQ(explained.troubles.size(), 1u);
  EXPECT_THAT(explained.troubles[0].what, HasSubstr("being truncated inside it"));
  EXPECT_THAT(explained.troubles[0].blocked, HasSubstr("nobody writes what stays"));
  EXPECT_FALSE(explained.troubles[0].data_lost);
}

// A full RS-3-2 group whose units need this, and stand so.
BlockReport Group(std::vector<std::pair<Need, Standing>> units) {
  BlockReport group;
  group.id = 0x8000000000000010;
  group.length = 30;
  group.wanted = 5;
  group.units_needed = 3;
  for (const auto& [need, standing] : units) {
    BlockReport unit = Block(need, {standing});
    unit.id = group.id + group.units.size();
    unit.wanted = 1;
    unit.replicas[0].transfer_port = static_cast<uint16_t>(9001 + group.units.size());
    group.units.push_back(unit);
  }
  return group;
}

constexpr std::pair<Need, Standing> kThere = {Need::kNone, Standing::kLive};

Explanation ExplainGroup(const BlockReport& group) {
  client::FileReport file;
  file.path = "/f";
  file.erasure_policy = "RS-3-2-1024k";
  file.blocks = {group};
  return ExplainFile(file, nullptr);
}

TEST(WhyTest, AGroupTellsWhichUnitsAreMissingAndHowManyMoreMayBe) {
  BlockReport group = Group({kThere, {Need::kVeryLow, Standing::kDead}, kThere, kThere, kThere});
  Trouble t = ExplainGroup(group).troubles.at(0);
  EXPECT_EQ(t.subject, "group blk_-9223372036854775792 of /f");
  EXPECT_EQ(t.what,
            "1 of its 5 units is missing: unit 1 (lost with 10.0.0.1:9002); 1 more may be lost");
  EXPECT_FALSE(t.data_lost);
  EXPECT_EQ(t.doing, "nothing yet: the namenode has not come to it");

  group = Group({kThere,
                 {Need::kHighest, Standing::kDead},
                 kThere,
                 {Need::kHighest, Standing::kCorrupt},
                 kThere});
  group.units[1].repair = BlockReport::Repair{.known = absl::Seconds(40)};
  group.units[3].repair = BlockReport::Repair{.known = absl::Seconds(20)};
  group.units[1].copies = {{"10.0.0.9:1", "10.0.0.8:1", absl::Seconds(2), absl::Seconds(60)}};
  t = ExplainGroup(group).troubles.at(0);
  EXPECT_THAT(t.what, HasSubstr("2 of its 5 units are missing"));
  EXPECT_THAT(t.what, HasSubstr("unit 3 (bad on 10.0.0.1:9004); no more may be lost"));
  EXPECT_EQ(t.since, "40s");
  EXPECT_EQ(t.doing, "a computation of unit 1 on 10.0.0.9:1 for 10.0.0.8:1 has run for 2s");
  EXPECT_THAT(t.expected, HasSubstr("when the copy is done"));
}

TEST(WhyTest, AGroupWhoseUnitsContradictEachOtherTellsHow) {
  BlockReport group = Group({kThere, kThere, kThere, kThere, kThere});
  group.contradiction = "unit 2 is wrong, by what all others say";
  for (BlockReport& unit : group.units) unit.contradiction = group.contradiction;
  const std::vector<Trouble> troubles = ExplainGroup(group).troubles;
  ASSERT_EQ(troubles.size(), 1u);
  EXPECT_EQ(troubles[0].subject, "group blk_-9223372036854775792 of /f");
  EXPECT_EQ(troubles[0].what, "unit 2 is wrong, by what all others say");
  EXPECT_THAT(troubles[0].expected, HasSubstr("A wrong unit"));
  EXPECT_FALSE(troubles[0].data_lost);

  client::OwnedBlock owned;
  owned.path = "/f";
  owned.block = group.units[1];
  EXPECT_EQ(ExplainUnit(owned, group, nullptr).troubles.size(), 1u);
}

TEST(WhyTest, AGroupWithTooFewUnitsIsLostOnce) {
  BlockReport group = Group({kThere,
                             {Need::kMissing, Standing::kDead},
                             {Need::kMissing, Standing::kDead},
                             {Need::kMissing, Standing::kDead},
                             kThere});
  for (const size_t unit : {1, 2, 3}) {
    group.units[unit].repair = BlockReport::Repair{.blocked_by = "too few other units"};
  }
  const Explanation e = ExplainGroup(group);
  ASSERT_THAT(e.troubles, SizeIs(1));
  const Trouble& t = e.troubles[0];
  EXPECT_TRUE(t.data_lost);
  EXPECT_THAT(t.what, HasSubstr("2 are left, and 3 are needed to read it"));
  EXPECT_THAT(t.doing, HasSubstr("nothing can be done"));
  EXPECT_EQ(t.blocked, "too few other units");
  EXPECT_EQ(t.expected, "when enough of the datanodes that held its group's units are back");
}

TEST(WhyTest, AUnitThatIsToLeaveIsNotMissing) {
  const Trouble t =
      ExplainGroup(
          Group({kThere, kThere, {Need::kHighest, Standing::kDecommissioning}, kThere, kThere}))
          .troubles.at(0);
  EXPECT_EQ(t.what, "unit 2: 0 of 1 replica is there (on 10.0.0.1:9003, which is to leave)");
}

TEST(WhyTest, AWholeGroupIsNoTrouble) {
  const Explanation e = ExplainGroup(Group({kThere, kThere, kThere, kThere, kThere}));
  EXPECT_THAT(e.troubles, IsEmpty());
  EXPECT_EQ(e.fine, "its 1 block group has all units");
}

// The id of a group is that of its first unit, which may be well where the group is not.
TEST(WhyTest, AUnitNamesItsGroupAndTellsOfIt) {
  BlockReport group = Group({kThere,
                             {Need::kMissing, Standing::kDead},
                             {Need::kMissing, Standing::kDead},
                             {Need::kMissing, Standing::kDead},
                             kThere});
  client::OwnedBlock owned{.path = "/f", .block = group.units[0]};
  Explanation e = ExplainUnit(owned, group, nullptr);
  EXPECT_EQ(e.subject, "blk_-9223372036854775792 (unit 0 of group blk_-9223372036854775792) of /f");
  ASSERT_THAT(e.troubles, SizeIs(1));
  EXPECT_EQ(e.troubles[0].subject, "group blk_-9223372036854775792 of /f");
  owned.block = group.units[2];
  e = ExplainUnit(owned, group, nullptr);
  ASSERT_THAT(e.troubles, SizeIs(2));
  EXPECT_EQ(e.troubles[0].subject,
            "blk_-9223372036854775790 (unit 2 of group blk_-9223372036854775792) of /f");
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
