// namenode/blocks/block_map.h - which storages hold each block.
//
//   writers, reports --[W]--> resident entries --PutUnjournalled--> store records 'r' and 'n'
//                                 |  ^
//                      eviction   v  |  Insert(id, record 'r')
//                               store (tails, LevelDB)
//
// An entry of a block that is being written is pinned: what it knows (the expected pipeline, early
// reports) exists nowhere else. All others are a cache of the store's 'r' records, bounded in bytes
// and evicted by CLOCK. The namespace (stamp, length) is not kept here: callers bring it along.
// Liveness of nodes is not kept here either: combine with a ClusterView.
//
// Records: 'r' block -> the good replicas of one version; 'n' storage, block -> the same the other
// way round, for the blocks of a lost or reporting storage. Neither is journalled: after a crash
// the datanodes' full reports mend what the last seconds of them lost. Corrupt replicas are marked
// in memory alone and are in neither record: the datanode, or the next reader, finds them again.
// Digests of what 'r' says are kept along (replica_digests.h).
//
// Threads: guarded by the namespace lock from outside. [R] needs it shared, [W] exclusively.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "common/ids.h"
#include "namenode/blocks/corrupt_marks.h"
#include "namenode/blocks/replica.h"
#include "namenode/blocks/replica_digests.h"
#include "namenode/namespace/types.h"
#include "namenode/store/store.h"
#include "proto/store.pb.h"

namespace cairn::namenode {

class BlockMap {
 public:
  using Storages = absl::InlinedVector<uint32_t, 4>;

  struct Options {
    uint64_t cache_bytes = 64 << 20;  // of entries that are not pinned
    uint32_t min_replication = 1;     // dfs.namenode.replication.min
  };

  enum class State : uint8_t {
    kUnderConstruction,  // pinned
    kCommitted,          // pinned: final length known, waiting for its minimum of replicas
    kComplete,
  };

  class Entry {
   public:
    BlockId id() const { return id_; }
    State state() const { return state_; }
    // What the replicas below are replicas of. Under construction: the stamp that the pipeline has.
    GenerationStamp stamp() const { return stamp_; }
    uint64_t length() const { return length_; }
    // Good, finalized replicas of that version. Empty while under construction.
    std::span<const uint32_t> replicas() const { return replicas_; }
    // While under construction or committed: where the pipeline is, and what reported in.
    std::span<const uint32_t> expected() const;
    // The above names every storage that the writer was given. Not so after a restart of the
    // namenode, nor of a block that was opened again: others may have a replica that nobody has
    // told of yet.
    bool knows_pipeline() const { return writing_ != nullptr && writing_->whole; }

   private:
    friend class BlockMap;
    struct Early {  // a replica reported before its block was committed
      uint32_t storage;
      ReplicaState state;
      GenerationStamp stamp;
      uint64_t length;
      bool assumed;  // counted before the block was opened again; not heard of since
    };
    struct Writing {
      Storages expected;
      bool whole = false;  // `expected` was the writer's pipeline; who has told that it has nothing
                           // has been taken out
      std::vector<Early> reported;
      bool reopened = false;  // 'n' records of an earlier version may exist
      BlockVersion recorded;  // the version of record 'r', and the storages that it names, while
      Storages recorded_on;   // they are not the entry's
    };
    BlockId id_{};
    GenerationStamp stamp_{};
    uint64_t length_ = 0;
    Storages replicas_;
    std::unique_ptr<Writing> writing_;  // while not complete
    State state_ = State::kComplete;
    uint32_t slot_ = 0;                     // in the clock
    mutable std::atomic<bool> used_{true};  // the clock's bit, set by readers
  };

  struct CommitResult {
    uint32_t live = 0;  // good replicas so far
    // Reported in with another stamp or length, and not expected to report again. May be deleted
    // once enough good ones exist; those with an old stamp at once.
    std::vector<uint32_t> bad;
    // Had an older version when they were last heard of, and may have gone on to this one: not
    // judged. Whoever has told of all that it has by now says no more, and has the old one.
    std::vector<uint32_t> outdated;
  };

  struct ReportResult {
    ReplicaMeaning meaning;
    uint32_t live = 0;                    // good replicas of the block now
    bool reached_minimum = false;         // by this report: wake those who wait for it
    bool added = false, removed = false;  // this storage's good replica is new, or no more
  };

  struct Stats {
    uint64_t entries = 0, pinned = 0, bytes = 0, evictions = 0, corrupt = 0;
    uint64_t corrupt_units = 0, corrupt_groups = 0;  // of `corrupt`: of block groups
  };

  BlockMap(Options options, Store& store);  // `store` outlives this
  ~BlockMap();

  // [R] nullptr: not resident; load record 'r' outside the lock, then Insert it. Valid until the
  // lock is released.
  const Entry* Find(BlockId block) const;
  // [W] What the store has for `block`; nullopt: no record. No effect when it is resident: what is
  // in memory is newer. The caller makes sure that the record was still current (Store::Peek,
  // flush_count).
  void Insert(BlockId block, const std::optional<store::Replicas>& record);
  // [W] Evicts while over the bound, looking at no more than `most` entries. Insert and Complete do
  // it too; call it where no entry is held.
  void Trim(int most);

