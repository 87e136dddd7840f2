// datanode/volume/replica_store.h - which replicas this datanode has, and what may be done to each.
//
//        Create            Finalize              OpenForAppend
//   ∅ ----------> written ----------> finalized ----------> written
//                    |   restart                 RecoverClose: written, waiting or finalized
//                    +----------> waiting            -> finalized
//                    ^              |            TruncateFinalized: finalized -> finalized
//                    +--------------+  its writer comes back
//   ∅ -> temporary -> finalized, or written (a copy from another datanode)
//
// Generation stamps decide: who comes with an older one than the replica has is refused, and a
// replica with an older one than what is to be created gives way.
//
// Threads: any. Methods block on the disk, except where they say so; none holds the lock over it.
// Whoever changes a replica's files holds its OpenReplica's writer slot meanwhile. Replicas are
// announced to ReplicaEvents after a change is as durable as it is going to be.
//
// In replica_store.cc are the map, the start and the volumes' coming and going; replica_list.cc,
// _read, _create, _reopen, _orders and _move have the rest.
//
// When a volume fails (volume_health.h) its replicas are forgotten, their writers stopped: from
// then on this datanode has none of them, and may take copies of them on its other volumes.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "common/ids.h"
#include "common/io/file_system.h"
#include "common/mutex.h"
#include "common/replica_digest.h"
#include "datanode/volume/disk_calls.h"
#include "datanode/volume/replica.h"
#include "datanode/volume/replica_index.h"
#include "datanode/volume/replica_writer.h"
#include "datanode/volume/volume.h"
#include "wire/transfer/checksum.h"

namespace cairn::datanode {

// Told of each change; called from any thread, without locks held but for Moved and TellAbsent.
// Must be quick.
class ReplicaEvents {
 public:
  enum class Kind { kBeingWritten, kFinalized, kDeleted, kCorrupt };
  virtual ~ReplicaEvents() = default;
  virtual void Changed(Kind kind, const Volume& volume, const ReplicaInfo& replica) = 0;
  // A replica went from one volume to another of this node. Whoever hears of both at once never
  // counts it twice, nor not at all. Called at the moment at which the map changes, with the store
  // locked: nothing of the store may be called. Who finds a replica in its new place has been told.
  virtual void Moved(const Volume& from, const ReplicaInfo& before, const Volume& to,
                     const ReplicaInfo& after) {
    Changed(Kind::kDeleted, from, before);
    Changed(Kind::kFinalized, to, after);
  }
  // The files of a replica are about to be written on or cut, or are given up with their volume:
  // who reads them by himself is to stop. With or without the store locked: nothing of the store
  // may be called.
  virtual void FilesChange(BlockId /*block*/) {}
  // Its replicas are gone with it; no Changed tells of each. The next heartbeat should.
  virtual void VolumeFailed(const Volume& /*volume*/) {}
};

// An open replica for reading. The files stay readable whatever becomes of the replica.
struct ReplicaReader {
  std::unique_ptr<File> data;
  std::unique_ptr<File> meta;
  transfer::DataChecksum checksum;
  ReplicaInfo info;
  std::shared_ptr<OpenReplica> open;  // null unless being written
  // CRC of the partial last chunk as it was when the reader was opened: an append may change it in
  // the meta file. Absent for a full last chunk, and while the replica is being written.
  std::optional<uint32_t> tail_crc;

  // Bytes that may be read now.
  uint64_t visible() const { return open != nullptr ? open->acked() : info.length; }
};

// kDirect: data by O_DIRECT, where the file system has it: what is on the medium, leaving the page
// cache alone.
enum class ReadMode { kCached, kDirect };

struct StoreOptions {
  bool sync_on_finalize = true;
};

class ReplicaStore {
 public:
  // `volumes` are open and at least one. `events` outlives the store.
  ReplicaStore(std::vector<std::unique_ptr<Volume>> volumes, StoreOptions options,
               ReplicaEvents& events);

