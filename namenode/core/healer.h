// namenode/core/healer.h - keeps every block at its replication: finds what is wrong, orders copies
// and deletions, and knows what is under way.
//
//   entrances                                                            orders
//   a replica reported, gone or bad --Check--.                        .-> order board (copies)
//   a block written, a file's replication ---|--> judged --> queue ---|
//   a storage lost, back, or leaving: walk --|   (32 at a time)       '-> invalidation queue
//   all blocks, after a start and every 6 h -'         ^                       |
//                                                      '-- reports, time-outs -'
//
// Whatever happens to a block only puts its id on a list: no request does more. One thread then
// looks the block up (LevelDB is read under no lock), judges it under the namespace lock, as many
// at a time as take far less than a millisecond, and acts on the most urgent ones. Whatever it has
// many of (blocks that failed, copies under way, marks of a lost storage) it goes through in
// slices, each under a lock of its own. The walks read ids by range: `n` records for one storage,
// so that a lost node costs what it held, and `b` for all blocks. They pause while the queue is
// full; what found no room is found by another walk.
//
// Nothing is done in safe mode, nor after a start before the datanodes that are there have told
// what they hold (at most `report_wait`): what is only not reported yet would be copied.
//
// Threads: Tick from one thread, without the lock. The others are called under the namespace lock:
// [W] needs it exclusively, [R] shared.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/container/inlined_vector.h"
#include "namenode/blocks/leave_progress.h"
#include "namenode/blocks/ordered_deletions.h"
#include "namenode/blocks/pending_copies.h"
#include "namenode/blocks/read_retries.h"
#include "namenode/blocks/redundancy_queue.h"
#include "namenode/blocks/repair_budget.h"
#include "namenode/blocks/repair_planner.h"
#include "namenode/core/healing_options.h"
#include "namenode/core/namenode_impl.h"

namespace cairn::namenode {

// Of a file of a deleted directory: nothing of it needs repair.
bool IsDetached(const Inode& inode);
// One of its datanodes has died, or registered anew: it has forgotten what it was ordered.
bool IsLost(const PendingCopies::Copy& copy, const ClusterView& view);

class NamenodeImpl::Healer {
 public:
  Healer(NamenodeImpl& namenode, const HealingOptions& options);
  ~Healer();

  // One bounded round, also of seeing datanodes out (departures.h), of balancing (balancer.h), and
  // of having block groups verified (group_scan.h). True: there is more to do at once.
  bool Tick() ABSL_LOCKS_EXCLUDED(namenode_.mu_);

  // [W] Requests are about to be served. Storages with numbers below this one are of earlier runs
  // of the namenode: who has not told of what is on them when repair begins may have been away.
  void SetOldStorages(uint32_t limit) { old_storages_ = limit; }

  // ---- what happened, all [W]
  // Something about the block's replicas may have changed.
  void Check(BlockId block);
  // A good replica of a committed block that did not count was reported on `storage`, in this
  // session of the datanode with `storages`.
  void ReplicaAdded(const Inode& file, BlockId block, uint32_t storage, uint64_t session,
                    std::span<const uint32_t> storages);
  // A replica is gone, or was found bad.
  void ReplicaLost(BlockId block, uint32_t storage, std::span<const uint32_t> storages);
  // Its datanode says in one report that it is gone from the one and good on the other: comes
  // before ReplicaLost and ReplicaAdded.
  void ReplicaMoved(BlockId block, uint32_t from, uint32_t to);
  // Its final version is known, of which these storages may have an older one.
  void BlockCommitted(BlockId block, std::span<const uint32_t> outdated);
  // The storage has told of a version that is older than the one that is being written.
  void ReplicaOutdated(BlockId block, uint32_t storage);
  // The block's length is final; reports of its replicas may be on their way still.
  void BlockWritten(BlockId block, uint32_t wanted);
  // The storages that may have an older version of it, which nobody else knows of.
  std::vector<uint32_t> BlockRemoved(BlockId block);
  // A datanode says that it could not make copies that it was ordered to in this session.
  void CopiesFailed(absl::string_view datanode_uuid, uint64_t session,
                    std::span<const FailedCopy> failed);
  // It was ordered to verify these groups in this session.
  void GroupsVerified(absl::string_view datanode_uuid, uint64_t session,
                      std::span<const GroupVerdict> verdicts);
  // The file's replication, and with it the need of all its blocks, may have changed.
  void FileChanged(InodeId file);
  // All blocks of the storage are looked at again. Found without it: a storage that is lost, or
  // back, and a node whose administrative state or rack has changed.
  void CheckStorage(uint32_t storage);