  // ---- the writer's side, all [W]
  // addBlock: `expected` is the pipeline. A block that is resident (replay, retry) starts anew.
  void AddUnderConstruction(const BlockVersion& block, std::span<const uint32_t> expected);
  // append, truncate and recovery: the block is opened again under `block`'s stamp (which may be
  // the old one). Its replicas become the expected pipeline; at the commit they count if they have
  // the final version, as they do when the writer wrote nothing. Should be resident, else nothing
  // is expected until the datanodes report.
  void Reopen(const BlockVersion& block);
  // updatePipeline: from now on only replicas with this stamp count. No effect unless the block is
  // under construction.
  void SetPipeline(const BlockVersion& block, std::span<const uint32_t> expected);
  // The replica there is on its way to the block's stamp: at the commit it is not yet a bad one.
  // No effect unless the block is under construction.
  void Expect(uint32_t storage, BlockId block);
  // The final version is known: judges what reported in early. Committing again is harmless.
  CommitResult Commit(const BlockVersion& final_version);
  // The file no longer waits for it (closed, or a later block is complete): the entry is unpinned.
  void Complete(BlockId block);

  // ---- the datanodes' side, all [W]
  // Judges the report (JudgeReplica) and takes it in. The block must be resident, and the report
  // not kDeleted (ReplicaGone). `version` is what the namespace says; whether it is final, the
  // entry knows: all blocks that are being written are resident. `same_node` are the storages of
  // the datanode that reports (may be empty): it may have put the replica on another volume than it
  // was told.
  ReportResult ReplicaReported(uint32_t storage, const BlockVersion& version,
                               const ReportedReplica& reported,
                               std::span<const uint32_t> same_node);
  // The replica is not there any more (deleted, or missing from a full report).
  // True: it was counted before. Of a block that is not resident only record 'n' goes: load it
  // first unless no file has it.
  bool ReplicaGone(uint32_t storage, BlockId block);

  // An old version of a committed block lies there, and is not deleted now: remembered like a bad
  // one until it is deleted, or good after all.
  void MarkStale(uint32_t storage, BlockId block);

  // [W] The storage is lost, and with it what was wrong with its replicas: nobody will delete them,
  // or say that they are deleted. If it comes back, its datanode tells which are corrupt; if that
  // was started anew, only when it has found them again. At most `most` replicas of it; true: there
  // are more.
  bool ForgetMarks(uint32_t storage, size_t most) { return marks_.ForgetSome(storage, most); }

  // [W] Forgets the block and its records. Returns every storage that may hold a replica, good or
  // not, so that each is told to delete it. Of a block that is not resident (in replay) only record
  // 'r' goes and nothing is returned; full reports then find its replicas unknown.
  std::vector<uint32_t> Remove(BlockId block);

  // ---- reads, all [R]
  uint32_t LiveCount(BlockId block) const;  // 0 when not resident
  // Where good replicas of the block would be if it were committed as `version` now.
  std::vector<uint32_t> Matching(const BlockVersion& version) const;
  uint32_t CountMatching(const BlockVersion& version) const {
    return static_cast<uint32_t>(Matching(version).size());
  }
  bool HasMinimum(BlockId block) const { return LiveCount(block) >= min_replication(block); }
  // Storages a reader may be sent to: while being written the expected ones, then the good ones; if
  // no good one is left, the corrupt ones (*all_corrupt becomes true).
  std::vector<uint32_t> Locations(BlockId block, bool* all_corrupt) const;
  // Marked, and last known to be of an older version: it may be on its way to the block's.
  bool IsOlder(BlockId block, uint32_t storage) const { return marks_.IsOlder(block, storage); }
  std::vector<uint32_t> CorruptReplicas(BlockId block) const { return marks_.Of(block); }
  Stats stats() const;
  // Of the records 'r'. [R] to look, [W] for the walk that fills it after a start.
  const ReplicaDigests& digests() const { return digests_; }
  ReplicaDigests& digests() { return digests_; }
  // A unit of a group is there once.
  uint32_t min_replication(BlockId block) const {
    return IsGrouped(block) ? 1 : options_.min_replication;
  }

 private:
  Entry* FindMutable(BlockId block);
  Entry& Emplace(BlockId block);
  void Erase(Entry& entry);
  void Evict(const Entry* keep, int most);
  Entry::Writing& Pin(Entry& entry);
  void OpenAgain(Entry& entry, const BlockVersion& block);
  CommitResult CommitEntry(Entry& entry, const BlockVersion& final_version);
  void AlignVersion(Entry& entry, const BlockVersion& version);
  void TakeEarly(Entry& entry, uint32_t storage, const ReportedReplica& reported,
                 std::span<const uint32_t> same_node);
  bool AddReplica(Entry& entry, uint32_t storage);
  bool DropReplica(Entry& entry, uint32_t storage);  // also from the pipeline and record 'n'
  void PersistReplicas(const Entry& entry);
  void PersistRecord(const BlockVersion& version, std::span<const uint32_t> storages);
  static BlockVersion VersionOf(const Entry& entry) {
    return {entry.id_, entry.stamp_, entry.length_};
  }
  void SubtractRecorded(Entry& entry);
  static uint64_t Cost(const Entry& entry);

  const Options options_;
  Store& store_;
  absl::flat_hash_map<BlockId, uint32_t> slots_;  // index into entries_
  std::vector<std::unique_ptr<Entry>> entries_;   // CLOCK's circle; freed slots are null
  std::vector<uint32_t> free_slots_;
  CorruptMarks marks_;
  uint32_t hand_ = 0;
  uint64_t bytes_ = 0;  // of entries that are not pinned
  uint64_t pinned_ = 0;
  uint64_t evictions_ = 0;
  ReplicaDigests digests_;
};

}  // namespace cairn::namenode
