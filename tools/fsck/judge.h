// tools/fsck/judge.h - what `cairn fsck` finds of a file, and the sums over all of them. Pure: from
// what a namenode told (client/admin_types.h) to a verdict, by HDFS's rules.
//
//   replicas of a block, counted     live + decommissioned + decommissioning + in maintenance
//   MISSING   none of these, and no other that can be read, good or bad
//   CORRUPT   all that is left is known to be bad
//   under-replicated: fewer than wanted, but not missing     over-replicated: more live ones
// A replica that is to be deleted (excess) is not counted, as in HDFS. But readers get its bytes
// while it is there: a block that has one left is not missing, which in HDFS it is.
//   mis-replicated: all in one rack, though there are several
//
// Of an erasure-coded file a block is a group, and what is counted are its units, each once:
//   MISSING   too few units can be read to give back the group's bytes
//   CORRUPT   the same, and some unit is known to be bad
//   under-replicated: not all units are there, but enough
//   mis-replicated: the units that are there stand in fewer racks than an even share of the racks
//     asks for. HDFS wants as many racks as units, if there are so many.
//
// The last block of an open file, which HDFS never judges, is MISSING when nobody can read it
// (tools/block_counts.h). Open files are checked with -openforwrite only, as in HDFS.
//
// A file is corrupt when a block of it is missing or corrupt; the file system when a file is, or
// when -ec-verify found it so (verification.h).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "client/admin_types.h"
#include "tools/fsck/verification.h"

namespace cairn::tools {

struct BlockVerdict {
  uint32_t live = 0, decommissioned = 0, decommissioning = 0, maintenance = 0;
  uint32_t total() const { return live + decommissioned + decommissioning + maintenance; }
  bool missing = false, corrupt = false;
  bool under_replicated = false;
  bool enough = false;       // of them for readers: the minimum, or the units that a group needs
  uint32_t surplus = 0;      // live ones beyond what is wanted
  uint32_t racks_short = 0;  // racks that it should stand in besides
  bool counted = true;       // false: being written, so nothing is said of it but `missing`
};

struct FileVerdict {
  std::vector<BlockVerdict> blocks;  // as in the report
  uint32_t missing = 0, corrupt = 0, under_replicated = 0, mis_replicated = 0;
  uint64_t missing_bytes = 0, corrupt_bytes = 0;
  GroupFindings findings;  // by block, of an erasure-coded file with -ec-verify; else none
  bool lost() const { return missing > 0 || corrupt > 0; }
  bool ok() const {
    return !lost() && under_replicated == 0 && mis_replicated == 0 && AreVerified(findings);
  }
};

// What the verdict depends on besides the file.
struct FsckCluster {
  uint32_t min_replication = 1;
  uint32_t default_replication = 3;
  uint32_t live_nodes = 0;
  uint32_t racks = 1;  // with a live node
};

FileVerdict Judge(const client::FileReport& file, const FsckCluster& cluster);

// The types of storage that a block is on, and the policy of its file.
struct PolicyUse {
  std::string storages;  // "DISK:2,ARCHIVE:1"
  std::string policy;    // name
  bool matches = true;
  bool operator<(const PolicyUse& other) const {
    return std::tie(storages, policy) < std::tie(other.storages, other.policy);
  }
};

// Of replicated files and their blocks and replicas; or of coded ones, block groups and units.
struct BlockTotals {
  uint64_t files = 0, bytes = 0, blocks = 0;                 // of those that were checked
  uint64_t open_files = 0, open_bytes = 0, open_blocks = 0;  // of those that were not
  uint64_t min_replicated = 0, under_min = 0, over = 0, under = 0, mis = 0;
  uint64_t corrupt_files = 0, missing_blocks = 0, missing_bytes = 0;
  uint64_t corrupt_blocks = 0, corrupt_bytes = 0;
  uint64_t replicas = 0, expected_replicas = 0, missing_replicas = 0;
  uint64_t decommissioned = 0, decommissioning = 0, maintenance = 0;
  uint64_t queued = 0;  // for repair

  bool healthy() const { return missing_blocks == 0 && corrupt_blocks == 0; }
};

struct FsckTotals {
  uint64_t dirs = 0, symlinks = 0;
  BlockTotals replicated, coded;
  bool complete_knowledge = true;
  std::map<PolicyUse, uint64_t> policies;  // blocks by them
  VerificationTotals verification;

  bool healthy() const { return replicated.healthy() && coded.healthy() && verification.healthy(); }
  void AddOpen(const client::FileReport& file);  // one that is not checked
  void Add(const client::FileReport& file, const FileVerdict& verdict);

 private:
  BlockTotals& Of(const client::FileReport& file) {
    return file.erasure_policy.empty() ? replicated : coded;
  }
};

}  // namespace cairn::tools
