#include "namenode/blocks/repair_planner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "namenode/blocks/testing/test_cluster.h"

namespace cairn::namenode {
namespace {

using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;
using Next = RepairPlan::Next;

constexpr absl::Duration kNow = absl::Seconds(1000);
constexpr uint64_t kMiB = 1 << 20;

class RepairPlannerTest : public ::testing::Test {
 protected:
  // What is planned for a block of `bytes` bytes that wants `wanted` replicas.
  RepairPlan Plan(uint32_t wanted, const std::vector<uint32_t>& good,
                  const std::vector<uint32_t>& corrupt = {},
                  const std::vector<uint32_t>& leaving = {}) {
    const ClusterView view = cluster_.View();
    BlockFacts facts;
    facts.block = {BlockId{7}, GenerationStamp{1001}, bytes_};
    facts.wanted = wanted;
    facts.arriving = arriving_;
    facts.writing = writing_;
    facts.moving = moving_;
    facts.move = move_;
    const auto add = [&](const std::vector<uint32_t>& storages, ReplicaMark mark) {
      for (const uint32_t storage : storages) {
        facts.replicas.push_back({storage, StandingOf(storage, mark, view)});
      }
    };
    add(good, ReplicaMark::kNone);
    add(leaving, ReplicaMark::kExcess);
    add(corrupt, ReplicaMark::kCorrupt);
    facts.counts = CountReplicas(facts.replicas, view);
    const auto need = NeedOf(facts.counts, wanted, rules_.min_maintenance, view);
    EXPECT_TRUE(need.has_value());
    if (!need) return {};
    RepairPlan plan = PlanRepair(facts, *need, rules_, view, budget_, kNow, random_);
    if (plan.copy) {
      for (const uint32_t target : plan.copy->targets) {
        EXPECT_TRUE(std::none_of(facts.replicas.begin(), facts.replicas.end(),
                                 [&](const auto& r) { return r.storage == target; }));
      }
    }
    return plan;
  }

  void Load(uint32_t from, uint32_t to, uint64_t bytes = 128 * kMiB) {
    copies_.Add(BlockId{next_copy_++}, {.source = from,
                                        .target = to,
                                        .source_node = absl::StrCat("node-", from),
                                        .target_node = absl::StrCat("node-", to),
                                        .bytes = bytes,
                                        .since = kNow,
                                        .deadline = kNow + absl::Minutes(1)});
  }

