// client/admin_types.h - what a cluster tells its operators about files, blocks, nodes and itself,
// as plain values. Checked when it came from the network, as everything in client/types.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/types.h"

namespace cairn::client {

// How one replica stands. The values are those of proto/admin.proto.
enum class Standing : uint8_t {
  kLive = 0,             // good, can be read, on a node in service
  kStale = 1,            // the same, on a node that has been silent for a while
  kAwaited = 2,          // its node has not registered since the namenode's start, and may still
  kDecommissioning = 3,  // can be read, does not count: its node is leaving
  kDecommissioned = 4,   // likewise: its node may be switched off
  kMaintenance = 5,      // its node is away, or will be, for a known time
  kExcess = 6,           // good, and ordered to be deleted
  kCorrupt = 7,          // known to be bad
  kDead = 8,             // its node or its disk is lost
  kBeingWritten = 9,     // part of a pipeline
};

// What a block needs, the most urgent first.
enum class Need : uint8_t {
  kNone = 0,
  kHighest = 1,      // the last copy that counts, or only ones that do not
  kVeryLow = 2,      // fewer than a third of what is wanted
  kLow = 3,          // fewer than wanted
  kBadlySpread = 4,  // enough, in too few racks
  kMissing = 5,      // no good copy can be read
  kSurplus = 6,      // enough, and replicas to delete
};
inline constexpr size_t kNeeds = 7;

struct ReplicaReport {
  std::string datanode_uuid, ip, host, rack, storage_uuid;
  uint16_t transfer_port = 0;
  StorageType storage_type = StorageType::kDisk;
  Standing standing = Standing::kLive;
};

struct CopyReport {
  std::string source, target;  // ip:port of the datanodes
  absl::Duration running;
  absl::Duration given_up_in;  // then it is ordered anew, if it has not arrived; 0: not known
};

// A block, a unit of a block group, or a group of an erasure-coded file.
struct BlockReport {
  uint64_t id = 0, stamp = 0, length = 0;
  uint64_t offset = 0;  // in its file
  uint32_t wanted = 0;  // replicas; of a group: units
  bool under_construction = false;
  // Its writer is gone, and its length cannot be agreed on without this. Or, not under
  // construction: its file is being truncated inside it, and cannot yet be without this.
  std::string recovery_waits_for;
  // Of a group or unit: the group's units contradict each other, and how. Empty: nobody knows of
  // it.
  std::string contradiction;
  bool corrupt = false;  // no good replica is left, and bad ones are; of a group: too few units are
  std::vector<ReplicaReport> replicas;

  Need need = Need::kNone;
  struct Repair {            // it waits for repair, or is under repair
    absl::Duration known;    // since it was found
    absl::Duration again;    // until it is looked at again
    uint32_t failures = 0;   // tries that did not help
    std::string blocked_by;  // empty: nothing is in the way
  };
  std::optional<Repair> repair;
  std::vector<CopyReport> copies;

  // Of a group, which has no replicas itself: its units, by number, without those that hold
  // nothing. So many of them give back its bytes; `need` is that of the one that is worst off.
  std::vector<BlockReport> units;
  uint32_t units_needed = 0;

  bool is_group() const { return !units.empty(); }
  bool is_unit() const { return !is_group() && id >> 63 != 0; }
  uint64_t group_id() const { return id & ~uint64_t{15}; }  // of a unit
  uint32_t unit_number() const { return id & 15; }
  // Some replica is neither known to be bad nor lost.
  bool HasGood() const;
  // Of a group: units that have.
  uint32_t GoodUnits() const;
  uint32_t Count(Standing standing) const;
  // Good replicas on nodes in service.
  uint32_t live() const { return Count(Standing::kLive) + Count(Standing::kStale); }
};

struct FileReport {
  std::string path;
  uint64_t inode = 0, length = 0;
  uint32_t replication = 0;
  std::string erasure_policy;   // name; the blocks are groups. Empty: replicated
  uint32_t storage_policy = 0;  // 0: the default
  bool open = false;            // somebody is writing it
  std::string block_pool;
  std::vector<BlockReport> blocks;
  // False: the server is no Cairn, or an older one. Replicas are those that readers are told of:
  // excess and bad ones, decommissioning and repair are not known.
  bool complete_knowledge = true;
};

// Which file has a block, and how the block stands.
struct OwnedBlock {
  std::string path;
  uint64_t inode = 0;
  std::string block_pool;
  BlockReport block;
};

// A block, or a group of an erasure-coded file.
struct LostBlock {
  uint64_t id = 0;
  std::string path;
};

// How far a datanode has come that is being decommissioned, or enters maintenance.
struct LeaveFacts {
  absl::Duration since;                      // as far as the namenode knows
  uint64_t blocks_left = 0, bytes_left = 0;  // not safe without it yet
  uint64_t last_copies = 0;                  // of these: nowhere else
  bool looking = false;                      // the numbers above may fall
  uint64_t bytes_per_second = 0;             // made safe lately
  std::optional<absl::Duration> ends_in;     // absent: not known, or nothing moves
  std::string blocked_by;                    // empty: nothing is in the way
};

enum class NodeLiveness : uint8_t { kLive = 0, kStale = 1, kDead = 2 };

struct StorageFacts {
  std::string uuid;
  StorageType type = StorageType::kDisk;
  bool failed = false;
  uint64_t capacity = 0, used = 0, remaining = 0, blocks = 0;
};

struct NodeFacts {
  std::string uuid, ip, host, rack;
  uint16_t transfer_port = 0, ipc_port = 0;
  NodeLiveness liveness = NodeLiveness::kLive;
  DatanodeAdminState admin_state = DatanodeAdminState::kNormal;
  absl::Duration silent;
  uint32_t transfers = 0;
  std::vector<StorageFacts> storages;
  std::optional<LeaveFacts> leaving;  // absent: it stays, or has been seen out

