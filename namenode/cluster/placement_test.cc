#include "namenode/cluster/placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/testing/status_matchers.h"

namespace cairn::namenode {
namespace {

using ::testing::AnyOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Le;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

constexpr uint64_t kBlock = 128 << 20;
constexpr uint64_t kPlenty = 1000 * kBlock;

// A cluster put together by hand; storage numbers are given in order, from 1 on.
class Cluster {
 public:
  struct NodeBuilder {
    std::shared_ptr<DatanodeInfo> info;
    std::shared_ptr<ScheduledBlocks> scheduled;
  };

  // One disk with `remaining_bytes`, at 10.0.0.<number of its disk>.
  DatanodeInfo& Add(absl::string_view rack, uint64_t remaining_bytes = kPlenty) {
    auto info = std::make_shared<DatanodeInfo>();
    info->uuid = absl::StrCat("node-", next_);
    info->address = {absl::StrCat("10.0.0.", next_), absl::StrCat("host-", next_), 9866, 9867, 0};
    info->rack = std::string(rack);
    info->liveness = Liveness::kLive;
    nodes_.push_back({info, std::make_shared<ScheduledBlocks>()});
    AddStorage(*info, StorageType::kDisk, remaining_bytes);
    return *info;
  }
  uint32_t AddStorage(DatanodeInfo& node, StorageType type, uint64_t remaining_bytes = kPlenty) {
    StorageInfo storage;
    storage.number = next_++;
    storage.uuid = absl::StrCat("storage-", storage.number);
    storage.type = static_cast<uint32_t>(type);
    storage.capacity_bytes = 2 * kPlenty;
    storage.remaining_bytes = remaining_bytes;
    node.storages.push_back(storage);
    return storage.number;
  }
  void Schedule(uint32_t node, uint32_t blocks) { nodes_[node].scheduled->Add(blocks); }

  ClusterView View() const {
    std::vector<ClusterView::Input> inputs;
    for (const NodeBuilder& node : nodes_) inputs.push_back({node.info, node.scheduled});
    return ClusterView(std::move(inputs), racks);
  }

  std::shared_ptr<const RackTable> racks;

 private:
  std::vector<NodeBuilder> nodes_;
  uint32_t next_ = 1;
};

class PlacementTest : public ::testing::Test {
 protected:
  std::vector<uint32_t> Choose(const PlacementRequest& request) {
    const auto targets = ChooseTargets(cluster_.View(), request, random_);
    EXPECT_OK(targets);
    return targets.value_or(std::vector<uint32_t>());
  }

