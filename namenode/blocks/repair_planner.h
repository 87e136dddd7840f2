// namenode/blocks/repair_planner.h - what is to be done for one block: which copies to order, from
// where to where, and which replicas to delete. A pure function of a snapshot.
//
// Copies. Only good replicas are sources: those of leaving nodes first (they serve nobody else),
// then the least loaded; one that is to be deleted only if there is no other; never one of a silent
// node. One order covers all that is missing: the source sends to the first target, which passes it
// on. Targets are placement's (cluster/placement.h); a node that holds any replica, even a corrupt
// one, is none.
//
// Units. A unit of a block group that nobody has any more is computed from the others: the datanode
// of the first target reads as many as hold the group's bytes, and one more to compare with, if
// there is one; that one is waited for while its datanode sends as much as it may. Beyond these,
// busy datanodes are named last: they are read only where others fail. One order covers all units
// that the group has lost. No datanode that has a unit of the group, or is being sent one, gets
// another; and no rack more than its share, if others can take them. One that has a bad replica of
// another unit would refuse that unit, and has had bad luck with the group: it gets a unit only
// where there is no other, and then that one alone.
//
// Deletions. Of too many good replicas the one that was moved goes first, else the fullest node's,
// among those whose loss costs no rack that is needed. Only full knowledge deletes: every node that
// holds a replica of the block has told of all its replicas since it registered, and none is
// silent. Corrupt replicas go when there are enough good ones, or when they stand in the only
// places where a good one could go and a good one is left; a corrupt replica that is the block's
// last one is never deleted.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "namenode/blocks/block_health.h"
#include "namenode/blocks/repair_budget.h"
#include "namenode/blocks/replica_counts.h"
#include "namenode/cluster/cluster_view.h"
#include "namenode/cluster/placement.h"

namespace cairn::namenode {

// What is known of the other units, where the block is a unit of a group.
struct GroupFacts {
  BlockVersion group;
  const erasure::Policy* policy = nullptr;
  uint32_t needed = 0;  // units that give back all the others
  struct Unit {
    uint32_t number = 0;
    StandingReplica replica;
  };
  std::vector<Unit> others;        // good ones
  uint32_t readable = 0;           // so many of them, each unit once, can be read now
  std::vector<uint32_t> bad = {};  // storages with bad replicas of others
  std::vector<uint32_t> arriving;  // storages to which others are copied, moved or computed
  bool complete = true;            // all of them are in memory
  std::vector<uint32_t> lost;      // numbers of those that are gone, and that nobody makes
};

// All that is known of a block when it is planned for.
struct BlockFacts {
  BlockVersion block;
  uint32_t wanted = 0;
  uint32_t storage_policy = kUnspecifiedPolicy;
  std::vector<StandingReplica> replicas;  // good and corrupt ones
  std::vector<uint32_t> arriving;         // targets of copies under way
  // Of these, the copies of moves (balance_planner.h). They may be slow: repair does not count on
  // them.
  uint32_t moving = 0;
  struct Move {
    uint32_t from, to;  // storages
  };
  std::optional<Move> move = {};  // under way: from its order until the replica on `from` is gone
  std::vector<uint32_t> writing;  // where its writer's pipeline was: may report yet
  ReplicaCounts counts;           // of `replicas`
  std::optional<GroupFacts> group = {};
};

// Of a unit, what matters is how many of its group are left to lose.
std::optional<Need> NeedOf(const BlockFacts& facts, uint32_t min_maintenance,
                           const ClusterView& view);

struct RepairRules {
  uint32_t min_replication = 1;  // dfs.namenode.replication.min
  uint32_t min_maintenance = 1;  // dfs.namenode.maintenance.replication.min
};

struct RepairPlan {
  struct Copy {
    uint32_t source = 0;
    std::vector<uint32_t> targets;  // in the order in which the bytes pass
  };
  struct Rebuild {
    struct At {
      uint32_t unit = 0;  // its number
      uint32_t storage = 0;
    };
    std::vector<At> sources;
    std::vector<At> targets;  // the first one's datanode does it
  };
  enum class Next {
    kWait,     // for what is under way, or ordered above
    kBusy,     // limits: soon again
    kBlocked,  // something else is in the way: again after a pause that grows
  };
  std::optional<Copy> copy;
  std::optional<Rebuild> rebuild;
  std::vector<uint32_t> deletions;  // those that were ordered before as well
  Next next = Next::kWait;
  std::string blocked_by;  // one sentence; empty: nothing is in the way
};

// `need` is NeedOf(facts.counts, ...).
RepairPlan PlanRepair(const BlockFacts& facts, Need need, const RepairRules& rules,
                      const ClusterView& view, const RepairBudget& budget, absl::Duration now,
                      Random random);

// "10.0.0.7:9866": as reports and messages name a datanode.
std::string AddressOf(const DatanodeInfo& node);

}  // namespace cairn::namenode
