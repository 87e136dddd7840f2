// Where lost units of a block group go.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <vector>

#include "erasure/policy.h"
#include "namenode/blocks/repair_planner.h"
#include "namenode/blocks/testing/test_cluster.h"

namespace cairn::namenode {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int kTries = 50;  // targets are drawn at random

// RS-3-2. Units 1 and 3 are lost; node u + 1 has, or had, unit u.
class RepairPlannerUnitsTest : public ::testing::Test {
 protected:
  RepairPlannerUnitsTest() { cluster_.AddMany(5); }

  // For unit 1, of which node 2 has a bad replica, as nodes `bad` have of unit 3.
  RepairPlan Plan(const std::vector<uint32_t>& bad) {
    const ClusterView view = cluster_.View();
    const BlockId group = MakeGroupId(7);
    BlockFacts facts;
    facts.block = {UnitOf(group, 1), GenerationStamp{1001}, 1 << 20};
    facts.wanted = 1;
    facts.replicas = {{2, Standing::kCorrupt}};
    facts.counts = CountReplicas(facts.replicas, view);
    GroupFacts& of = facts.group.emplace();
    of.group = {group, GenerationStamp{1001}, 3 << 20};
    of.policy = erasure::FindSystemPolicy("RS-3-2-1024k");
    of.needed = 3;
    of.readable = 3;
    for (const uint32_t unit : {0, 2, 4}) of.others.push_back({unit, {unit + 1, Standing::kLive}});
    of.bad = bad;
    of.lost = {3};
    const std::optional<Need> need = NeedOf(facts, rules_.min_maintenance, view);
    EXPECT_EQ(need, std::optional<Need>(Need::kHighest));
    return PlanRepair(facts, *need, rules_, view, budget_, absl::Seconds(1000), random_);
  }

  TestCluster cluster_;
  PendingCopies copies_;
  RepairBudget budget_{{}, copies_};
  RepairRules rules_;
  std::mt19937_64 random_{20261130};
};

TEST_F(RepairPlannerUnitsTest, NodesWithBadUnitsOfTheGroupAreLeftOut) {
  cluster_.AddMany(2);
  for (int i = 0; i < kTries; ++i) {
    const RepairPlan plan = Plan({4});
    ASSERT_TRUE(plan.rebuild.has_value());
    ASSERT_THAT(plan.rebuild->targets, SizeIs(2));
    for (const auto& [unit, storage] : plan.rebuild->targets) EXPECT_GE(storage, 6u);
  }
}

TEST_F(RepairPlannerUnitsTest, OneOtherNodeGetsOneUnitAndTheBadOneWaits) {
  cluster_.AddMany(1);
  for (int i = 0; i < kTries; ++i) {
    const RepairPlan plan = Plan({4});
    ASSERT_TRUE(plan.rebuild.has_value());
    ASSERT_THAT(plan.rebuild->targets, SizeIs(1));
    EXPECT_EQ(plan.rebuild->targets[0].unit, 1u);
    EXPECT_EQ(plan.rebuild->targets[0].storage, 6u);
  }
}

TEST_F(RepairPlannerUnitsTest, WithoutOthersANodeGetsAUnitThatIsNotBadThere) {
  const RepairPlan plan = Plan({4});
  ASSERT_TRUE(plan.rebuild.has_value());
  ASSERT_THAT(plan.rebuild->targets, SizeIs(1)) << "the other one would be refused there";
  EXPECT_EQ(plan.rebuild->targets[0].unit, 1u);
  EXPECT_EQ(plan.rebuild->targets[0].storage, 4u);
}

// Not even there: unit 1 is bad on the only one that is left.
TEST_F(RepairPlannerUnitsTest, ABadReplicaOfTheUnitItselfMakesRoom) {
  cluster_.node(4).liveness = Liveness::kStale;
  const RepairPlan plan = Plan({4});
  EXPECT_FALSE(plan.rebuild.has_value());
  EXPECT_THAT(plan.deletions, ::testing::ElementsAre(2u));
}

TEST_F(RepairPlannerUnitsTest, ANodeThatIsBusyIsWaitedForRatherThanOneWithABadUnit) {
  cluster_.AddMany(1);
  for (uint64_t copy = 0; copy < 100; ++copy) {
    copies_.Add(BlockId{100 + copy}, {.source = 2,
                                      .target = 6,
                                      .source_node = "node-2",
                                      .target_node = "node-6",
                                      .bytes = uint64_t{128} << 20,
                                      .since = absl::Seconds(1000),
                                      .deadline = absl::Seconds(1100)});
  }
  const RepairPlan plan = Plan({4});
  EXPECT_FALSE(plan.rebuild.has_value());
  EXPECT_THAT(plan.deletions, IsEmpty());
  EXPECT_EQ(plan.next, RepairPlan::Next::kBusy);
}

}  // namespace
}  // namespace cairn::namenode