  Cluster cluster_;
  std::mt19937_64 random_{20240607};
};

TEST_F(PlacementTest, FirstIsTheWritersNodeSecondAnotherRackThirdTheSecondsRack) {
  for (int i = 0; i < 3; ++i) cluster_.Add("/a");  // storages 1 2 3
  for (int i = 0; i < 3; ++i) cluster_.Add("/b");  // storages 4 5 6
  for (int round = 0; round < 50; ++round) {
    const auto targets = Choose({.writer_ip = "10.0.0.2"});
    ASSERT_THAT(targets, SizeIs(3));
    EXPECT_EQ(targets[0], 2u);
    EXPECT_THAT(targets[1], AnyOf(4, 5, 6));
    EXPECT_THAT(targets[2], AnyOf(4, 5, 6));
    EXPECT_NE(targets[1], targets[2]);
  }
}

TEST_F(PlacementTest, AWriterOutsideTheClusterGetsAnyNodes) {
  for (int i = 0; i < 4; ++i) cluster_.Add(i < 2 ? "/a" : "/b");
  std::set<uint32_t> firsts;
  for (int round = 0; round < 200; ++round) {
    firsts.insert(Choose({.replicas = 1, .writer_ip = "192.168.0.1"})[0]);
  }
  EXPECT_THAT(firsts, ElementsAre(1, 2, 3, 4));
}

TEST_F(PlacementTest, NoLocalWriteAvoidsTheWritersNodeWhileOthersSuffice) {
  for (int i = 0; i < 4; ++i) cluster_.Add("/a");
  PlacementRequest request{.writer_ip = "10.0.0.1", .no_local_write = true};
  for (int round = 0; round < 50; ++round) {
    EXPECT_THAT(Choose(request), UnorderedElementsAre(2, 3, 4));
  }
  request.replicas = 4;
  EXPECT_THAT(Choose(request), UnorderedElementsAre(1, 2, 3, 4));
}

TEST_F(PlacementTest, FewerNodesThanAskedForIsFineAndNoNodeTwice) {
  DatanodeInfo& node = cluster_.Add("/a");
  cluster_.AddStorage(node, StorageType::kDisk);
  cluster_.Add("/a");
  const auto targets = Choose({.replicas = 5});
  ASSERT_THAT(targets, SizeIs(2));
  EXPECT_EQ(std::count(targets.begin(), targets.end(), 3u), 1);
}

TEST_F(PlacementTest, NoNodeIsAnErrorWithHdfsText) {
  cluster_.Add("/a");
  cluster_.Add("/a").liveness = Liveness::kDead;
  const std::vector<std::string> excluded = {"node-1"};
  const auto targets =
      ChooseTargets(cluster_.View(), {.excluded = excluded, .path = "/data/f"}, random_);
  EXPECT_THAT(targets, IsFsError(FsError::kIo));
  EXPECT_EQ(targets.status().message(),
            "File /data/f could only be written to 0 of the 1 minReplication nodes. There are 1 "
            "datanode(s) running and 1 node(s) are excluded in this operation.");
  EXPECT_THAT(ChooseTargets(Cluster().View(), {.path = "/f"}, random_).status().message(),
              HasSubstr("There are 0 datanode(s) running and no node(s) are excluded"));
}

TEST_F(PlacementTest, TheErrorTellsHowManyNodesAreFull) {
  cluster_.Add("/a", kBlock - 1);
  cluster_.Add("/a", kBlock - 1);
  cluster_.Add("/a", kBlock - 1).liveness = Liveness::kDead;
  EXPECT_EQ(ChooseTargets(cluster_.View(), {.path = "/f"}, random_).status().message(),
            "File /f could only be written to 0 of the 1 minReplication nodes. There are 2 "
            "datanode(s) running and no node(s) are excluded in this operation. 2 datanode(s) have "
            "no room for a block of 134217728 bytes.");
}

TEST_F(PlacementTest, DeadStaleFailedExcludedAndFullNodesAreSkipped) {
  cluster_.Add("/a");
  cluster_.Add("/a").liveness = Liveness::kDead;
  cluster_.Add("/a").liveness = Liveness::kStale;
  cluster_.Add("/a").storages[0].failed = true;
  cluster_.Add("/a");
  cluster_.Add("/a", kBlock - 1);
  cluster_.Add("/a", kBlock);
  const std::vector<std::string> excluded = {"node-5"};
  EXPECT_THAT(Choose({.replicas = 7, .excluded = excluded}), UnorderedElementsAre(1, 7));
}

TEST_F(PlacementTest, StaleNodesAreTakenOnlyWhenThereIsNoOther) {
  cluster_.Add("/a").liveness = Liveness::kStale;
  cluster_.Add("/a").liveness = Liveness::kStale;
  EXPECT_THAT(Choose({}), UnorderedElementsAre(1, 2));
  cluster_.Add("/a");
  EXPECT_THAT(Choose({}), ElementsAre(3));
}

TEST_F(PlacementTest, ABusyNodeIsAvoidedAndTakenWhenItIsTheLast) {
  for (int i = 0; i < 4; ++i) cluster_.Add("/a").transfers = 10;
  cluster_.Add("/a").transfers = 1000;  // mean 208
  for (int round = 0; round < 50; ++round) {
    EXPECT_THAT(Choose({.replicas = 4, .writer_ip = "10.0.0.5"}), Each(Le(4)));
  }
  EXPECT_THAT(Choose({.replicas = 5}), SizeIs(5));
}

TEST_F(PlacementTest, OfTwoNodesTheLessLoadedAndThenTheEmptierIsTaken) {
  cluster_.Add("/a").transfers = 5;
  cluster_.Add("/a").transfers = 6;
  EXPECT_THAT(Choose({.replicas = 1}), ElementsAre(1));
  Cluster even;
  even.Add("/a", kPlenty);
  even.Add("/a", kPlenty / 2);
  EXPECT_THAT(ChooseTargets(even.View(), {.replicas = 1}, random_),
              IsOkAndHolds(std::vector<uint32_t>{1}));
}

TEST_F(PlacementTest, ABurstSpreadsOverNodesThatHaveNotReportedYet) {
  for (int i = 0; i < 4; ++i) cluster_.Add("/a");
  const ClusterView view = cluster_.View();
  std::map<uint32_t, int> blocks;
  for (int i = 0; i < 400; ++i) {
    const auto targets = ChooseTargets(view, {.replicas = 1}, random_);
    ASSERT_OK(targets);
    ++blocks[(*targets)[0]];
    cluster_.Schedule((*targets)[0] - 1, 1);
  }
  for (const auto& [storage, count] : blocks) EXPECT_NEAR(count, 100, 3) << storage;
}

TEST_F(PlacementTest, ScheduledBlocksTakeRoomButDoNotCloseTheCluster) {
  cluster_.Add("/a", 3 * kBlock);
  cluster_.Add("/a", 3 * kBlock);
  cluster_.Schedule(0, 3);
  EXPECT_THAT(Choose({.replicas = 1, .writer_ip = "10.0.0.1"}), ElementsAre(2));
  cluster_.Schedule(1, 3);
  EXPECT_THAT(Choose({.replicas = 2}), SizeIs(2));
}

TEST_F(PlacementTest, MoreThanThreeReplicasSpreadOverRacks) {
  for (int i = 0; i < 30; ++i) cluster_.Add(absl::StrCat("/rack-", i % 3));
  const ClusterView view = cluster_.View();
  for (int round = 0; round < 50; ++round) {
    const auto targets = Choose({.replicas = 10});
    ASSERT_THAT(targets, SizeIs(10));
    std::map<std::string, int> per_rack;
    for (const uint32_t storage : targets) ++per_rack[view.NodeOf(storage)->info->rack];
    for (const auto& [rack, count] : per_rack) EXPECT_LE(count, (10 - 1) / 3 + 2) << rack;
  }
}

TEST_F(PlacementTest, ReplicasInOneRackAreBetterThanTooFew) {
  for (int i = 0; i < 3; ++i) cluster_.Add("/a");
  cluster_.Add("/b", 0);
  EXPECT_THAT(Choose({}), UnorderedElementsAre(1, 2, 3));
}

TEST_F(PlacementTest, AFurtherReplicaGoesToARackThatHasNone) {
  for (int i = 0; i < 4; ++i) cluster_.Add("/a");
  cluster_.Add("/b");
  const std::vector<uint32_t> existing = {1, 2};
  for (int round = 0; round < 20; ++round) {
    EXPECT_THAT(Choose({.replicas = 1, .existing = existing}), ElementsAre(5));
  }
}

TEST_F(PlacementTest, AFurtherReplicaIsNeverOnANodeThatHasOne) {
  for (int i = 0; i < 3; ++i) cluster_.Add("/a");
  const std::vector<uint32_t> existing = {1, 2, 77};  // 77: of a datanode nobody knows
  EXPECT_THAT(Choose({.replicas = 3, .writer_ip = "10.0.0.1", .existing = existing}),
              ElementsAre(3));
}

TEST_F(PlacementTest, FavoredNodesComeFirst) {
  for (int i = 0; i < 5; ++i) cluster_.Add("/a");
  const std::vector<std::string> favored = {"10.0.0.4:9866", "host-5:9866", "nobody:9866", "x"};
  for (int round = 0; round < 20; ++round) {
    const auto targets = Choose({.favored = favored});
    ASSERT_THAT(targets, SizeIs(3));
    EXPECT_THAT(targets, ::testing::IsSupersetOf({4u, 5u}));
  }
}

TEST_F(PlacementTest, ThePipelineVisitsEachRackOnce) {
  for (int i = 0; i < 12; ++i) cluster_.Add(absl::StrCat("/rack-", i % 3));
  const ClusterView view = cluster_.View();
  for (int round = 0; round < 50; ++round) {
    const auto targets = Choose({.replicas = 8, .writer_ip = "10.0.0.1"});
    ASSERT_THAT(targets, SizeIs(8));
    EXPECT_EQ(targets[0], 1u);
    std::set<uint32_t> racks;
    for (const uint32_t target : targets) racks.insert(view.NodeOf(target)->rack);
    size_t changes = 0;
    for (size_t i = 1; i < targets.size(); ++i) {
      changes += view.NodeOf(targets[i])->rack != view.NodeOf(targets[i - 1])->rack;
    }
    EXPECT_EQ(changes, racks.size() - 1);
  }
}

// ---- storage policies

struct PolicyCase {
  uint32_t policy;
  std::vector<StorageType> types;           // of the cluster's nodes
  std::vector<StorageType> expected_types;  // of three replicas, in any order
};

TEST(PlacementPolicyTest, ReplicasGoToThePolicysTypesOrItsFallBacks) {
  using enum StorageType;
  const PolicyCase cases[] = {
      {0, {kDisk, kDisk, kDisk, kSsd, kArchive}, {kDisk, kDisk, kDisk}},
      {7, {kDisk, kDisk, kSsd, kArchive}, {kDisk, kDisk}},
      {2, {kDisk, kArchive, kArchive}, {kArchive, kArchive}},
      {5, {kDisk, kDisk, kArchive, kArchive, kArchive}, {kDisk, kArchive, kArchive}},
      {10, {kSsd, kSsd, kDisk, kDisk, kDisk}, {kSsd, kDisk, kDisk}},
      {10, {kDisk, kDisk, kDisk}, {kDisk, kDisk, kDisk}},
      {12, {kSsd, kDisk, kDisk, kDisk}, {kSsd, kDisk, kDisk}},
      {15, {kRamDisk, kDisk, kDisk, kDisk}, {kRamDisk, kDisk, kDisk}},
      {1, {kDisk, kDisk, kDisk}, {kDisk, kDisk, kDisk}},
      {99, {kDisk, kSsd}, {kDisk}},  // unknown: HOT
  };
  std::mt19937_64 random(7);
  for (const PolicyCase& c : cases) {
    Cluster cluster;
    for (const StorageType type : c.types) {
      DatanodeInfo& node = cluster.Add("/a");
      node.storages[0].type = static_cast<uint32_t>(type);
    }
    const ClusterView view = cluster.View();
    for (int round = 0; round < 20; ++round) {
      const auto targets = ChooseTargets(view, {.storage_policy = c.policy}, random);
      ASSERT_OK(targets) << c.policy;
      std::vector<StorageType> types;
      for (const uint32_t storage : *targets) {
        types.push_back(static_cast<StorageType>(view.Find(storage)->storage_type));
      }
      EXPECT_THAT(types, ::testing::UnorderedElementsAreArray(c.expected_types)) << c.policy;
    }
  }
}

TEST(PlacementPolicyTest, AFurtherReplicaMayFallBackWhereANewBlockMayNot) {
  Cluster cluster;
  cluster.Add("/a");
  cluster.Add("/a").storages[0].type = static_cast<uint32_t>(StorageType::kArchive);
  std::mt19937_64 random(7);
  const std::vector<uint32_t> existing = {1};
  PlacementRequest request{.replicas = 1, .storage_policy = kHotPolicy, .existing = existing};
  EXPECT_THAT(ChooseTargets(cluster.View(), request, random), IsFsError(FsError::kIo));
  request.new_block = false;
  EXPECT_THAT(ChooseTargets(cluster.View(), request, random),
              IsOkAndHolds(std::vector<uint32_t>{2}));
}

TEST(StoragePolicyTest, IsFoundByIdAndByNameInAnyCase) {
  EXPECT_EQ(FindStoragePolicy("hot")->id, 7u);
  EXPECT_EQ(FindStoragePolicy(12)->name, "ALL_SSD");
  EXPECT_EQ(FindStoragePolicy("TEPID"), nullptr);
  EXPECT_EQ(FindStoragePolicy(uint32_t{3}), nullptr);
  EXPECT_THAT(StoragePolicies(), SizeIs(8));
}

// ---- any cluster

uint64_t Seed() {
  uint64_t seed = 1;
  if (const char* given = std::getenv("CAIRN_TEST_SEED")) CHECK(absl::SimpleAtoi(given, &seed));
  return seed;
}

TEST(PlacementPropertyTest, HoldsOnRandomClusters) {
  const uint64_t seed = Seed();
  for (uint64_t round = 0; round < 2000; ++round) {
    SCOPED_TRACE(absl::StrCat("CAIRN_TEST_SEED=", seed, " round ", round));
    std::mt19937_64 random(seed * 1'000'003 + round);
    const auto below = [&](uint64_t bound) { return random() % bound; };
    Cluster cluster;
    const uint64_t nodes = 1 + below(60), racks = 1 + below(6);
    std::set<std::string> good_uuids;
    std::vector<std::string> excluded;
    for (uint64_t i = 0; i < nodes; ++i) {
      DatanodeInfo& node = cluster.Add(absl::StrCat("/", below(racks)));
      if (below(4) == 0) cluster.AddStorage(node, StorageType::kDisk, below(2 * kBlock));
      node.transfers = static_cast<uint32_t>(below(50));
      node.storages[0].failed = below(10) == 0;
      if (below(5) == 0) node.storages[0].remaining_bytes = below(2 * kBlock);
      if (below(6) == 0) node.liveness = below(2) ? Liveness::kStale : Liveness::kDead;
      if (below(8) == 0) excluded.push_back(node.uuid);
      const bool room =
          std::any_of(node.storages.begin(), node.storages.end(), [](const StorageInfo& storage) {
            return !storage.failed && storage.remaining_bytes >= kBlock;
          });
      if (room && node.liveness == Liveness::kLive &&
          (excluded.empty() || excluded.back() != node.uuid)) {
        good_uuids.insert(node.uuid);
      }
    }
    const ClusterView view = cluster.View();
    PlacementRequest request{.replicas = static_cast<uint32_t>(1 + below(10)),
                             .block_bytes = kBlock,
                             .writer_ip = absl::string_view(),
                             .excluded = excluded};
    const std::string writer = absl::StrCat("10.0.0.", below(nodes + 5));
    request.writer_ip = writer;
    const auto targets = ChooseTargets(view, request, random);
    if (good_uuids.empty()) continue;  // stale ones may or may not do
    ASSERT_OK(targets);
    EXPECT_EQ(targets->size(), std::min<size_t>(request.replicas, good_uuids.size()));
    std::set<std::string> used;
    std::set<std::string> used_racks, good_racks;
    for (const ClusterView::Node& node : view.nodes()) {
      if (good_uuids.contains(node.info->uuid)) good_racks.insert(node.info->rack);
    }
    for (const uint32_t storage : *targets) {
      const ClusterView::Node* const node = view.NodeOf(storage);
      ASSERT_NE(node, nullptr);
      EXPECT_TRUE(good_uuids.contains(node->info->uuid)) << node->info->uuid;
      EXPECT_TRUE(used.insert(node->info->uuid).second) << "two replicas on one node";
      used_racks.insert(node->info->rack);
      const auto chosen =
          std::find_if(node->info->storages.begin(), node->info->storages.end(),
                       [&](const StorageInfo& info) { return info.number == storage; });
      EXPECT_FALSE(chosen->failed);
      EXPECT_GE(chosen->remaining_bytes, kBlock);
    }
    if (targets->size() >= 2 && good_racks.size() >= 2) {
      EXPECT_GE(used_racks.size(), 2u);
    }
  }
}

// ---- readers

TEST_F(PlacementTest, AReaderIsSentToItsOwnHostThenItsRackThenElsewhereAndToStaleNodesLast) {
  cluster_.Add("/a").liveness = Liveness::kStale;
  cluster_.Add("/a");
  cluster_.Add("/a");
  cluster_.Add("/b");
  cluster_.Add("/b").liveness = Liveness::kDead;
  cluster_.Add("/b").storages[0].failed = true;
  const ClusterView view = cluster_.View();
  const std::vector<uint32_t> storages = {1, 4, 3, 2, 5, 6, 99};
  for (int round = 0; round < 20; ++round) {
    EXPECT_THAT(OrderForReader(view, storages, "10.0.0.2", random_), ElementsAre(2, 3, 4, 1));
  }
}

TEST_F(PlacementTest, AReaderOutsideTheClusterIsNearToItsRackInTheTable) {
  cluster_.racks = std::make_shared<RackTable>(
      absl::flat_hash_map<std::string, std::string>{{"10.9.9.9", "/b"}});
  cluster_.Add("/a");
  cluster_.Add("/b");
  const ClusterView view = cluster_.View();
  const std::vector<uint32_t> storages = {1, 2};
  for (int round = 0; round < 20; ++round) {
    EXPECT_THAT(OrderForReader(view, storages, "10.9.9.9", random_), ElementsAre(2, 1));
  }
}

TEST_F(PlacementTest, EquallyNearReplicasShareTheReaders) {
  for (int i = 0; i < 3; ++i) cluster_.Add("/a");
  const ClusterView view = cluster_.View();
  const std::vector<uint32_t> storages = {1, 2, 3};
  std::map<uint32_t, int> first;
  for (int round = 0; round < 600; ++round) {
    ++first[OrderForReader(view, storages, "1.2.3.4", random_)[0]];
  }
  for (const auto& [storage, count] : first) EXPECT_GT(count, 100) << storage;
  EXPECT_THAT(OrderForReader(view, {}, "1.2.3.4", random_), IsEmpty());
}

TEST_F(PlacementTest, NothingIsPutOnANodeThatIsLeaving) {
  const DatanodeInfo& stays = cluster_.Add("/a");
  for (const AdminState state : {AdminState::kDecommissioning, AdminState::kDecommissioned,
                                 AdminState::kEnteringMaintenance, AdminState::kInMaintenance}) {
    cluster_.Add("/b").admin_state = state;
  }
  const std::vector<uint32_t> only{stays.storages[0].number};
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Choose({}), only);
  EXPECT_EQ(Choose({.writer_ip = "10.0.0.2"}), only) << "not even for the writer on that host";
}

TEST_F(PlacementTest, ReadersAreSentToLeavingNodesLastAndToNodesInMaintenanceOnlyInNeed) {
  cluster_.Add("/b");
  cluster_.Add("/a").admin_state = AdminState::kDecommissioning;
  cluster_.Add("/a").admin_state = AdminState::kInMaintenance;
  cluster_.Add("/a").liveness = Liveness::kStale;
  const ClusterView view = cluster_.View();
  const std::vector<uint32_t> all{1, 2, 3, 4}, away{3};
  EXPECT_THAT(OrderForReader(view, all, "10.0.0.2", random_), ElementsAre(1, 2, 4));
  EXPECT_THAT(OrderForReader(view, away, "10.0.0.2", random_), ElementsAre(3))
      << "its only replica";
}

// ---- what a writer is told

TEST(ReplicationForWriterTest, WithoutASpareNodeAWriterIsToldOfTooFewReplicasToWantAnother) {
  Cluster cluster;
  for (int i = 0; i < 3; ++i) cluster.Add("/a");
  EXPECT_EQ(ReplicationForWriter(cluster.View(), 3), 2u);
  EXPECT_EQ(ReplicationForWriter(cluster.View(), 10), 2u);
  EXPECT_EQ(ReplicationForWriter(cluster.View(), 2), 2u);
  EXPECT_EQ(ReplicationForWriter(cluster.View(), 1), 1u);
  DatanodeInfo& fourth = cluster.Add("/a");
  EXPECT_EQ(ReplicationForWriter(cluster.View(), 3), 3u);
  fourth.liveness = Liveness::kStale;
  EXPECT_EQ(ReplicationForWriter(cluster.View(), 3), 2u);
  fourth.liveness = Liveness::kLive;
  fourth.admin_state = AdminState::kDecommissioning;
  EXPECT_EQ(ReplicationForWriter(cluster.View(), 3), 2u);
}

}  // namespace
}  // namespace cairn::namenode