  // Finds what is on the disks; called once, before anything else. Temporary files are deleted, of
  // two replicas of one block the better one is kept. An unreadable volume is marked as failed, and
  // so is one of which a call does not return for `hang_limit`: nobody waits for it but the
  // destructor. kDataLoss: all have failed. kResourceExhausted: descriptors or memory were short,
  // so that it is not known what is there; to be tried again by a store that is made anew.
  absl::Status Load(absl::Duration hang_limit = absl::InfiniteDuration());

  // All volumes there have been since the start, by their index, which never changes. One that was
  // removed counts as failed; none is destroyed before the store. Removed at most, never less than
  // one.
  std::vector<Volume*> volumes() const;
  Volume& VolumeAt(int index) const {
    return *slots_[static_cast<size_t>(index)].load(std::memory_order_acquire);
  }

  // ---- Changing the volumes while running ----
  // Takes a volume that LoadReplicas has read, and returns its index. A replica that another volume
  // has as well stays there: the worse of the two is deleted if it is the new volume's. Nothing is
  // announced: a full report has to tell. kResourceExhausted: too many volumes since the start.
  absl::StatusOr<int> AddVolume(std::unique_ptr<Volume> volume,
                                const std::vector<ReplicaInfo>& found) ABSL_LOCKS_EXCLUDED(mu_);
  // The volume's replicas are forgotten and their writers stopped; then its directory is let go.
  // Waits for the writers. kDeadlineExceeded: some have not ended; all else is done.
  absl::Status RemoveVolume(int index, absl::Duration limit) ABSL_LOCKS_EXCLUDED(mu_);
  const StoreOptions& options() const { return options_; }

  // ---- Looking; memory only ----
  std::optional<ReplicaInfo> Find(BlockId block) const ABSL_LOCKS_EXCLUDED(mu_);
  // The replica being written, for stopping its writer; null if it is not.
  std::shared_ptr<OpenReplica> FindOpen(BlockId block) const ABSL_LOCKS_EXCLUDED(mu_);
  // Replicas on one volume, ascending by block id. Temporary ones are left out. None of a volume
  // that has failed. Not of one moment, since nobody is kept out for so long: each replica is as it
  // was at some moment during the call, and in the list once if it was there all the time. One that
  // came, went or changed meanwhile is told as before it or after it.
  std::vector<ReplicaInfo> List(int volume) const ABSL_LOCKS_EXCLUDED(mu_);
  // The same, of those in `ranges`, which are ascending and do not overlap.
  std::vector<ReplicaInfo> List(int volume, std::span<const BlockRange> ranges) const
      ABSL_LOCKS_EXCLUDED(mu_);
  // One step of it, which looks at kListStep replicas at most, and is of one moment: appends those
  // of `rest`, which becomes what is left of it. False: nothing is left.
  bool ListSome(int volume, BlockRange* rest, std::vector<ReplicaInfo>* list) const
      ABSL_LOCKS_EXCLUDED(mu_);
  static constexpr size_t kListStep = 1000;  // a look-up each: far below 1 ms
  // What List(volume) tells, in short: digests of the finalized replicas by buckets of block ids
  // (common/replica_digest.h), ascending, and the others one by one.
  struct Summary {
    std::vector<std::pair<uint64_t, ReplicaDigest>> buckets;
    std::vector<ReplicaInfo> others;
  };
  Summary Summarize(int volume, uint32_t shift) const ABSL_LOCKS_EXCLUDED(mu_);
  size_t size() const ABSL_LOCKS_EXCLUDED(mu_);
  // A volume's finalized replicas above an id: the first of them, ascending, and the bytes of all.
  struct Slice {
    std::vector<ReplicaInfo> replicas;
    uint64_t bytes = 0;
  };
  // Some of those that were marked as corrupt.
  std::vector<BlockId> CorruptReplicas(int volume, size_t limit) const ABSL_LOCKS_EXCLUDED(mu_);
  Slice ListAfter(int volume, BlockId after, size_t limit) const ABSL_LOCKS_EXCLUDED(mu_);

