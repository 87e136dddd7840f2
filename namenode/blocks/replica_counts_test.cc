#include "namenode/blocks/replica_counts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "namenode/blocks/testing/test_cluster.h"

namespace cairn::namenode {
namespace {

using ::testing::Eq;
using ::testing::Optional;

class ReplicaCountsTest : public ::testing::Test {
 protected:
  Standing Of(uint32_t storage, ReplicaMark mark = ReplicaMark::kNone) {
    return StandingOf(storage, mark, cluster_.View());
  }
  ReplicaCounts Count(const std::vector<uint32_t>& good,
                      const std::vector<uint32_t>& corrupt = {}) {
    const ClusterView view = cluster_.View();
    std::vector<StandingReplica> replicas;
    for (const uint32_t storage : good) {
      replicas.push_back({storage, StandingOf(storage, ReplicaMark::kNone, view)});
    }
    for (const uint32_t storage : corrupt) {
      replicas.push_back({storage, StandingOf(storage, ReplicaMark::kCorrupt, view)});
    }
    return CountReplicas(replicas, view);
  }
  std::optional<Need> NeedFor(uint32_t wanted, const std::vector<uint32_t>& good,
                              const std::vector<uint32_t>& corrupt = {}) {
    return NeedOf(Count(good, corrupt), wanted, 1, cluster_.View());
  }