  // ---- reads, all [R]
  // Takes replicas that are being deleted out of what a reader is told, unless there are no others.
  void HideLeaving(BlockId block, const ClusterView& view, std::vector<uint32_t>* storages) const;
  // What the other units of `unit`'s group give; all are to be resident.
  std::optional<GroupFacts> GroupFactsOf(const Inode& file, const BlockVersion& unit,
                                         const ClusterView& view) const;
  // All of the block's replicas as they stand. `entry` is the block's.
  BlockFacts FactsOf(const Inode& file, const BlockVersion& version, const BlockMap::Entry& entry,
                     const ClusterView& view) const;
  std::optional<Need> NeedOf(const BlockFacts& facts, const ClusterView& view) const;
  // Good replicas that can be read now and are not being deleted; 0 for a block not in memory.
  uint32_t CountReadable(BlockId block) const;
  // After that time a copy of so many bytes is not waited for any more.
  absl::Duration CopyTimeout(uint64_t bytes) const;
  void Describe(const BlockFacts& facts, BlockHealth* out) const;
  // A datanode that is being decommissioned waits until the file is closed, or written elsewhere.
  bool IsAwaited(const Inode& file, const ClusterView& view) const
      ABSL_SHARED_LOCKS_REQUIRED(namenode_.mu_);
  std::vector<BlockId> InNeed(Need need, BlockId after, size_t most) const;
  HealthTotals Totals() const;

  // ---- for others that look through blocks, without the lock
  // The next ids of a range of records; *position moves on. False: that was the end. An error:
  // *position and *out are as they were.
  absl::StatusOr<bool> ReadIds(const std::string& prefix, size_t most, std::string* position,
                               std::vector<BlockId>* out);
  // Brings the block and its file into memory; kNoInode: no file has it.
  absl::StatusOr<InodeId> LoadOwner(BlockId block) ABSL_LOCKS_EXCLUDED(namenode_.mu_);

  // ---- of datanodes on their way out, by uuid: from any thread, with or without the lock
  std::vector<LeaveProgress> Leaving() const;

  class Balancer;  // core/balancer.h
  Balancer& balancer() { return *balancer_; }

 private:
  // Remembered of what cannot be read.
  static constexpr size_t kMostUnread = 100'000;
  static constexpr absl::Duration kEndCopiesInterval = absl::Milliseconds(500);

  // What one round sees.
  struct Round {
    std::shared_ptr<const ClusterView> view;
    absl::Duration now;
  };

  struct Written {
    absl::Duration due;
    BlockId block;
    uint32_t wanted;
  };

  // Storages of a committed block that have not told of its final version.
  struct Outdated {
    absl::Duration due;  // later, who has reported all has it not
    absl::InlinedVector<uint32_t, 3> storages;
  };

  bool IsReady(const Round& round);
  void WatchStorages(const Round& round) ABSL_LOCKS_EXCLUDED(namenode_.mu_);
  void BeginWatch(const ClusterView& view) ABSL_LOCKS_EXCLUDED(namenode_.mu_);
  std::vector<uint32_t> UpdateStandings(const Round& round, bool* gained);
  void CheckStorages(std::span<const uint32_t> storages) ABSL_LOCKS_EXCLUDED(namenode_.mu_);
  void CheckRacks(const ClusterView& before, const ClusterView& view)
      ABSL_LOCKS_EXCLUDED(namenode_.mu_);
  // Until then no replica is deleted because of those of the block that count: one may be on a
  // datanode that is just back, and corrupt, as it was known to be before it was lost, or by the
  // namenode's process before this one.
  absl::Duration DoubtedUntil(const Round& round, const BlockFacts& facts) const;
  void ForgetMarks(uint32_t storage) ABSL_LOCKS_EXCLUDED(namenode_.mu_);
  void EndCopies(const Round& round) ABSL_LOCKS_EXCLUDED(namenode_.mu_);
  void EndDeletions() ABSL_LOCKS_EXCLUDED(namenode_.mu_);
  // Ids to judge next, at most `most`. *more: lists were left over.
  std::vector<BlockId> NextToCheck(const Round& round, size_t most, bool* more);
  bool TakeListed(const Round& round, size_t most, std::vector<BlockId>* out);
  void ListUnreadAgain(const Round& round) ABSL_EXCLUSIVE_LOCKS_REQUIRED(namenode_.mu_);
  // True: they have all told of the final version.
  bool HaveCaughtUp(const Outdated& outdated, BlockId block) const;
  bool IsWellWritten(const Written& written, const ClusterView& view) const;
  void WalkFile(const Round& round, size_t most, std::vector<BlockId>* out);
  bool ListBlocks(size_t most, std::vector<BlockId>* out) ABSL_LOCKS_EXCLUDED(namenode_.mu_);
  void WalkStorage(const Round& round, size_t most, std::vector<BlockId>* out);
  void WalkAll(const Round& round, size_t most, std::vector<BlockId>* out);
  // Looks the blocks up and judges them; with `act`, plans and orders too. Returns how many orders
  // were given.
  size_t Judge(const Round& round, std::span<const BlockId> blocks, bool act);
  std::vector<BlockId> JudgeSlice(const Round& round, std::span<const BlockId> blocks, bool act,
                                  size_t* orders);
  bool IsThere(InodeId owner, BlockId block) const ABSL_SHARED_LOCKS_REQUIRED(namenode_.mu_);
  absl::StatusOr<std::optional<InodeId>> PeekOwner(BlockId block);
  absl::Status LoadUnits(BlockId unit, InodeId owner) ABSL_LOCKS_EXCLUDED(namenode_.mu_);
  void MarkOutdated(const Round& round, const BlockMap::Entry& entry)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(namenode_.mu_);
  void ForgetLostMarks(BlockId block, const ClusterView& view)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(namenode_.mu_);
  bool CountLostDeletions(const Round& round, const BlockFacts& facts)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(namenode_.mu_);
  bool JudgeOne(const Round& round, BlockId block, InodeId owner, bool act)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(namenode_.mu_);
  bool Act(const Round& round, const BlockFacts& facts, Need need)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(namenode_.mu_);
  bool OrderRebuild(const Round& round, const BlockFacts& facts, const RepairPlan::Rebuild& rebuild)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(namenode_.mu_);
  bool OrderCopies(const Round& round, const BlockFacts& facts, const RepairPlan::Copy& copy)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(namenode_.mu_);
  bool OrderDeletions(const Round& round, const BlockFacts& facts,
                      std::span<const uint32_t> storages)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(namenode_.mu_);
  bool Repair(const Round& round);

