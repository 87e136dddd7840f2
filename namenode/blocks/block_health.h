// namenode/blocks/block_health.h - all that is known of one block's health, as values.
//
// A block needs attention when too few good replicas are left, when they stand too close together,
// or when there are more than its file wants. These words are what repair, `cairn why`, fsck and
// the counts of dfsadmin share; replica_counts.h judges, the redundancy queue remembers.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/ids.h"
#include "namenode/cluster/datanode_info.h"
#include "namenode/namespace/types.h"

namespace cairn::namenode {

// How one replica stands.
enum class Standing : uint8_t {
  kLive,     // good, can be read, on a node in service
  kStale,    // the same, on a node that has been silent for a while: it still counts
  kAwaited,  // its node has not registered since the namenode's start, and may still: counts
  kDecommissioning,  // can be read, does not count: its node is leaving
  kDecommissioned,   // likewise: its node may be switched off
  kMaintenance,      // its node is away, or will be, for a known time: counts, but not alone
  kExcess,           // good, and ordered to be deleted
  kCorrupt,          // known to be bad; kept until there are enough good ones
  kDead,             // its node or its disk is lost
};

// What a block needs, the most urgent first. The first four are repaired in this order.
enum class Need : uint8_t {
  kHighest = 0,      // the last counted copy, or only ones that do not count
  kVeryLow = 1,      // fewer than a third of what is wanted
  kLow = 2,          // fewer than wanted
  kBadlySpread = 3,  // enough, in too few racks
  kMissing = 4,      // no good copy can be read: nothing to copy from
  kSurplus = 5,      // enough, and replicas to delete: too many, or corrupt ones
};
inline constexpr size_t kNeeds = 6;

absl::string_view NameOf(Standing standing);
absl::string_view NameOf(Need need);

struct ReplicaCounts {
  uint32_t live = 0;     // on nodes in service, those of stale nodes too
  uint32_t stale = 0;    // of these, on stale nodes
  uint32_t awaited = 0;  // on nodes that may still register after a start of the namenode
  uint32_t decommissioning = 0, decommissioned = 0, maintenance = 0;
  uint32_t excess = 0, corrupt = 0, dead = 0;
  uint32_t readable = 0;  // good ones that can be read now, whether or not they count
  uint32_t racks = 0;     // that the live ones stand in
};

struct ReplicaHealth {
  uint32_t storage = 0;
  Standing standing = Standing::kDead;
  std::string storage_uuid;                  // empty: not registered since the start
  std::shared_ptr<const DatanodeInfo> node;  // null: likewise
};

struct CopyHealth {
  uint32_t source = 0, target = 0;  // storages
  absl::Duration running;           // since it was ordered
  absl::Duration given_up_in;       // then it is ordered anew, if it has not arrived
};

struct BlockHealth {
  BlockVersion block;
  InodeId file = kNoInode;
  std::string path;
  uint32_t wanted = 0;              // replication of the file
  bool under_construction = false;  // its length may still grow: nothing is repaired
  // Its writer is gone, and its length cannot be agreed on without this, in one sentence. Or, not
  // under construction: its file is being truncated inside it, and cannot yet be without this.
  std::string recovery_waits_for;
  // Of a unit: two datanodes have found that the units of its group contradict each other, and how;
  // one sentence. Empty: nobody has.
  std::string contradiction;
  ReplicaCounts counts;
  std::vector<ReplicaHealth> replicas;

  // What is being done. nullopt: the block needs nothing, or it has not been found yet.
  struct Queued {
    Need need = Need::kLow;
    absl::Duration since;     // how long it has been known
    absl::Duration again_in;  // when it is looked at again
    uint32_t failures = 0;    // tries that did not help
    std::string blocked_by;   // one sentence; empty: nothing is in the way
  };
  std::optional<Queued> queued;
  std::vector<CopyHealth> copies;  // under way
  // The need as it is now, from the counts above.
  std::optional<Need> need;
};

// Blocks in trouble, over the whole namespace as far as it has been looked at. A unit of a block
// group is a block, but for `groups` and what is said of replicated blocks.
struct HealthTotals {
  uint64_t by_need[kNeeds] = {};
  uint64_t missing_single = 0;     // of the missing: replicated, and meant to have one replica only
  uint64_t corrupt_blocks = 0;     // with a replica that is known to be bad
  uint64_t copies = 0;             // under way
  uint64_t pending_deletions = 0;  // of replicas, ordered and queued
  struct Groups {
    uint64_t by_need[kNeeds] = {};  // each group once (group_tally.h)
    uint64_t corrupt = 0;           // with a unit of which a replica is known to be bad
    uint64_t contradicting = 0;     // of which BlockHealth::contradiction tells
    // What of the counts above is of units.
    uint64_t units_by_need[kNeeds] = {};
    uint64_t corrupt_units = 0;
    uint64_t pending_deletions = 0;

    uint64_t of(Need need) const { return by_need[static_cast<size_t>(need)]; }
    // As HDFS counts groups of "low redundancy": all but kSurplus and kMissing.
    uint64_t low() const;
  } groups;
  // True: more is wrong than is remembered; the counts are too low.
  bool overflowed = false;
  // Blocks are looked through: after a start, and when nodes went. The counts may be too low.
  bool looking = false;

  uint64_t of(Need need) const { return by_need[static_cast<size_t>(need)]; }
  uint64_t low() const;  // all but kSurplus
  // What HDFS's reports count: blocks of replicated files, without units.
  uint64_t replicated(Need need) const {
    return of(need) - groups.units_by_need[static_cast<size_t>(need)];
  }
  uint64_t replicated_low() const;  // all but kSurplus and kMissing
  uint64_t replicated_corrupt() const { return corrupt_blocks - groups.corrupt_units; }
};

}  // namespace cairn::namenode
