// namenode/cluster/placement.h - where the replicas of a block go, and from where a reader is best
// served. Pure functions of a view, a request and a source of random numbers.
//
// The rule is HDFS's (BlockPlacementPolicyDefault), so that a cluster spreads as its operators
// expect:
//   1st  the writer's own node, if it is one, else any node
//   2nd  a node of another rack
//   3rd  another node of the second's rack
//   4th… any node, with at most (n - 1) / racks + 2 replicas in one rack
// The units of a block group go evenly over the racks, n / racks (rounded up) to one as long as
// nodes of others can take them, so that with enough racks the loss of one costs no more units than
// may be lost; the first goes to
// the writer's own node as well (HDFS's BlockPlacementPolicyRackFaultTolerant). One replica per
// node, always. Among the nodes that a rule allows, two are drawn at random and the less loaded is
// taken; of two equally loaded ones, the emptier (Mitzenmacher, "The Power of Two Choices in
// Randomized Load Balancing", IEEE TPDS 12(10), 2001).
//
// What a node must offer: it is live and in service, it and the wanted storage are not excluded or
// failed, there is room for the blocks already scheduled there and this one, and it runs at most
// twice the mean number of transfers. Where that leaves no node, in this order: transfers and
// scheduled blocks are overlooked, then the rack rule, then the limit per rack, then the storage
// policy's fall-back types are taken; and if not one replica could be placed, stale nodes are
// (after a pause of the namenode all nodes look stale). Room for one block is never overlooked.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/random/bit_gen_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "erasure/policy.h"
#include "namenode/cluster/cluster_view.h"
#include "namenode/cluster/storage_policy.h"

namespace cairn::namenode {

using Random = absl::BitGenRef;  // std::mt19937_64 with a seed in tests, absl::InsecureBitGen else

inline constexpr double kLoadFactor = 2.0;  // dfs.namenode.redundancy.considerLoad.factor
// Up to here a node is never "too busy": means over an idle cluster say nothing.
inline constexpr uint32_t kNegligibleTransfers = 8;

struct PlacementRequest {
  uint32_t replicas = 3;  // wanted besides `existing`
  uint64_t block_bytes = 128 << 20;
  uint32_t storage_policy = kUnspecifiedPolicy;
  absl::string_view writer_ip;
  bool no_local_write = false;               // addBlock flag 1
  bool ignore_locality = false;              // addBlock flag 2
  const erasure::Policy* erasure = nullptr;  // place units of a group; `existing` has others
  bool new_block = true;                     // false: a further replica of an old block
  std::span<const uint32_t> existing;        // storages that hold it; none is returned
  std::span<const std::string> excluded;     // datanode uuids
  std::span<const std::string> favored;      // "host:port"; taken first where they qualify
  // For the message alone.
  absl::string_view path;
  uint32_t min_replication = 1;
};

// Storage numbers, in pipeline order (each node the nearest to the one before, the first to the
// writer). Fewer than asked for when the cluster has no more; at least one, or of units as many as
// the group has data units. FsError::kIo with HDFS's text ("could only be written to 0 of the 1
// minReplication nodes..."), and how many nodes are full: not so many nodes qualify.
absl::StatusOr<std::vector<uint32_t>> ChooseTargets(const ClusterView& view,
                                                    const PlacementRequest& request, Random random);

// The share of a rack of the units of a group.
uint32_t MostUnitsPerRack(size_t units, int live_racks);

// The number of replicas that a writer is told when it opens a file of `replication`. Hadoop's
// client takes it for one thing alone: of a block of three or more replicas that has lost a
// datanode it wants another (dfs.client.block.write.replace-datanode-on-failure.policy DEFAULT),
// and without best-effort, which is off by default, it gives the file up when there is none. Where
// the file takes every live node in service as it is, there is none: told of two replicas, the
// client goes on with the rest. How many replicas a block gets is decided here, and not by what a
// writer was told.
uint32_t ReplicationForWriter(const ClusterView& view, uint32_t replication);

// The readable ones of `storages`, best for a reader at `reader_ip` first: on its own host, in its
// rack, elsewhere; equally good ones in random order. Then those of nodes that are leaving the
// cluster, then of stale ones. A node in maintenance may go at any moment: it is offered only when
// nothing else is.
std::vector<uint32_t> OrderForReader(const ClusterView& view, std::span<const uint32_t> storages,
                                     absl::string_view reader_ip, Random random);

}  // namespace cairn::namenode