  // kNotFound with FsError::kReplicaNotFound: no such replica. kAborted: its stamp is older than
  // `at_least`. kDataLoss: corrupt, or its files do not fit together; it is then marked and
  // announced.
  absl::StatusOr<ReplicaReader> OpenForRead(BlockId block, GenerationStamp at_least,
                                            ReadMode mode = ReadMode::kCached);

  // ---- Writing ----
  // Each fails with kUnavailable while another writer holds the replica: stop that one first; and
  // with kAborted under a stamp older than that of a block recovery that has begun (InitRecovery).
  // Who goes on with, or cuts, a replica that ends in a partial chunk computes that chunk's
  // checksum anew, so the bytes are compared with the old one before: kDataLoss if they do not
  // match. The files are then untouched, and a finalized replica is marked and announced. After an
  // error of the disk the replica is gone with its volume; after another one (no space) it is as it
  // was or, if its files had been moved already, waiting for recovery under the new stamp.
  struct NewReplica {
    BlockId block{};
    GenerationStamp stamp{};
    bool temporary = false;
    transfer::DataChecksum checksum;
    uint64_t size_hint = 0;           // bytes it may grow to; 0: not known
    std::string storage_uuid;         // preferred volume; "" or unknown: any
    std::optional<StorageType> type;  // preferred
  };
  // kAlreadyExists: a replica with this stamp or a newer one. kResourceExhausted: no volume has
  // room.
  absl::StatusOr<std::unique_ptr<ReplicaWriter>> Create(const NewReplica& wanted);

  // A finalized replica of exactly `length` bytes goes on under `new_stamp`. With `recovery` it may
  // be being written, or waiting for recovery, as well. kAborted: stamp or length are other ones.
  absl::StatusOr<std::unique_ptr<ReplicaWriter>> OpenForAppend(BlockId block,
                                                               GenerationStamp old_stamp,
                                                               GenerationStamp new_stamp,
                                                               uint64_t length, bool recovery);
  // A replica being written goes on after its acknowledged bytes: at least `min_acked` of them.
  // What it received beyond, perhaps a part of a packet, is cut off. One that is waiting, since the
  // datanode was restarted, goes on after `min_acked` bytes: what was acknowledged is forgotten
  // here, but its writer knows; that its stamp is the writer's says that it missed nothing.
  absl::StatusOr<std::unique_ptr<ReplicaWriter>> OpenForStreamingRecovery(BlockId block,
                                                                          GenerationStamp old_stamp,
                                                                          GenerationStamp new_stamp,
                                                                          uint64_t min_acked);
  // Raises the stamp and finalizes a replica of `length` bytes.
  absl::Status RecoverClose(BlockId block, GenerationStamp old_stamp, GenerationStamp new_stamp,
                            uint64_t length);

  // ---- Orders of the namenode ----
  // Deletes the replica if its stamp is `stamp` or older; a writer is stopped first, and then the
  // deletion happens on the thread on which it ends. No error if there is none: it is then said
  // of every volume that it is deleted, since the namenode may have waited for that in vain.
  // `still_valid` is asked at the moment from which on the replica is neither listed nor read, with
  // the store locked; false: nothing is done. Its files may be there for long after that, if the
  // disk hangs: whoever else counts replicas meanwhile, such as a namenode that has been started
  // since, must not count this one.
  absl::Status Invalidate(
      BlockId block, GenerationStamp stamp,
      const std::function<bool()>& still_valid = [] { return true; });
  // Announces of every volume that has no replica of the block that it is deleted, with the store
  // locked.
  void TellAbsent(BlockId block, GenerationStamp stamp) ABSL_LOCKS_EXCLUDED(mu_);
  // Cuts a replica to `new_length` under `new_stamp`. Finalized already at both: OK.
  absl::Status Truncate(BlockId block, GenerationStamp stamp, GenerationStamp new_stamp,
                        uint64_t new_length);
  // Block recovery, step one: what there is. From then on writers, truncations and recoveries under
  // a stamp older than `recovery_stamp` are refused, until a newer one has succeeded or the replica
  // is gone. A datanode's restart forgets it. The writer must have been stopped. kNotFound with
  // FsError::kReplicaNotFound: there is none. kDataLoss: it is corrupt, which is not the same: it
  // may have had bytes that were promised, and no block ends without them because of that.
  absl::StatusOr<ReplicaInfo> InitRecovery(BlockId block, GenerationStamp recovery_stamp);
  // Step two: `length` bytes, finalized under the recovery's stamp. kAborted: a newer recovery
  // began.
  absl::Status FinishRecovery(BlockId block, GenerationStamp recovery_stamp, uint64_t length);