  std::string name() const;  // ip:port
};

// A directory of the namenode's journal.
struct JournalFacts {
  std::string directory;
  uint64_t last_txid = 0;  // that is on its medium
  std::string dropped;     // why it is not used any more, since then; empty: it is
};

struct ClusterFacts {
  std::string version, block_pool, cluster_id;
  absl::Time now, started;  // by the namenode's clock
  bool safe_mode = false;
  std::string safe_mode_reason;
  uint32_t default_replication = 0, min_replication = 0;
  absl::Duration stale_interval, dead_interval;
  uint32_t unregistered_nodes = 0;
  std::vector<NodeFacts> nodes;

  // Blocks that need something, by Need; none is counted under kNone.
  uint64_t by_need[kNeeds] = {};
  uint64_t corrupt_blocks = 0, missing_single = 0, copies = 0, pending_deletions = 0;
  uint64_t contradicting_groups = 0;  // whose units contradict each other
  bool overflowed = false;            // more is wrong than the namenode remembers
  bool looking = false;               // it still looks: the counts may grow

  uint64_t descriptor_limit = 0, descriptors_used = 0;  // of the namenode; 0: not known
  std::vector<JournalFacts> journals;                   // told to superusers

  uint64_t low_redundancy() const;  // blocks with fewer good replicas than wanted, missing ones too
};

struct OperationCount {
  std::string name;
  uint64_t calls = 0;
};

struct Operations {
  absl::Duration at;  // on a clock of the namenode that only goes forward
  std::vector<OperationCount> methods, users;
};

// A balancing job that a Cairn namenode does for as long as it is asked to (proto/admin.proto).
struct BalanceJob {
  uint64_t id = 0;     // drawn at random, not 0
  std::string holder;  // who asks, for others
  double threshold_percent = 10;
  std::vector<std::string> include, exclude, sources;  // hosts
  uint64_t most_bytes = uint64_t{10} << 30;            // of a datanode in an iteration
  uint64_t min_block_bytes = 10 << 20;
  uint32_t moves = 1000, moves_per_node = 100;  // at a time
  absl::Duration longest_iteration = absl::Minutes(20);
};

struct BalanceIteration {
  uint64_t number = 0;
  absl::Time ended;  // by the namenode's clock
  uint64_t bytes_left = 0, bytes_planned = 0, bytes_moved = 0, bytes_moved_before = 0;
};

struct BalanceProgress {
  std::string busy_with;                     // not empty: another's job runs
  bool begun = false;                        // by this call
  std::vector<BalanceIteration> iterations;  // that have ended, and were asked for
  uint64_t iteration = 0;                    // the one that runs, or comes next
  uint64_t bytes_moved = 0, blocks_moved = 0, blocks_failed = 0;
  uint64_t bytes_left = 0, bytes_planned = 0;  // of the iteration that runs
  uint64_t moves = 0;                          // under way
  std::string waiting_for;                     // empty: blocks are moving
};

struct OpenFile {
  uint64_t inode = 0;
  std::string path, client, machine;
};

// Of a datanode, asked directly.
struct DatanodeFacts {
  std::string software_version, config_version;
  absl::Duration uptime;
};

// The same from Cairn's own protocol.
struct DatanodeStatus {
  std::string version;
  absl::Time now, started;  // by its clock
  uint64_t descriptor_limit = 0, descriptors_used = 0;
};

// A datanode's last reading of its configuration while running.
struct ReconfigurationChange {
  std::string name, old_value, new_value;
  std::string error;  // empty: it is in force
};
struct ReconfigurationTask {
  absl::Time started;
  std::optional<absl::Time> ended;  // absent: it is running
  std::vector<ReconfigurationChange> changes;
};

struct VolumeReport {
  std::string path;
  StorageType type = StorageType::kDisk;
  uint64_t used = 0, free = 0, reserved = 0, reserved_for_replicas = 0, blocks = 0;
};

}  // namespace cairn::client
