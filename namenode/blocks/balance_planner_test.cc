#include "namenode/blocks/balance_planner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "namenode/blocks/testing/test_cluster.h"

namespace cairn::namenode {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Result = BlockMovePlan::Result;

constexpr absl::Duration kNow = absl::Seconds(1000);
constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kDisk = TestCluster::kDiskBytes;

auto Pair(uint32_t source, uint32_t target, uint64_t bytes) {
  return AllOf(Field(&BalancePair::source, absl::StrCat("node-", source)),
               Field(&BalancePair::target, absl::StrCat("node-", target)),
               Field(&BalancePair::bytes,
                     ::testing::AllOf(::testing::Ge(bytes - kMiB), ::testing::Le(bytes + kMiB))));
}

class BalancePlannerTest : public ::testing::Test {
 protected:
  uint32_t Add(double percent, absl::string_view rack = "/a") {
    const auto used = static_cast<uint64_t>(static_cast<double>(kDisk) * percent / 100);
    const uint32_t node = cluster_.Add(rack, kDisk - used);
    cluster_.disk(node).used_bytes = used;
    return node;
  }
  BalancePlan Plan() { return PlanBalance(cluster_.View(), rules_); }

  TestCluster cluster_;
  BalanceRules rules_{.most_bytes = kDisk};
};

// ---- classes and pairs

TEST_F(BalancePlannerTest, WithinTheThresholdNothingIsLeftToMove) {
  Add(40);
  Add(50);
  Add(60);
  rules_.threshold_percent = 10;
  EXPECT_EQ(Plan().bytes_left, 0u);
  rules_.threshold_percent = 9;
  EXPECT_NEAR(static_cast<double>(Plan().bytes_left), static_cast<double>(kDisk / 100),
              static_cast<double>(kMiB));
}

TEST_F(BalancePlannerTest, TheFullGiveToTheEmptyUpToTheAverage) {
  const uint32_t full = Add(60), empty = Add(0), other = Add(60);
  EXPECT_THAT(Plan().pairs,
              ElementsAre(Pair(full, empty, kDisk / 5), Pair(other, empty, kDisk / 5)));
  EXPECT_NEAR(static_cast<double>(Plan().bytes_planned), static_cast<double>(2 * (kDisk / 5)),
              static_cast<double>(kMiB));
}

TEST_F(BalancePlannerTest, AnEmptyNodeTakesFromThoseThatAreOnlyAboveTheAverage) {
  const uint32_t empty = Add(0);
  for (int i = 0; i < 9; ++i) Add(50);
  const BalancePlan plan = Plan();  // average 45, the others within 10 of it
  EXPECT_THAT(plan.pairs, SizeIs(9));
  for (const BalancePair& pair : plan.pairs) {
    EXPECT_EQ(pair.target, absl::StrCat("node-", empty));
    EXPECT_NEAR(static_cast<double>(pair.bytes), static_cast<double>(kDisk / 20),
                static_cast<double>(kMiB));
  }
}

TEST_F(BalancePlannerTest, ANodeOfTheSameRackIsPreferred) {
  const uint32_t full_a = Add(70, "/a"), full_b = Add(70, "/b");
  const uint32_t empty_b = Add(10, "/b"), empty_a = Add(10, "/a");
  EXPECT_THAT(Plan().pairs, ElementsAre(Pair(full_a, empty_a, kDisk * 3 / 10),
                                        Pair(full_b, empty_b, kDisk * 3 / 10)));
}

TEST_F(BalancePlannerTest, TypesOfStorageAreBalancedEachByItself) {
  const uint32_t full = Add(90), empty = Add(10);
  cluster_.disk(empty).type = 2;
  EXPECT_THAT(Plan().pairs, IsEmpty());
  EXPECT_EQ(Plan().bytes_left, 0u);
  cluster_.disk(full).type = 2;
  EXPECT_THAT(Plan().pairs,
              ElementsAre(AllOf(Pair(full, empty, kDisk * 4 / 10), Field(&BalancePair::type, 2u))));
}

TEST_F(BalancePlannerTest, WhoLeavesOrIsSilentTakesNoPart) {
  Add(90);
  const uint32_t empty = Add(0), third = Add(90);
  for (const AdminState state : {AdminState::kDecommissioning, AdminState::kDecommissioned,
                                 AdminState::kEnteringMaintenance, AdminState::kInMaintenance}) {
    cluster_.node(empty).admin_state = state;
    EXPECT_THAT(Plan().pairs, IsEmpty()) << static_cast<int>(state);
  }
  cluster_.node(empty).admin_state = AdminState::kInService;
  for (const Liveness liveness : {Liveness::kStale, Liveness::kDead}) {
    cluster_.node(empty).liveness = liveness;
    EXPECT_THAT(Plan().pairs, IsEmpty());
  }
  cluster_.node(empty).liveness = Liveness::kLive;
  cluster_.disk(third).failed = true;
  EXPECT_THAT(Plan().pairs, ElementsAre(Pair(1, empty, kDisk * 45 / 100)));
}

TEST_F(BalancePlannerTest, HostsAreNamedByNameOrAddressWithOrWithoutPort) {
  const uint32_t full = Add(80), empty = Add(0), other = Add(80);
  for (const std::string name : {"10.0.0.3", "host-3", "10.0.0.3:9866", "host-3:9866"}) {
    rules_ = {.exclude = {name}, .most_bytes = kDisk};
    EXPECT_THAT(Plan().pairs, ElementsAre(Pair(full, empty, kDisk * 4 / 10))) << name;
  }
  rules_ = {.include = {"host-2", "10.0.0.3"}, .most_bytes = kDisk};
  EXPECT_THAT(Plan().pairs, ElementsAre(Pair(other, empty, kDisk * 4 / 10)));
  rules_ = {.sources = {"host-3"}, .most_bytes = kDisk};
  EXPECT_THAT(Plan().pairs, ElementsAre(Pair(other, empty, kDisk * 4 / 15)));
  rules_ = {.include = {"nobody"}};
  EXPECT_THAT(Plan().pairs, IsEmpty());
}

TEST_F(BalancePlannerTest, AnIterationMovesSoMuchAtTheMost) {
  Add(90);
  Add(0);
  rules_.most_bytes = 10 * kMiB;
  EXPECT_EQ(Plan().bytes_planned, 10 * kMiB);
  EXPECT_GT(Plan().bytes_left, kDisk / 4);
}

TEST_F(BalancePlannerTest, NoMoreIsTakenThanThereIsRoomFor) {
  Add(90);
  const uint32_t empty = Add(0);
  cluster_.disk(empty).remaining_bytes = 5 * kMiB;  // others fill the disk
  EXPECT_EQ(Plan().bytes_planned, 5 * kMiB);
}

// ---- single blocks

class BlockMoveTest : public ::testing::Test {
 protected:
  BlockMovePlan Plan(const std::vector<uint32_t>& good, uint32_t from,
                     const std::vector<uint32_t>& targets, uint32_t corrupt = 0) {
    const ClusterView view = cluster_.View();
    BlockFacts facts;
    facts.block = {BlockId{7}, GenerationStamp{1001}, bytes_};
    facts.wanted = wanted_ == 0 ? static_cast<uint32_t>(good.size()) : wanted_;
    facts.arriving = arriving_;
    facts.writing = writing_;
    for (const uint32_t storage : good) {
      facts.replicas.push_back({storage, StandingOf(storage, ReplicaMark::kNone, view)});
    }
    if (corrupt != 0) {
      facts.replicas.push_back({corrupt, StandingOf(corrupt, ReplicaMark::kCorrupt, view)});
    }
    facts.counts = CountReplicas(facts.replicas, view);
    std::vector<std::string> names;
    for (const uint32_t target : targets) names.push_back(absl::StrCat("node-", target));
    std::vector<BalanceTarget> to;
    for (const std::string& name : names) to.push_back({name, bytes_left_});
    return PlanBlockMove(facts, from, to, view, budget_, kNow);
  }
  void Load(PendingCopies* copies, uint32_t from, uint32_t to) {
    copies->Add(BlockId{next_copy_++}, {.source = from,
                                        .target = to,
                                        .source_node = absl::StrCat("node-", from),
                                        .target_node = absl::StrCat("node-", to),
                                        .bytes = kMiB,
                                        .since = kNow,
                                        .deadline = kNow + absl::Minutes(1)});
  }

