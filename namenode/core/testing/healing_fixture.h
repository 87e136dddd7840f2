// namenode/core/testing/healing_fixture.h - a namenode whose datanodes obey it: what they are told
// to copy is there at once, and what they are told to delete is gone, unless a test says otherwise.
//
// Time is the test's: Pass lets it go by in steps, in each of which heartbeats, maintenance and
// repair go on until nothing is left to do.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "namenode/core/testing/test_namenode.h"

namespace cairn::namenode {

class HealingFixture : public ::testing::Test {
 protected:
  struct Order {
    int node;
    ReplicateCommand command;
  };

  // In each step all datanodes make so many heartbeats.
  explicit HealingFixture(absl::Duration step = absl::Seconds(3), int heartbeats = 2)
      : step_(step), heartbeats_(heartbeats) {}

  static TestNamenode::Options Nodes(int count,
                                     absl::Duration deletion_delay = absl::ZeroDuration()) {
    TestNamenode::Options options;
    options.datanodes = count;
    options.namenode.healing.deletion_delay = deletion_delay;
    return options;
  }
  void Start(TestNamenode::Options options) {
    nodes_ = options.datanodes;
    nn_ = std::make_unique<TestNamenode>(std::move(options));
    nn_->SendFullReports();
    Pass(absl::Seconds(1));
  }
  TestNamenode& nn() { return *nn_; }

  // Datanode `node` says nothing any more.
  void Kill(int node) { dead_.insert(node); }
  void Return(int node) {
    dead_.erase(node);
    ASSERT_OK(nn_->RegisterDatanode(node));
  }

  void Pass(absl::Duration time) {
    for (; time > absl::ZeroDuration(); time -= step_) {
      nn_->clock().Advance(std::min(time, step_));
      for (int beat = 0; beat < heartbeats_; ++beat) {
        for (int node = 0; node < nodes_; ++node) {
          if (!dead_.contains(node)) Beat(node);
        }
        nn_->impl().RunMaintenance();
        AfterMaintenance();
        Heal();
      }
      AfterStep();
    }
  }
  void Heal() {
    for (int round = 0; round < 10000 && nn_->impl().RunHealing(); ++round) {
    }
  }
  void Beat(int node) { Obey(node, nn_->Heartbeat(node, failed_.contains(node))); }
  // What a datanode does that has fetched these.
  void Obey(int node, const std::vector<DatanodeCommand>& commands) {
    for (const DatanodeCommand& command : commands) {
      Told(node, command);
      if (const auto* const replicate = std::get_if<ReplicateCommand>(&command)) {
        copies_.push_back({node, *replicate});
        if (!copying_) continue;
        for (const ReplicaTarget& target : replicate->targets) {
          const int to = NodeOf(target.datanode_uuid);
          if (dead_.contains(to)) break;
          ASSERT_OK(nn_->Report(to, replicate->block, ReplicaState::kFinalized));
        }
      } else if (const auto* const invalidate = std::get_if<InvalidateCommand>(&command)) {
        for (const BlockVersion& block : invalidate->blocks) {
          deletions_.push_back({node, block.id});
          if (!deleting_) continue;
          ASSERT_OK(nn_->Report(node, block, ReplicaState::kDeleted));
        }
      }
    }
  }
  static int NodeOf(const std::string& datanode_uuid) { return std::stoi(datanode_uuid.substr(3)); }
  int NodeOf(uint32_t storage) {
    return NodeOf(nn_->impl().cluster().View()->NodeOf(storage)->info->uuid);
  }

  // A closed file of one block with replicas on these nodes.
  BlockVersion Write(absl::string_view path, uint32_t replication, const std::vector<int>& nodes,
                     uint64_t bytes = 1000) {
    CreateOptions create = CreateFlags(true, false);
    create.replication = replication;
    EXPECT_OK(nn_->impl().Create(kSuper, path, create).value);
    BlockVersion block = nn_->AddBlock(path).block;
    block.length = bytes;
    for (const int node : nodes) EXPECT_OK(nn_->Report(node, block, ReplicaState::kFinalized));
    EXPECT_THAT(nn_->impl().Complete(kSuper, path, kNoInode, "client", block, nullptr).value,
                IsOkAndHolds(true));
    return block;
  }
  void SetReplication(absl::string_view path, uint32_t replication) {
    EXPECT_THAT(nn_->impl().SetReplication(kSuper, path, replication).value, IsOkAndHolds(true));
  }
  void ReportBad(const BlockVersion& block, int node) {
    EXPECT_OK(nn_->Report(node, block, ReplicaState::kCorrupt));
  }

  // The nodes that a reader of the file's first block is sent to.
  std::vector<int> Holders(absl::string_view path) {
    const auto located = nn_->impl().GetBlockLocations(kSuper, path, 0, 1).value;
    EXPECT_OK(located);
    std::vector<int> nodes;
    if (located.ok() && !located->blocks.empty()) {
      for (const uint32_t storage : located->blocks[0].storages) nodes.push_back(NodeOf(storage));
    }
    return nodes;
  }
  // The nodes with a good replica, whether it counts or not.
  std::vector<int> Holders(const BlockVersion& block) {
    const BlockHealth health = Health(block);
    std::vector<int> nodes;
    for (const ReplicaHealth& replica : health.replicas) {
      if (replica.standing != Standing::kCorrupt && replica.standing != Standing::kExcess) {
        nodes.push_back(NodeOf(replica.node->uuid));
      }
    }
    return nodes;
  }
  BlockHealth Health(const BlockVersion& block) {
    const auto health = nn_->impl().DescribeBlock(kSuper, block.id).value;
    EXPECT_OK(health);
    return health.value_or(BlockHealth());
  }
  HealthTotals Totals() { return nn_->impl().Health(); }

  // ---- what a suite adds
  virtual void AfterMaintenance() {}
  virtual void AfterStep() {}
  // A datanode has fetched this.
  virtual void Told(int node, const DatanodeCommand& command) { (void)node, (void)command; }

  std::unique_ptr<TestNamenode> nn_;
  int nodes_ = 0;
  std::set<int> dead_, failed_;            // datanodes; failed_: their disk
  bool copying_ = true, deleting_ = true;  // the datanodes obey
  std::vector<Order> copies_;              // ordered so far
  std::vector<std::pair<int, BlockId>> deletions_;

 private:
  const absl::Duration step_;
  const int heartbeats_;
};

}  // namespace cairn::namenode
