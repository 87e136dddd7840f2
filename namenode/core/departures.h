// namenode/core/departures.h - sees datanodes out: finds when one that is to leave may go, and says
// how far it has come.
//
//   decommissioning / entering maintenance
//        |
//        v      all is safe        no open file needs it        all is safe
//      walk -----------------> look ----------------------> walk ----------> FinishLeaving
//         \ some are not      ^ ^ \ some do                  | some are not
//          v                  | `-'                          |
//         list: looked through again until it is empty <-----'
//
// The copies that make a block safe are ordered by repair (healer.h), which notices by itself that
// a node is leaving. A block is safe when repair would leave it alone although the node's replica
// does not count: enough live copies elsewhere, in enough racks. For maintenance the fewest copies
// that must be reachable meanwhile are enough (dfs.namenode.maintenance.replication.min).
//
// Open files are found by their records, which reach the store with the edits that opened them: a
// file that was opened before the node began to leave has its record once the store has come to the
// edits of that time. Later ones are given no new block there; a block that is opened again is seen
// by the walk. Only a walk that began after the look, and found nothing, lets the node go: a file
// that the look finds closed had the record of its last block by then. One that it found open, and
// on enough other datanodes, may be closed behind the walk: its last block is judged at the end.
//
// A walk reads a range of `n` records, some ids at a time and under no lock, and judges 32 blocks
// under the namespace lock, shared. What is not safe goes to a list that is bounded: the walk waits
// while it is full.
//
// Threads: Step from one thread, without the lock; Progress from any, and IsAwaited under the lock,
// shared.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "namenode/blocks/leave_progress.h"
#include "namenode/core/healer.h"

namespace cairn::namenode {

class NamenodeImpl::Healer::Departures {
 public:
  static constexpr size_t kMostListed = 1'000'000;  // blocks of one node

  // Both outlive this.
  Departures(NamenodeImpl& namenode, Healer& healer, uint32_t min_maintenance)
      : namenode_(namenode), healer_(healer), min_maintenance_(min_maintenance) {}

  // One bounded round. True: there is more to do at once.
  bool Step() ABSL_LOCKS_EXCLUDED(namenode_.mu_, mu_);
  // By uuid.
  std::vector<LeaveProgress> Progress() const ABSL_LOCKS_EXCLUDED(mu_);

  // A datanode that is being decommissioned waits for the file's writer.
  bool IsAwaited(const Inode& file, const ClusterView& view) const;

 private:
  struct Unsafe {
    BlockId block;
    uint64_t bytes;
    bool last_copy;
  };
  struct Leaving {
    enum class Phase { kWalk, kList, kOpenFiles };
    AdminState state{};
    uint64_t session = 0;
    absl::Duration since;
    std::vector<uint32_t> storages = {};
    TxId begun_at = kNoTx;  // the newest edit when it began to leave
    Phase phase = Phase::kWalk;
    bool looked = false;      // at the open files, before the walk began
    bool found_some = false;  // the walk, that were not safe
    // Blocks of open files on this node that the look has found, as many as their inodes in memory;
    // the walk takes them when it is through its storages.
    std::vector<BlockId> being_written = {};
    absl::Duration resume = -absl::InfiniteDuration();  // nothing is done before
    // The walk has come to this key of this one of `storages`.
    size_t at_storage = 0;
    std::string position = {};
    bool first_walk = true;
    uint64_t walked = 0;
    // The list; a round through it has judged the first at_unsafe and kept the first kept_unsafe.
    std::vector<Unsafe> unsafe = {};
    size_t at_unsafe = 0, kept_unsafe = 0;
    uint64_t bytes_left = 0, last_copies = 0;  // of the list
    uint64_t done_bytes = 0;                   // were on the list and are safe now
    bool IsAtEnd() const { return at_storage >= storages.size() && being_written.empty(); }
    size_t listed() const { return unsafe.size() - (at_unsafe - kept_unsafe); }
    absl::Duration next_log = -absl::InfiniteDuration();
    std::string open_position = {};
    std::string blocked_by = {};
    LeaveEstimate estimate = {};
  };

  void Follow(const ClusterView& view, absl::Duration now);
  // Each of these is bounded, and says whether there is more to do at once.
  bool StepOne(const ClusterView& view, const DatanodeInfo& node, absl::Duration now,
               Leaving* leaving);
  bool Walk(const ClusterView& view, const DatanodeInfo& node, absl::Duration now,
            Leaving* leaving);
  bool GoThroughList(const ClusterView& view, const DatanodeInfo& node, absl::Duration now,
                     Leaving* leaving);
  bool LookAtOpenFiles(const ClusterView& view, absl::Duration now, Leaving* leaving);
  absl::Status NextBlocks(Leaving* leaving, std::vector<BlockId>* blocks);
  static void LookFromTheStart(Leaving* leaving);
  bool Unreadable(const absl::Status& status, absl::Duration now, Leaving* leaving);
  // What is in the way if the file is being written and needs the node; else empty. Adds to
  // `leaving->being_written`.
  std::string HowFileNeeds(const ClusterView& view, InodeId file, Leaving* leaving)
      ABSL_LOCKS_EXCLUDED(namenode_.mu_);
  using Entries = absl::InlinedVector<const BlockMap::Entry*, 1>;
  // The last block of an open file, or the units of a group, if written on a storage that is to
  // `leave`.
  Entries WrittenOn(const Inode& file, const std::function<bool(uint32_t)>& leave) const
      ABSL_SHARED_LOCKS_REQUIRED(namenode_.mu_);
  // The file is being written, its last block on a storage that is to `leave`, and on too few
  // datanodes that stay: on so many. nullopt: otherwise.
  std::optional<uint32_t> TooFewStay(const Inode& file, const ClusterView& view,
                                     const std::function<bool(uint32_t)>& leave) const
      ABSL_SHARED_LOCKS_REQUIRED(namenode_.mu_);
  // Those of `blocks` that are not safe are added to `unsafe`.
  void Judge(const ClusterView& view, const Leaving& leaving, std::span<const BlockId> blocks,
             std::vector<Unsafe>* unsafe) ABSL_LOCKS_EXCLUDED(namenode_.mu_);
  void JudgeOne(const ClusterView& view, const Leaving& leaving, BlockId block, InodeId owner,
                std::vector<Unsafe>* unsafe) const ABSL_SHARED_LOCKS_REQUIRED(namenode_.mu_);
  // Of a block that is being written: datanodes of its pipeline that stay.
  static uint32_t CountStaying(const BlockMap::Entry& entry, const ClusterView& view);
  bool IsSafe(const BlockFacts& facts, AdminState state, const ClusterView& view) const;
  std::string WhatBlocks(const DatanodeInfo& node, const Leaving& leaving)
      ABSL_LOCKS_EXCLUDED(namenode_.mu_);
  LeaveProgress Describe(const DatanodeInfo& node, const Leaving& leaving,
                         absl::Duration now) const;

  NamenodeImpl& namenode_;
  Healer& healer_;
  const uint32_t min_maintenance_;
  // Touched by Step alone.
  absl::btree_map<std::string, Leaving> leaving_;  // by uuid
  std::shared_ptr<const ClusterView> followed_;

  mutable Mutex mu_;  // a leaf
  std::vector<LeaveProgress> progress_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::namenode
