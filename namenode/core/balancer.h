// namenode/core/balancer.h - brings the fill of the datanodes together: for an operator who asks
// for it (`cairn balancer`), or by itself at a low rate.
//
//   compare (PlanBalance) -> for each node that gives: read its `n` records by range
//        ^                        -> judge a block (PlanBlockMove) -> order a copy
//        |                                                              |
//        '--- pause: heartbeats tell the new fill <--- all gone <--- repair deletes the old replica
//
// A move is a copy, and nothing else: when it is reported, the block has one replica too many, and
// repair (healer.h) takes away the one that was moved, by all its rules. So no block is ever below
// its replication for a move, at whatever point who stops; what is forgotten of a move by a restart
// is a hint which of the replicas is the one too many.
//
// Threads: Step from one thread, without the lock. What is marked [W] is called under the namespace
// lock, exclusively, [R] shared. Ask and SetBandwidth from any thread, without the lock.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "namenode/blocks/balance_job.h"
#include "namenode/blocks/balance_planner.h"
#include "namenode/core/healer.h"

namespace cairn::namenode {

class NamenodeImpl::Healer::Balancer {
 public:
  // All outlive this.
  Balancer(NamenodeImpl& namenode, Healer& healer, const BalanceOptions& options);

  // One bounded round; `deletions_from`: no replica is deleted before. True: there is more to do at
  // once.
  bool Step(const std::shared_ptr<const ClusterView>& view, absl::Duration now,
            absl::Duration deletions_from) ABSL_LOCKS_EXCLUDED(namenode_.mu_, mu_);

  // Begins the job, or renews it; `stop` ends it. `after`: iterations before this number have been
  // told.
  BalanceProgress Ask(const BalanceJob& job, uint64_t after, bool stop) ABSL_LOCKS_EXCLUDED(mu_);
  // Bytes a second of moves on each datanode, of jobs; not kept across a restart.
  void SetBandwidth(uint64_t bytes_per_second) ABSL_LOCKS_EXCLUDED(mu_);
  // What it was set to; 0: it was not.
  uint64_t bandwidth() const ABSL_LOCKS_EXCLUDED(mu_);

  // ---- what happened, all [W]
  void ReplicaAdded(BlockId block, std::span<const uint32_t> storages);
  void ReplicaLost(BlockId block, uint32_t storage, std::span<const uint32_t> storages);
  // Its datanode has put the replica on another of its disks.
  void ReplicaMoved(BlockId block, uint32_t from, uint32_t to);
  void BlockRemoved(BlockId block);
  void CopiesFailed(absl::string_view datanode_uuid, uint64_t session,
                    std::span<const FailedCopy> failed);

  // ---- [R] nullptr, nullopt: none
  const PendingCopies::Copies* FindCopies(BlockId block) const { return copies_.Find(block); }
  std::optional<BlockFacts::Move> FindMove(BlockId block) const;

 private:
  struct Move {
    uint32_t from, to;
    uint64_t bytes;
    uint64_t run;  // whose (Work::run)
    absl::Duration since;
    bool copied = false;  // the old replica is to go
  };
  // What is done for a job, or without one.
  struct Work {
    uint64_t run = 0;  // of jobs, counted; 0: the namenode's own work
    BalanceRules rules = {};
    uint64_t min_block_bytes = 0;
    absl::Duration longest_iteration = {}, pause = {};  // the pause after one
    BalanceBudget::Limits limits = {};
  };
  // A node's storages of one type, in an iteration in which they give.
  struct Source {
    struct Target {
      std::string node;
      uint64_t bytes_left;
    };
    std::string node;
    uint32_t type = 1;
    std::vector<Target> targets = {};
    std::vector<uint32_t> storages = {};  // to read, the one that is being read first
    // Of the first of `storages`: where reading began, and whether it has come to the records' end
    // and goes on from their beginning.
    std::string began_at = {};
    bool begun = false, wrapped = false;
    std::deque<std::pair<BlockId, uint32_t>> candidates =
        {};  // blocks, and the storage they are on
  };
  struct Iteration {
    absl::Duration began;
    uint64_t bytes_left = 0, bytes_planned = 0;
    uint64_t moved_before = 0;
    std::vector<Source> sources = {};
    size_t at = 0;                  // the source whose turn it is
    absl::Duration last_copy = {};  // when copies were last under way
  };
  struct Counters {
    uint64_t bytes = 0, blocks = 0, failures = 0;
  };

  std::optional<Work> CurrentWork(absl::Duration now) ABSL_LOCKS_EXCLUDED(mu_);
  void EndCopies(const ClusterView& view, absl::Duration now) ABSL_LOCKS_EXCLUDED(namenode_.mu_);
  void EndMoves(const ClusterView& view, absl::Duration now) ABSL_LOCKS_EXCLUDED(namenode_.mu_);
  void Begin(const ClusterView& view, absl::Duration now);
  bool Advance(const ClusterView& view, absl::Duration now);
  bool AdvanceOne(const ClusterView& view, absl::Duration now, Source* source);
  void FillCandidates(Source* source);
  // False: limits are reached, the rest waits.
  bool MoveSome(const ClusterView& view, absl::Duration now, Source* source)
      ABSL_LOCKS_EXCLUDED(namenode_.mu_);
  BlockMovePlan::Result MoveOne(const ClusterView& view, absl::Duration now, Source* source,
                                BlockId block, uint32_t from, InodeId owner)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(namenode_.mu_);
  bool Order(const ClusterView& view, absl::Duration now, const BlockFacts& facts,
             const BlockMove& move) ABSL_EXCLUSIVE_LOCKS_REQUIRED(namenode_.mu_);
  bool IsOver(absl::Duration now) ABSL_LOCKS_EXCLUDED(namenode_.mu_);
  void Finish(absl::Duration now);
  void Publish(std::string waiting_for) ABSL_LOCKS_EXCLUDED(namenode_.mu_, mu_);

  NamenodeImpl& namenode_;
  Healer& healer_;
  const BalanceOptions options_;

  // ---- guarded by the namespace lock
  PendingCopies copies_;
  BalanceBudget budget_;
  absl::btree_map<BlockId, Move> moves_;
  uint64_t counted_run_ = 0;  // whose moves are counted here
  Counters counters_;

  // ---- touched by Step alone
  std::optional<Work> work_;
  std::optional<Iteration> iteration_;
  uint64_t next_number_ = 0;
  bool take_small_ = false;  // the last iteration found nothing to move
  absl::Duration next_iteration_ = -absl::InfiniteDuration();
  absl::Duration next_end_moves_ = -absl::InfiniteDuration();
  // Where reading a storage's records goes on.
  absl::flat_hash_map<uint32_t, std::string> positions_;

  mutable Mutex mu_;  // a leaf
  std::optional<BalanceJob> job_ ABSL_GUARDED_BY(mu_);
  uint64_t run_ ABSL_GUARDED_BY(mu_) = 0;  // of the newest job
  absl::Duration renewed_ ABSL_GUARDED_BY(mu_);
  uint64_t bandwidth_ ABSL_GUARDED_BY(mu_) = 0;
  std::deque<BalanceIteration> ended_ ABSL_GUARDED_BY(mu_);  // of the job
  BalanceProgress now_ ABSL_GUARDED_BY(mu_);                 // likewise, without iterations
};

}  // namespace cairn::namenode