  TestCluster cluster_;
};

TEST_F(ReplicaCountsTest, AReplicaStandsAsItsNodeDoes) {
  cluster_.AddMany(8);
  cluster_.node(2).liveness = Liveness::kStale;
  cluster_.node(3).liveness = Liveness::kDead;
  cluster_.disk(4).failed = true;
  cluster_.node(5).admin_state = AdminState::kDecommissioning;
  cluster_.node(6).admin_state = AdminState::kDecommissioned;
  cluster_.node(7).admin_state = AdminState::kEnteringMaintenance;
  cluster_.node(8).admin_state = AdminState::kInMaintenance;
  EXPECT_EQ(Of(1), Standing::kLive);
  EXPECT_EQ(Of(1, ReplicaMark::kCorrupt), Standing::kCorrupt);
  EXPECT_EQ(Of(1, ReplicaMark::kExcess), Standing::kExcess);
  EXPECT_EQ(Of(2), Standing::kStale);
  EXPECT_EQ(Of(3), Standing::kDead);
  EXPECT_EQ(Of(3, ReplicaMark::kCorrupt), Standing::kDead);
  EXPECT_EQ(Of(4), Standing::kDead);
  EXPECT_EQ(Of(5), Standing::kDecommissioning);
  EXPECT_EQ(Of(6), Standing::kDecommissioned);
  EXPECT_EQ(Of(7), Standing::kMaintenance);
  EXPECT_EQ(Of(8), Standing::kMaintenance);
}

TEST_F(ReplicaCountsTest, ANodeThatMayStillRegisterIsAwaitedAndAnUnknownOneIsDead) {
  cluster_.Add();
  cluster_.awaited = {7};
  EXPECT_EQ(Of(7), Standing::kAwaited);
  EXPECT_EQ(Of(8), Standing::kDead);
}

TEST_F(ReplicaCountsTest, AFailedDiskIsLostEvenInMaintenanceAndASilentNodeThereIsNot) {
  cluster_.AddMany(3);
  for (const uint32_t node : {1u, 2u, 3u}) {
    cluster_.node(node).admin_state = AdminState::kInMaintenance;
  }
  cluster_.disk(1).failed = true;
  cluster_.node(2).liveness = Liveness::kDead;
  EXPECT_EQ(Of(1), Standing::kDead);
  EXPECT_EQ(Of(2), Standing::kMaintenance);
  EXPECT_EQ(Count({2, 3}).readable, 1u);
  cluster_.node(2).admin_state = AdminState::kEnteringMaintenance;
  EXPECT_EQ(Of(2), Standing::kDead) << "it died before it was let go";
}

TEST_F(ReplicaCountsTest, TheFewerCopiesTheMoreUrgent) {
  cluster_.AddMany(10);
  EXPECT_THAT(NeedFor(3, {}), Optional(Need::kMissing));
  EXPECT_THAT(NeedFor(3, {1}), Optional(Need::kHighest));
  EXPECT_THAT(NeedFor(3, {1, 2}), Optional(Need::kLow));
  EXPECT_THAT(NeedFor(3, {1, 2, 3}), Eq(std::nullopt));
  EXPECT_THAT(NeedFor(1, {1}), Eq(std::nullopt));
  EXPECT_THAT(NeedFor(7, {1, 2}), Optional(Need::kVeryLow));
  EXPECT_THAT(NeedFor(6, {1, 2}), Optional(Need::kLow)) << "just a third";
  EXPECT_THAT(NeedFor(2, {1, 2, 3}), Optional(Need::kSurplus));
}

TEST_F(ReplicaCountsTest, DeadAndCorruptReplicasDoNotCountAndStaleOnesDo) {
  cluster_.AddMany(4);
  cluster_.node(1).liveness = Liveness::kDead;
  cluster_.node(2).liveness = Liveness::kStale;
  EXPECT_THAT(NeedFor(2, {2, 3}), Eq(std::nullopt));
  EXPECT_THAT(NeedFor(2, {1, 3}), Optional(Need::kHighest));
  EXPECT_THAT(NeedFor(2, {3}, {4}), Optional(Need::kHighest));
  EXPECT_THAT(NeedFor(1, {1}, {4}), Optional(Need::kMissing));
  EXPECT_THAT(NeedFor(1, {3}, {4}), Optional(Need::kSurplus)) << "the corrupt one is to go";
}

TEST_F(ReplicaCountsTest, ALeavingNodesReplicaCanBeReadAndDoesNotCount) {
  cluster_.AddMany(3);
  cluster_.node(1).admin_state = AdminState::kDecommissioning;
  EXPECT_THAT(NeedFor(1, {1}), Optional(Need::kHighest));
  EXPECT_THAT(NeedFor(3, {1, 2, 3}), Optional(Need::kLow));
  EXPECT_THAT(NeedFor(2, {1, 2, 3}), Eq(std::nullopt)) << "it may stay there until it leaves";
}

TEST_F(ReplicaCountsTest, MaintenanceCountsButNotAlone) {
  cluster_.AddMany(3);
  cluster_.node(1).admin_state = AdminState::kInMaintenance;
  cluster_.node(2).admin_state = AdminState::kInMaintenance;
  EXPECT_THAT(NeedFor(3, {1, 2, 3}), Eq(std::nullopt));
  EXPECT_THAT(NeedFor(2, {1, 2}), Optional(Need::kLow)) << "one must be elsewhere";
  EXPECT_THAT(NeedFor(1, {1}), Optional(Need::kHighest));
  const ReplicaCounts counts = Count({1, 2, 3});
  EXPECT_EQ(LiveNeeded(counts, 3, 1), 1u);
  EXPECT_EQ(LiveNeeded(counts, 3, 2), 2u);
  EXPECT_EQ(LiveNeeded(counts, 3, 0), 1u);
  EXPECT_EQ(LiveNeeded(counts, 1, 2), 1u) << "never more than the file wants";
}

TEST_F(ReplicaCountsTest, AnAwaitedReplicaIsNotLostButCannotBeRead) {
  cluster_.AddMany(2);
  cluster_.awaited = {7};
  EXPECT_THAT(NeedFor(2, {1, 7}), Eq(std::nullopt));
  EXPECT_THAT(NeedFor(1, {7}), Optional(Need::kMissing));
}

TEST_F(ReplicaCountsTest, TwoReplicasInOneRackAreTooCloseWhereThereAreTwoRacks) {
  cluster_.AddMany(3, "/a");
  EXPECT_THAT(NeedFor(3, {1, 2, 3}), Eq(std::nullopt));
  cluster_.Add("/b");
  EXPECT_THAT(NeedFor(3, {1, 2, 3}), Optional(Need::kBadlySpread));
  EXPECT_THAT(NeedFor(3, {1, 2, 4}), Eq(std::nullopt));
  EXPECT_THAT(NeedFor(1, {1}), Eq(std::nullopt));
  EXPECT_THAT(NeedFor(3, {1, 2}), Optional(Need::kLow)) << "too few comes first";
  cluster_.node(4).liveness = Liveness::kDead;
  EXPECT_THAT(NeedFor(3, {1, 2, 3}), Eq(std::nullopt)) << "no other rack is there";
}

}  // namespace
}  // namespace cairn::namenode