  // Compares every byte of a replica that is not being written with its checksums. kDataLoss: they
  // do not match; a finalized replica is then marked and announced.
  absl::Status Verify(BlockId block, GenerationStamp stamp);
  // A read found bad bytes: marks and announces a finalized replica. Never deletes. Nothing while
  // the replica has a writer, whose changes a reader may take for damage.
  void MarkCorrupt(BlockId block, GenerationStamp stamp);
  // Reading a replica's files failed with `why`. Unless it is the volume that has failed, which is
  // checked, a replica that cannot be read is as bad as one that was read wrongly: MarkCorrupt.
  void ReadFailed(const ReplicaInfo& replica, const absl::Status& why);

  // Moves a finalized replica to another volume (replica_move.cc). `pace` is called after each
  // piece of its data, may wait, and returns false to end the move: kCancelled. kAborted: the
  // replica was changed meanwhile. kDataLoss: it has rotted; it was marked. In every case one whole
  // replica is where the map says.
  absl::Status Move(const ReplicaInfo& replica, int to_volume,
                    const std::function<bool(uint64_t bytes)>& pace) ABSL_LOCKS_EXCLUDED(mu_);

  // ---- What somebody else did to the files ----
  // Files of a finalized replica were found that the map does not know: announced as if written
  // just now. False: it knows one by now, or they are gone.
  bool AdoptFound(const ReplicaInfo& found) ABSL_LOCKS_EXCLUDED(mu_);
  // The data file of a finalized replica is gone: forgotten, announced as deleted, and the meta
  // file is removed. False: the replica has changed since `gone`, or its data are back.
  bool ForgetVanished(const ReplicaInfo& gone) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  friend class ReplicaWriter;

  struct Entry {
    GenerationStamp stamp{};
    uint64_t length = 0;
    uint16_t volume = 0;
    ReplicaState state = ReplicaState::kFinalized;
    bool in_rbw = false;                // as in ReplicaInfo
    bool deleting = false;              // for everybody else it is not there any more
    std::shared_ptr<OpenReplica> open;  // while being written, and while somebody changes it
  };

  static ReplicaInfo InfoOf(BlockId block, const Entry& entry);
  // Neither a temporary copy nor being deleted.
  static bool IsTold(const Entry& entry);
  bool BeginDeletion(BlockId claimed, const std::function<bool()>& still_valid)
      ABSL_LOCKS_EXCLUDED(mu_);
  void Adopt(const ReplicaInfo& found) ABSL_LOCKS_EXCLUDED(mu_);
  std::string DirectoryOf(const ReplicaInfo& replica) const;
  void DeleteFiles(const ReplicaInfo& replica);
  // The volume has failed: forgets its replicas, those of writers once they have stopped.
  void DropReplicas(int volume) ABSL_LOCKS_EXCLUDED(mu_);
  void DropReplica(BlockId block, int volume) ABSL_LOCKS_EXCLUDED(mu_);
  // One step through an index, as ListSome makes it.
  using IdsIn = std::vector<BlockId> (ReplicaIndex::*)(const BlockRange& range, size_t limit) const;
  bool NextIds(int volume, IdsIn ids_in, BlockRange* rest, std::vector<BlockId>* ids) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  void EraseEntry(BlockId block) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  absl::StatusOr<int> ChooseVolume(const NewReplica& wanted);
  // Takes the writer slot of an existing replica. kNotFound, kUnavailable.
  struct Claim {
    ReplicaInfo info;
    std::shared_ptr<OpenReplica> open;
  };
  absl::StatusOr<Claim> TakeReplica(BlockId block) ABSL_LOCKS_EXCLUDED(mu_);
  void GiveBack(const Claim& claim) ABSL_LOCKS_EXCLUDED(mu_);