  TestCluster cluster_;
  PendingCopies moves_, repairs_;
  BalanceBudget budget_{moves_, repairs_};
  std::vector<uint32_t> arriving_, writing_;
  uint32_t wanted_ = 0;
  uint64_t bytes_ = 128 * kMiB, bytes_left_ = uint64_t{10} << 30;
  uint64_t next_copy_ = 100;
};

TEST_F(BlockMoveTest, AHealthyBlockGoesToANodeThatHasNone) {
  cluster_.AddMany(4);
  const BlockMovePlan plan = Plan({1, 2, 3}, 1, {2, 4});
  ASSERT_EQ(plan.result, Result::kMove);
  EXPECT_EQ(plan.move.from, 1u);
  EXPECT_EQ(plan.move.to, 4u);
  EXPECT_EQ(plan.target, 1u);
  EXPECT_EQ(Plan({1, 2, 3}, 1, {2, 3}).result, Result::kUnfit);
  EXPECT_EQ(Plan({1, 2, 3}, 4, {4}).result, Result::kUnfit) << "it is not there";
}

TEST_F(BlockMoveTest, ABlockThatNeedsAnythingStaysWhereItIs) {
  cluster_.AddMany(5);
  wanted_ = 3;
  EXPECT_EQ(Plan({1, 2}, 1, {5}).result, Result::kUnfit);
  EXPECT_EQ(Plan({1, 2, 3, 4}, 1, {5}).result, Result::kUnfit);
  EXPECT_EQ(Plan({1, 2, 3}, 1, {5}, /*corrupt=*/4).result, Result::kUnfit);
  arriving_ = {4};
  EXPECT_EQ(Plan({1, 2, 3}, 1, {5}).result, Result::kUnfit);
  arriving_ = {};
  writing_ = {4};
  EXPECT_EQ(Plan({1, 2, 3}, 1, {5}).result, Result::kUnfit);
  writing_ = {};
  cluster_.node(2).liveness = Liveness::kStale;
  EXPECT_EQ(Plan({1, 2, 3}, 1, {5}).result, Result::kUnfit);
  cluster_.node(2).liveness = Liveness::kLive;
  cluster_.node(2).admin_state = AdminState::kEnteringMaintenance;
  EXPECT_EQ(Plan({1, 2, 3}, 1, {5}).result, Result::kUnfit);
  cluster_.node(2).admin_state = AdminState::kInService;
  EXPECT_EQ(Plan({1, 2, 3}, 1, {5}).result, Result::kMove);
}

TEST_F(BlockMoveTest, NoRackIsLost) {
  cluster_.AddMany(3, "/a");                 // 1, 2, 3
  const uint32_t lone = cluster_.Add("/b");  // 4
  const uint32_t spare = cluster_.Add("/b");
  const uint32_t third = cluster_.Add("/c");
  EXPECT_EQ(Plan({1, 2, lone}, lone, {3}).result, Result::kUnfit);
  EXPECT_EQ(Plan({1, 2, lone}, lone, {spare}).result, Result::kMove);
  EXPECT_EQ(Plan({1, 2, lone}, lone, {third}).result, Result::kMove);
  EXPECT_EQ(Plan({1, 2, lone}, 1, {spare}).result, Result::kMove);
  EXPECT_EQ(Plan({1, lone, spare}, 1, {third}).result, Result::kMove);
  EXPECT_EQ(Plan({1, 2, 3}, 1, {third}).result, Result::kUnfit) << "repair spreads it";
}

TEST_F(BlockMoveTest, ATargetMustServeAndHaveRoomOnTheSameTypeOfStorage) {
  cluster_.AddMany(2);
  cluster_.node(2).liveness = Liveness::kStale;
  EXPECT_EQ(Plan({1}, 1, {2}).result, Result::kUnfit);
  cluster_.node(2).liveness = Liveness::kLive;
  cluster_.disk(2).type = 3;
  EXPECT_EQ(Plan({1}, 1, {2}).result, Result::kUnfit);
  cluster_.disk(2).type = 1;
  cluster_.disk(2).remaining_bytes = bytes_ - 1;
  EXPECT_EQ(Plan({1}, 1, {2}).result, Result::kUnfit);
  cluster_.disk(2).remaining_bytes = bytes_;
  EXPECT_EQ(Plan({1}, 1, {2}).result, Result::kMove);
  EXPECT_EQ(Plan({1, /*of a disk that was lost*/ 77}, 1, {2}).result, Result::kUnfit)
      << "it lacks a replica";
}

TEST_F(BlockMoveTest, ABlockMuchLargerThanWhatIsLeftToMoveStays) {
  cluster_.AddMany(2);
  bytes_left_ = bytes_ / 2 - 1;
  EXPECT_EQ(Plan({1}, 1, {2}).result, Result::kUnfit);
  bytes_left_ = bytes_ / 2;
  EXPECT_EQ(Plan({1}, 1, {2}).result, Result::kMove);
}

TEST_F(BlockMoveTest, ANearReplicaThatSendsLittleIsTheOneThatIsCopied) {
  cluster_.AddMany(2, "/a");
  const uint32_t near = cluster_.Add("/b"), target = cluster_.Add("/b");
  EXPECT_EQ(Plan({1, 2, near}, 1, {target}).move.sender, near);
  const uint32_t other = cluster_.Add("/a");
  EXPECT_EQ(Plan({1, 2, near}, 1, {other}).move.sender, 1u);
  Load(&moves_, 1, other);
  EXPECT_EQ(Plan({1, 2, near}, 1, {other}).move.sender, 2u);
}

TEST_F(BlockMoveTest, LimitsAndRepairComeFirst) {
  cluster_.AddMany(3);
  budget_.SetLimits({.node_bandwidth = 100 * kMiB, .moves_per_node = 1, .moves = 2});
  Load(&moves_, 2, 3);
  EXPECT_EQ(Plan({1}, 1, {3}).result, Result::kBusy);
  EXPECT_EQ(Plan({1}, 1, {2}).result, Result::kMove);
  EXPECT_EQ(Plan({2}, 2, {1}).result, Result::kBusy);
  Load(&moves_, 2, 3);
  EXPECT_EQ(Plan({1}, 1, {2}).result, Result::kBusy) << "of the cluster";
  budget_.SetLimits({.moves = 100});
  EXPECT_EQ(Plan({1}, 1, {2}).result, Result::kMove);
  Load(&repairs_, 3, 2);
  EXPECT_EQ(Plan({1}, 1, {2}).result, Result::kBusy) << "it takes a copy that is needed";
}

TEST_F(BlockMoveTest, NoMoreIsUnderWayThanTakesTwoSeconds) {
  cluster_.AddMany(3);
  budget_.SetLimits({.node_bandwidth = kMiB});
  Load(&moves_, 1, 2);
  EXPECT_TRUE(budget_.CanSend("node-1", kNow));
  Load(&moves_, 1, 3);
  EXPECT_FALSE(budget_.CanSend("node-1", kNow));
  EXPECT_TRUE(budget_.CanTake("node-2", kNow));
  EXPECT_TRUE(budget_.CanTake("node-1", kNow)) << "it takes nothing yet";
}

TEST_F(BlockMoveTest, BandwidthIsSpentOnEitherEndAndGrowsBack) {
  cluster_.AddMany(3);
  budget_.SetLimits({.node_bandwidth = 10 * kMiB});
  budget_.Spend("node-1", "node-2", 30 * kMiB, kNow);
  EXPECT_FALSE(budget_.CanSend("node-1", kNow));
  EXPECT_FALSE(budget_.CanTake("node-2", kNow + absl::Seconds(1.9)));
  EXPECT_TRUE(budget_.CanTake("node-2", kNow + absl::Seconds(2.1)));
  EXPECT_TRUE(budget_.CanSend("node-3", kNow));
  budget_.SetLimits({.node_bandwidth = 1000 * kMiB});
  EXPECT_TRUE(budget_.CanSend("node-1", kNow)) << "a new limit counts at once";
}

}  // namespace
}  // namespace cairn::namenode