  class Departures;
  class GroupScan;

  NamenodeImpl& namenode_;
  const HealingOptions options_;
  const RepairRules rules_;

  // ---- guarded by the namespace lock
  bool started_ = false;
  uint32_t old_storages_ = 0;      // the lowest number of those that are new
  absl::Duration deletions_from_;  // set when it starts
  RedundancyQueue queue_;
  PendingCopies copies_;
  RepairBudget budget_;
  OrderedDeletions leaving_;
  std::deque<BlockId> listed_;  // to be judged
  // Written just now: judged when the reports have had time to come.
  std::deque<Written> written_;
  // Looked at when their turn in written_ comes, or the block's to be judged.
  absl::flat_hash_map<BlockId, Outdated> outdated_;
  std::deque<InodeId> files_;
  std::deque<uint32_t> storages_;
  absl::flat_hash_set<uint32_t> in_storages_;  // the same
  // Whose records could not be read. Blocks that are in the queue, too, are tried when due there.
  ReadRetries<uint32_t> unread_storages_{kMostUnread};
  ReadRetries<InodeId> unread_files_{kMostUnread};
  ReadRetries<BlockId> unread_blocks_{kMostUnread};
  bool walk_again_ = false;  // something was left out
  bool walking_ = false;     // a walk over blocks is not at its end

  // ---- touched by Tick alone
  std::optional<absl::Duration> waiting_since_;  // for reports, after a start
  std::shared_ptr<const ClusterView> watched_;
  absl::Duration next_watch_ = -absl::InfiniteDuration();
  // Of each storage, as its blocks were last judged; kAwaited also: it is back, and has not told.
  std::vector<Standing> standing_;
  // Likewise, of those that were away and are back; infinite: until some time after they have told.
  std::vector<absl::Duration> doubted_until_;
  absl::Duration next_end_copies_;
  // Looking for blocks to try at once, since there is a new datanode or disk: at how many still.
  size_t hurry_left_ = 0;
  RedundancyQueue::HurryWalk hurry_walk_;
  struct FileWalk {
    InodeId file;
    size_t next = 0;
  };
  std::optional<FileWalk> file_walk_;
  struct StorageWalk {
    uint32_t storage;
    std::string position;
  };
  std::optional<StorageWalk> storage_walk_;
  std::optional<std::string> full_walk_;  // its position
  absl::Duration next_full_walk_ = -absl::InfiniteDuration();
  TokenBucket full_walk_rate_;
  const std::unique_ptr<Departures> departures_;
  const std::unique_ptr<Balancer> balancer_;     // what it keeps of moves: guarded by the lock
  const std::unique_ptr<GroupScan> group_scan_;  // what it keeps of orders: likewise
};

}  // namespace cairn::namenode