  TestCluster cluster_;
  PendingCopies copies_;
  RepairBudget budget_{{}, copies_};
  RepairRules rules_;
  std::vector<uint32_t> arriving_, writing_;
  uint32_t moving_ = 0;  // of arriving_
  std::optional<BlockFacts::Move> move_;
  uint64_t bytes_ = 128 * kMiB;
  uint64_t next_copy_ = 100;
  std::mt19937_64 random_{20261129};
};

// ---- copies

TEST_F(RepairPlannerTest, WhatIsMissingGoesToOtherNodesInOneOrder) {
  cluster_.AddMany(5);
  const RepairPlan plan = Plan(3, {2});
  ASSERT_TRUE(plan.copy.has_value());
  EXPECT_EQ(plan.copy->source, 2u);
  EXPECT_THAT(plan.copy->targets, SizeIs(2));
  EXPECT_THAT(plan.deletions, IsEmpty());
  EXPECT_EQ(plan.blocked_by, "");
}

TEST_F(RepairPlannerTest, ManyBlocksSpreadOverAllSourcesAndTargets) {
  cluster_.AddMany(8);
  bytes_ = kMiB;
  std::map<uint32_t, int> sources, targets;
  for (int i = 0; i < 200; ++i) {
    const RepairPlan plan = Plan(3, {1, 2});
    ASSERT_TRUE(plan.copy.has_value());
    ++sources[plan.copy->source];
    ++targets[plan.copy->targets[0]];
    Load(plan.copy->source, plan.copy->targets[0], 64 << 10);
  }
  EXPECT_THAT(sources, SizeIs(2));
  EXPECT_NEAR(sources[1], 100, 10);
  EXPECT_THAT(targets, SizeIs(6));
}

TEST_F(RepairPlannerTest, ALeavingNodeIsTheFirstSource) {
  cluster_.AddMany(5);
  cluster_.node(2).admin_state = AdminState::kDecommissioning;
  cluster_.node(2).transfers = 50;
  EXPECT_EQ(Plan(3, {1, 2, 3}).copy->source, 2u);
}

TEST_F(RepairPlannerTest, ACorruptReplicaIsNoSourceAndItsNodeNoTarget) {
  cluster_.AddMany(4);
  for (int i = 0; i < 20; ++i) {
    const RepairPlan plan = Plan(2, {1}, {2});
    ASSERT_TRUE(plan.copy.has_value());
    EXPECT_EQ(plan.copy->source, 1u);
    EXPECT_THAT(plan.copy->targets[0], AnyOf(3u, 4u));
    EXPECT_THAT(plan.deletions, IsEmpty()) << "not before there are enough good ones";
  }
}

TEST_F(RepairPlannerTest, AReplicaThatIsToBeDeletedIsASourceOnlyIfThereIsNoOther) {
  cluster_.AddMany(4);
  EXPECT_EQ(Plan(2, {1}, {}, {2}).copy->source, 1u);
  cluster_.node(1).liveness = Liveness::kDead;
  EXPECT_EQ(Plan(2, {1}, {}, {2}).copy->source, 2u);
}

TEST_F(RepairPlannerTest, ASilentNodeIsNeitherSourceNorTarget) {
  cluster_.AddMany(3);
  cluster_.node(1).liveness = Liveness::kStale;
  RepairPlan plan = Plan(2, {1});
  EXPECT_FALSE(plan.copy.has_value());
  EXPECT_EQ(plan.next, Next::kBlocked);
  EXPECT_THAT(plan.blocked_by, HasSubstr("silent"));
  cluster_.node(1).liveness = Liveness::kLive;
  cluster_.node(2).liveness = Liveness::kStale;
  cluster_.node(3).liveness = Liveness::kStale;
  plan = Plan(2, {1});
  EXPECT_FALSE(plan.copy.has_value());
  EXPECT_THAT(plan.blocked_by, HasSubstr("no datanode can take a copy"));
}

TEST_F(RepairPlannerTest, NodesAtTheirLimitAreLeftOut) {
  cluster_.AddMany(4);
  Load(1, 3);
  Load(1, 4);
  EXPECT_EQ(Plan(3, {1, 2}).copy->source, 2u);
  Load(2, 3);
  Load(2, 4);
  const RepairPlan plan = Plan(3, {1, 2});
  EXPECT_FALSE(plan.copy.has_value());
  EXPECT_EQ(plan.next, Next::kBusy);
  EXPECT_TRUE(Plan(2, {1}).copy.has_value()) << "the last copy goes before";
}

TEST_F(RepairPlannerTest, WhatIsUnderWayIsNotOrderedAgain) {
  cluster_.AddMany(5);
  arriving_ = {4};
  RepairPlan plan = Plan(3, {1, 2});
  EXPECT_FALSE(plan.copy.has_value());
  EXPECT_EQ(plan.next, Next::kWait);
  plan = Plan(4, {1, 2});
  ASSERT_TRUE(plan.copy.has_value());
  EXPECT_THAT(plan.copy->targets, ElementsAre(AnyOf(3u, 5u)));
}

TEST_F(RepairPlannerTest, ADatanodeThatMayStillReportItsReplicaGetsNoCopy) {
  cluster_.AddMany(4);
  writing_ = {1, 2, 3};
  const RepairPlan plan = Plan(3, {1, 2});
  ASSERT_TRUE(plan.copy.has_value());
  EXPECT_THAT(plan.copy->targets, ElementsAre(4u));
  cluster_.node(4).liveness = Liveness::kDead;
  EXPECT_THAT(Plan(3, {1, 2}).copy->targets, ElementsAre(3u)) << "it seems to have no replica";
}

TEST_F(RepairPlannerTest, AMissingBlockSaysWhatIsLeftOfIt) {
  cluster_.AddMany(2);
  cluster_.awaited = {9};
  EXPECT_THAT(Plan(2, {}).blocked_by, HasSubstr("no datanode has it"));
  EXPECT_THAT(Plan(2, {}, {1}).blocked_by, HasSubstr("corrupt"));
  EXPECT_THAT(Plan(2, {9}).blocked_by, HasSubstr("not registered"));
  EXPECT_THAT(Plan(2, {8}).blocked_by, HasSubstr("lost"));
  EXPECT_THAT(Plan(2, {}, {1}).deletions, IsEmpty()) << "the last one stays, corrupt or not";
}

TEST_F(RepairPlannerTest, ABadSpreadGetsACopyInAnotherRackOrAReason) {
  cluster_.AddMany(3, "/a");
  const uint32_t other = cluster_.Add("/b");
  RepairPlan plan = Plan(3, {1, 2, 3});
  ASSERT_TRUE(plan.copy.has_value());
  EXPECT_THAT(plan.copy->targets, ElementsAre(other));
  cluster_.disk(other).remaining_bytes = 0;
  cluster_.Add("/a");
  plan = Plan(3, {1, 2, 3});
  EXPECT_FALSE(plan.copy.has_value()) << "a fourth one in the same rack is of no use";
  EXPECT_THAT(plan.blocked_by, HasSubstr("another rack"));
}

// ---- deletions

TEST_F(RepairPlannerTest, TheFullestNodeLosesTheExtraReplica) {
  cluster_.AddMany(4);
  cluster_.disk(3).remaining_bytes = 1;
  EXPECT_THAT(Plan(3, {1, 2, 3, 4}).deletions, ElementsAre(3u));
  cluster_.disk(2).remaining_bytes = 2;
  EXPECT_THAT(Plan(2, {1, 2, 3, 4}).deletions, ElementsAre(3u, 2u));
}

TEST_F(RepairPlannerTest, TheReplicaThatWasMovedGoesThoughItsNodeIsNotTheFullest) {
  cluster_.AddMany(4);
  cluster_.disk(3).remaining_bytes = 1;
  move_ = {{.from = 2, .to = 4}};
  EXPECT_THAT(Plan(3, {1, 2, 3, 4}).deletions, ElementsAre(2u));
  EXPECT_THAT(Plan(2, {1, 2, 3, 4}).deletions, ElementsAre(2u, 3u));
  EXPECT_THAT(Plan(2, {1, 2, 3}).deletions, ElementsAre(3u)) << "it did not arrive";
  EXPECT_THAT(Plan(2, {1, 3, 4}).deletions, ElementsAre(3u)) << "it is gone already";
  StorageInfo second = cluster_.disk(4);
  second.number = 14;
  cluster_.node(4).storages.push_back(second);
  EXPECT_THAT(Plan(3, {1, 2, 3, 14}).deletions, ElementsAre(2u)) << "on another disk of the target";
}

TEST_F(RepairPlannerTest, AMoveIsNoReasonToLoseARack) {
  cluster_.AddMany(3, "/a");
  const uint32_t lone = cluster_.Add("/b");
  const uint32_t third = cluster_.Add("/c");
  cluster_.disk(1).remaining_bytes = 1;
  move_ = {{.from = lone, .to = 3}};
  EXPECT_THAT(Plan(3, {1, 2, 3, lone}).deletions, ElementsAre(1u));
  move_ = {{.from = lone, .to = third}};
  EXPECT_THAT(Plan(3, {1, 2, lone, third}).deletions, ElementsAre(lone));
}

TEST_F(RepairPlannerTest, NobodyWaitsForTheCopyOfAMove) {
  cluster_.AddMany(5);
  arriving_ = {4};
  EXPECT_FALSE(Plan(3, {1, 2}).copy.has_value());
  moving_ = 1;
  const RepairPlan plan = Plan(3, {1, 2});
  ASSERT_TRUE(plan.copy.has_value());
  EXPECT_NE(plan.copy->targets, std::vector<uint32_t>{4});
}

TEST_F(RepairPlannerTest, NoRackIsLostByADeletion) {
  cluster_.AddMany(3, "/a");
  const uint32_t only = cluster_.Add("/b");
  cluster_.disk(only).remaining_bytes = 1;  // the fullest by far
  EXPECT_THAT(Plan(2, {1, 2, 3, only}).deletions, SizeIs(2));
  for (const uint32_t gone : Plan(2, {1, 2, 3, only}).deletions) EXPECT_NE(gone, only);
}

TEST_F(RepairPlannerTest, NothingIsDeletedOnStaleKnowledge) {
  cluster_.AddMany(4);
  cluster_.disk(2).reported = false;
  RepairPlan plan = Plan(3, {1, 2, 3, 4});
  EXPECT_THAT(plan.deletions, IsEmpty());
  EXPECT_THAT(plan.blocked_by, HasSubstr("full report of datanode 10.0.0.2:9866"));
  cluster_.disk(2).reported = true;
  cluster_.node(4).liveness = Liveness::kStale;
  plan = Plan(3, {1, 2, 3, 4});
  EXPECT_THAT(plan.deletions, IsEmpty());
  EXPECT_THAT(plan.blocked_by, HasSubstr("silent"));
  cluster_.node(4).liveness = Liveness::kLive;
  arriving_ = {4};
  EXPECT_THAT(Plan(2, {1, 2, 3}).deletions, IsEmpty());
  arriving_ = {};
  EXPECT_THAT(Plan(3, {1, 2, 3, 4}).deletions, SizeIs(1));
  EXPECT_THAT(Plan(3, {1, 2, 3, 4, /*dead=*/77}).deletions, SizeIs(1))
      << "what is lost holds nothing up";
}

TEST_F(RepairPlannerTest, WhatIsToBeDeletedAlreadyDoesNotCountAsTooMany) {
  cluster_.AddMany(5);
  EXPECT_THAT(Plan(3, {1, 2, 3}, {}, {4}).deletions, ElementsAre(4u)) << "the order may be lost";
  EXPECT_THAT(Plan(3, {1, 2, 3, 5}, {}, {4}).deletions, SizeIs(2));
  EXPECT_THAT(Plan(3, {1, 2}, {}, {4}).deletions, IsEmpty());
}

TEST_F(RepairPlannerTest, CorruptReplicasGoOnceThereAreEnoughGoodOnes) {
  cluster_.AddMany(4);
  EXPECT_THAT(Plan(2, {1, 2}, {3}).deletions, ElementsAre(3u));
  EXPECT_THAT(Plan(2, {1, 2, 4}, {3}).deletions, UnorderedElementsAre(3u, AnyOf(1u, 2u, 4u)));
  EXPECT_THAT(Plan(2, {1}, {3}).deletions, IsEmpty());
}

TEST_F(RepairPlannerTest, ACorruptReplicaMakesRoomWhereNothingElseIsLeft) {
  cluster_.AddMany(3);
  RepairPlan plan = Plan(3, {1, 2}, {3});
  EXPECT_FALSE(plan.copy.has_value());
  EXPECT_THAT(plan.deletions, ElementsAre(3u)) << "then a good copy can go there";
  cluster_.disk(1).reported = cluster_.disk(2).reported = false;
  plan = Plan(3, {1, 2}, {3});
  EXPECT_THAT(plan.deletions, IsEmpty()) << "nobody has said that the good ones are there";
  EXPECT_EQ(plan.next, Next::kBlocked);
}

// As long as the order is not answered no copy can go there, and it may be lost.
TEST_F(RepairPlannerTest, AnOrderedDeletionIsRepeatedWhereNoOtherNodeCanTakeACopy) {
  cluster_.AddMany(3);
  RepairPlan plan = Plan(3, {1}, {}, {2, 3});
  EXPECT_FALSE(plan.copy.has_value());
  EXPECT_THAT(plan.deletions, ElementsAre(2u)) << "one at a time";
  cluster_.disk(1).reported = false;
  plan = Plan(3, {1}, {}, {2, 3});
  EXPECT_THAT(plan.deletions, IsEmpty());
  EXPECT_EQ(plan.next, Next::kBlocked);
  cluster_.AddMany(1);
  plan = Plan(3, {1}, {}, {2, 3});
  EXPECT_TRUE(plan.copy.has_value());
  EXPECT_THAT(plan.deletions, IsEmpty());
}

// It is moving the replica: an order to delete the one, which names no disk, would meet the other.
TEST_F(RepairPlannerTest, OfTwoDisksOfOneNodeNoneIsDeleted) {
  cluster_.AddMany(3);
  StorageInfo second = cluster_.disk(2);
  second.number = 12;
  cluster_.node(2).storages.push_back(second);
  cluster_.disk(3).remaining_bytes = 1;
  for (const auto& replicas : std::vector<std::vector<uint32_t>>{{2, 12, 3}, {2, 12}}) {
    const RepairPlan plan = Plan(static_cast<uint32_t>(replicas.size()) - 1, replicas);
    EXPECT_THAT(plan.deletions, IsEmpty());
    EXPECT_THAT(plan.blocked_by, HasSubstr("on two disks"));
  }
}

}  // namespace
}  // namespace cairn::namenode