  // kAborted: a block recovery with a newer stamp than `stamp` has begun. The caller has claimed
  // the replica, so none begins meanwhile.
  absl::Status CheckNoNewerRecovery(const ReplicaInfo& claimed, GenerationStamp stamp) const
      ABSL_LOCKS_EXCLUDED(mu_);

  struct CheckedFiles {
    std::unique_ptr<File> data;
    std::unique_ptr<File> meta;
    transfer::DataChecksum checksum;
    std::optional<uint32_t> tail_crc;  // of the partial chunk that is kept, verified
  };
  // Opens a claimed replica's files and verifies the chunk that `keep_length` lies in.
  absl::StatusOr<CheckedFiles> CheckFiles(const ReplicaInfo& replica, const OpenReplica& open,
                                          const ReplicaPaths& paths, uint64_t keep_length);
  // Writes the first tail record of a finalized replica of which `length` bytes are kept.
  absl::Status RecordReopened(const CheckedFiles& files, FileSystem& fs, BlockId block,
                              const std::string& tail_path, uint64_t length);
  // Moves a claimed replica's files to rbw/ under `new_stamp` and opens them. The claim's slot
  // passes to the writer, or is given back.
  absl::StatusOr<std::unique_ptr<ReplicaWriter>> Reopen(Claim claim, GenerationStamp new_stamp,
                                                        uint64_t keep_length);
  // After a failure behind the first rename: records what a restart would find.
  void AbandonReopen(const Claim& claim, GenerationStamp new_stamp, uint64_t keep_length);
  void Put(const ReplicaInfo& info, std::shared_ptr<OpenReplica> open) ABSL_LOCKS_EXCLUDED(mu_);
  void PutEntry(const ReplicaInfo& info, std::shared_ptr<OpenReplica> open)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Whoever changes an entry takes it out of its volume's index before, and puts it in after.
  void Index(BlockId block, const Entry& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Unindex(BlockId block, const Entry& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Erase(BlockId block) ABSL_LOCKS_EXCLUDED(mu_);

  static constexpr size_t kMaxVolumes = 1024;
  void Watch(int index);
  absl::Status SwitchVolume(const ReplicaInfo& replica, int to_volume, const std::string& data_path,
                            const std::string& meta_path);
  size_t CountOn(int volume) const ABSL_LOCKS_EXCLUDED(mu_);

  const StoreOptions options_;
  ReplicaEvents& events_;
  // A slot is set before the count grows, and never changed: read without a lock.
  const std::unique_ptr<std::atomic<Volume*>[]> slots_;
  std::atomic<int> volume_count_{0};
  std::atomic<unsigned> next_volume_{0};
  mutable SharedMutex mu_;
  absl::flat_hash_map<BlockId, Entry> replicas_ ABSL_GUARDED_BY(mu_);
  // By volume. Those deleting are no finalized ones.
  std::vector<ReplicaIndex> indexes_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<BlockId, GenerationStamp> recovering_ ABSL_GUARDED_BY(mu_);
  std::vector<std::unique_ptr<Volume>> owned_ ABSL_GUARDED_BY(mu_);
  DiskCalls loading_;  // Load's; last, since it waits for those who use the rest
};

}  // namespace cairn::datanode
