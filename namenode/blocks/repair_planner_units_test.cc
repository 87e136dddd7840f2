// Where lost units of a block group go.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <vector>

#include "absl/strings/str_cat.h"
#include "erasure/policy.h"
#include "namenode/blocks/repair_planner.h"
#include "namenode/blocks/testing/test_cluster.h"

namespace cairn::namenode {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

constexpr int kTries = 50;  // targets are drawn at random

// RS-3-2 with units 1 and 3 lost, or just unit 1; node u + 1 has, or had, unit u.
class RepairPlannerUnitsTest : public ::testing::Test {
 protected:
  RepairPlannerUnitsTest() { cluster_.AddMany(5); }

  // For unit 1, of which node 2 has a bad replica, as nodes `bad` have of unit 3.
  RepairPlan Plan(const std::vector<uint32_t>& bad) {
    BlockFacts facts = Facts("RS-3-2-1024k", 3, {0, 2, 4});
    facts.group->bad = bad;
    facts.group->lost = {3};
    return Plan(facts, Need::kHighest);
  }
  RepairPlan Plan(const BlockFacts& facts, Need need) {
    const ClusterView view = cluster_.View();
    EXPECT_EQ(NeedOf(facts, rules_.min_maintenance, view), std::optional<Need>(need));
    return PlanRepair(facts, need, rules_, view, budget_, absl::Seconds(1000), random_);
  }
  BlockFacts Facts(const char* policy, uint32_t data_units, const std::vector<uint32_t>& there) {
    const BlockId group = MakeGroupId(7);
    BlockFacts facts;
    facts.block = {UnitOf(group, 1), GenerationStamp{1001}, 1 << 20};
    facts.wanted = 1;
    facts.replicas = {{2, Standing::kCorrupt}};
    facts.counts = CountReplicas(facts.replicas, cluster_.View());
    GroupFacts& of = facts.group.emplace();
    of.group = {group, GenerationStamp{1001}, uint64_t{data_units} << 20};
    of.policy = erasure::FindSystemPolicy(policy);
    of.needed = data_units;
    of.readable = static_cast<uint32_t>(there.size());
    for (const uint32_t unit : there) of.others.push_back({unit, {unit + 1, Standing::kLive}});
    return facts;
  }
  // It sends, and takes, as much as it may.
  void MakeBusy(uint32_t node, uint32_t other) {
    for (int copy = 0; copy < 100; ++copy) {
      copies_.Add(BlockId{++copies_made_}, {.source = node,
                                            .target = other,
                                            .source_node = absl::StrCat("node-", node),
                                            .target_node = absl::StrCat("node-", other),
                                            .bytes = uint64_t{128} << 20,
                                            .since = absl::Seconds(1000),
                                            .deadline = absl::Seconds(1100)});
    }
  }
  static std::vector<uint32_t> SourceUnits(const RepairPlan& plan) {
    std::vector<uint32_t> units;
    if (!plan.rebuild.has_value()) return units;
    for (const auto& [unit, storage] : plan.rebuild->sources) {
      EXPECT_EQ(storage, unit + 1);
      units.push_back(unit);
    }
    return units;
  }

  TestCluster cluster_;
  PendingCopies copies_;
  uint64_t copies_made_ = 100;
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
  MakeBusy(2, 6);
  const RepairPlan plan = Plan({4});
  EXPECT_FALSE(plan.rebuild.has_value());
  EXPECT_THAT(plan.deletions, IsEmpty());
  EXPECT_EQ(plan.next, RepairPlan::Next::kBusy);
}

// One is there to spare: so it can wait.
TEST_F(RepairPlannerUnitsTest, TheUnitToCompareWithIsWaitedForAsLongAsItsNodeIsBusy) {
  cluster_.AddMany(2);
  const BlockFacts facts = Facts("RS-3-2-1024k", 3, {0, 2, 3, 4});
  EXPECT_THAT(SourceUnits(Plan(facts, Need::kVeryLow)), UnorderedElementsAre(0, 2, 3, 4));
  for (const uint32_t unit : {0, 4}) {
    copies_ = {};
    MakeBusy(unit + 1, 2);
    const RepairPlan plan = Plan(facts, Need::kVeryLow);
    EXPECT_FALSE(plan.rebuild.has_value());
    EXPECT_EQ(plan.next, RepairPlan::Next::kBusy);
  }
}

TEST_F(RepairPlannerUnitsTest, TheUnitToCompareWithIsNotWaitedForWhereItsNodeIsSilent) {
  cluster_.AddMany(2);
  cluster_.node(5).liveness = Liveness::kStale;
  const RepairPlan plan = Plan(Facts("RS-3-2-1024k", 3, {0, 2, 3, 4}), Need::kVeryLow);
  EXPECT_THAT(SourceUnits(plan), UnorderedElementsAre(0, 2, 3));
}

// RS-6-3, of which six units are read, and one more.
TEST_F(RepairPlannerUnitsTest, BusyNodesAreTheLastOnesToTakeAnothersPlace) {
  cluster_.AddMany(6);  // nodes up to 11: two without a unit
  MakeBusy(1, 2);
  const BlockFacts facts = Facts("RS-6-3-1024k", 6, {0, 2, 3, 4, 5, 6, 7, 8});
  const RepairPlan plan = Plan(facts, Need::kLow);
  const std::vector<uint32_t> units = SourceUnits(plan);
  EXPECT_THAT(units, UnorderedElementsAre(0, 2, 3, 4, 5, 6, 7, 8));
  ASSERT_THAT(units, SizeIs(8));
  EXPECT_EQ(units.back(), 0u);

  MakeBusy(3, 2);
  EXPECT_EQ(Plan(facts, Need::kLow).next, RepairPlan::Next::kBusy)
      << "six others, and nothing to compare with";
}

TEST_F(RepairPlannerUnitsTest, WithoutAUnitToSpareNothingIsComparedWith) {
  cluster_.AddMany(2);
  const BlockFacts facts = Facts("RS-3-2-1024k", 3, {0, 2, 4});
  EXPECT_THAT(SourceUnits(Plan(facts, Need::kHighest)), UnorderedElementsAre(0, 2, 4));
}

}  // namespace
}  // namespace cairn::namenode
