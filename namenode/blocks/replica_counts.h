// namenode/blocks/replica_counts.h - how a block's replicas stand, and what the block needs. The
// one place that counts. Pure.
//
//   live          counts                       decommissioning(ed)  can be read, does not count
//   stale         counts: silent for seconds   maintenance          counts towards the target, but
//   awaited       counts: since a restart                           at least `min_maintenance`
//   excess        does not count                                    live ones must be elsewhere
//   corrupt       does not count               dead                 does not count
//
// Source of the rules: HDFS's BlockManager (countNodes, getExpectedLiveRedundancyNum) and
// LowRedundancyBlocks (getPriority).
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "namenode/blocks/block_health.h"
#include "namenode/cluster/cluster_view.h"

namespace cairn::namenode {

struct StandingReplica {
  uint32_t storage;
  Standing standing;
};

// What is remembered of a replica beside its being there.
enum class ReplicaMark : uint8_t { kNone, kExcess, kCorrupt };

Standing StandingOf(uint32_t storage, ReplicaMark mark, const ClusterView& view);
ReplicaCounts CountReplicas(std::span<const StandingReplica> replicas, const ClusterView& view);

// Whether the storage's datanode has told of all its replicas since it registered.
bool IsReported(uint32_t storage, const ClusterView& view);
// Live replicas that are surely there: on datanodes that are not silent and have told of all that
// they have. Two on one datanode count once: it is moving one.
uint32_t CountTrusted(std::span<const StandingReplica> replicas, const ClusterView& view);

// Live replicas that the block must have: `wanted` less those in maintenance, but at least
// `min_maintenance` (and no more than wanted).
uint32_t LiveNeeded(const ReplicaCounts& counts, uint32_t wanted, uint32_t min_maintenance);

// nullopt: all is well. A block needs two racks if it wants two replicas and there are two racks
// with live nodes.
std::optional<Need> NeedOf(const ReplicaCounts& counts, uint32_t wanted, uint32_t min_maintenance,
                           const ClusterView& view);

// Whether `wanted` replicas should stand in more racks than they do.
bool IsBadlySpread(const ReplicaCounts& counts, uint32_t wanted, const ClusterView& view);

}  // namespace cairn::namenode
