// namenode/blocks/balance_planner.h - who is too full, who is too empty, and which block may go
// from one to the other. Pure functions of a snapshot.
//
//   fill of a group   used / capacity of one datanode's storages of one type
//   average           the same over all groups of that type that take part
//
//        over-utilised    above    average    below    under-utilised
//   -----------------|-----------|---------|----------|-----------------
//               average + threshold              average - threshold
//
// Pairs: over to under, over to below, above to under; within a rack first, then between any two.
// How much goes between two is limited by what separates each from the average. Source of the rules
// and of the order: HDFS's Balancer (init, chooseStorageGroups).
//
// A block is moved only if nothing is wrong with it: as many live replicas as its file wants, all
// of them known to be there, none elsewhere, nothing under way. So a move never touches a block
// that repair is about to touch, and nodes that are leaving, silent or in maintenance stay out.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "namenode/blocks/balance_job.h"
#include "namenode/blocks/pending_copies.h"
#include "namenode/blocks/repair_budget.h"
#include "namenode/blocks/repair_planner.h"
#include "namenode/cluster/cluster_view.h"

namespace cairn::namenode {

// How much one group gives to another.
struct BalancePair {
  std::string source, target;  // datanode uuids
  uint32_t type = 1;           // of the storages, StorageTypeProto
  uint64_t bytes = 0;
};

struct BalancePlan {
  // Beyond the threshold, over all groups: 0 means that the cluster is balanced.
  uint64_t bytes_left = 0;
  uint64_t bytes_planned = 0;      // of the pairs
  std::vector<BalancePair> pairs;  // those of the fullest source first
};

BalancePlan PlanBalance(const ClusterView& view, const BalanceRules& rules);

// What moves may burden datanodes with. On each node, to send and to take: so many at a time, and
// bytes per second of orders, as a token bucket. No more is under way than takes a node two
// seconds: further copies would only make each one slower. A node that repair uses has no room.
// Threads: guarded from outside.
class BalanceBudget {
 public:
  struct Limits {
    uint64_t node_bandwidth = uint64_t{100} << 20;  // bytes a second; at least 1
    uint32_t moves_per_node = 100;
    uint32_t moves = 1000;  // in the cluster
  };

  // Both outlive this; `moves` are the copies that moves have under way.
  BalanceBudget(const PendingCopies& moves, const PendingCopies& repairs)
      : moves_(moves), repairs_(repairs) {}

  void SetLimits(const Limits& limits);
  const Limits& limits() const { return limits_; }
  bool ClusterHasRoom() const { return moves_.size() < limits_.moves; }
  bool CanSend(absl::string_view node, absl::Duration now) const;
  bool CanTake(absl::string_view node, absl::Duration now) const;
  const PendingCopies::Load& LoadOf(absl::string_view node) const { return moves_.LoadOf(node); }
  void Spend(absl::string_view source, absl::string_view target, uint64_t bytes,
             absl::Duration now);

 private:
  bool HasRoom(absl::string_view node, uint32_t copies, uint64_t bytes, absl::Duration now) const;
  void SpendOf(absl::string_view node, uint64_t bytes, absl::Duration now);

  const PendingCopies& moves_;
  const PendingCopies& repairs_;
  Limits limits_;
  absl::flat_hash_map<std::string, TokenBucket> nodes_;  // that sent or took something
};

// The block's replica on `from` goes to `to`; its bytes come from `sender`, which may be another
// replica that is nearer.
struct BlockMove {
  uint32_t from = 0, sender = 0, to = 0;  // storages
};
struct BlockMovePlan {
  enum class Result {
    kMove,
    kBusy,   // limits: again soon
    kUnfit,  // not this block, to none of the targets
  };
  Result result = Result::kUnfit;
  BlockMove move;
  size_t target = 0;  // index of the one of `targets` that takes it
};

// `targets`: datanodes that are to take something of `from`'s type, the first that can does.
struct BalanceTarget {
  absl::string_view node;   // uuid
  uint64_t bytes_left = 0;  // that it is to take; a block that is twice as long is too much
};
BlockMovePlan PlanBlockMove(const BlockFacts& facts, uint32_t from,
                            std::span<const BalanceTarget> targets, const ClusterView& view,
                            const BalanceBudget& budget, absl::Duration now);

}  // namespace cairn::namenode
