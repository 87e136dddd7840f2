// datanode/volume/volume.h - one directory of replicas, usually a whole disk.
//
//   DIR/in_use.lock                                     one daemon at a time; holds its pid
//   DIR/current/VERSION                                 whose directory this is: VolumeIdentity
//   DIR/current/finalized/subdirX/subdirY/blk_<id>      data, the plain bytes
//                                        /blk_<id>_<stamp>.meta   checksums
//   DIR/current/rbw/    being written, or waiting for recovery; blk_<id>.tail beside: tail_record.h
//   DIR/current/tmp/    temporary; emptied at start
//
// The layout below `current` is HDFS's, 32 x 32 directories by bits of the block id, so that no
// directory grows without bound. A Volume knows paths, space and identity; what is in the files is
// replica_files.h, which replica is where is replica_store.h. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/ids.h"
#include "common/io/file_system.h"
#include "common/mutex.h"
#include "datanode/volume/replica.h"
#include "datanode/volume/volume_health.h"
#include "datanode/volume/watched_file_system.h"

namespace cairn::datanode {

inline constexpr uint32_t kLayoutVersion = 1;

// Values are those of the client protocol's StorageTypeProto.
enum class StorageType : uint8_t { kDisk = 1, kSsd = 2, kArchive = 3, kRamDisk = 4 };

struct VolumeSpec {
  std::string path;  // absolute
  StorageType type = StorageType::kDisk;
};

// One entry of dfs.datanode.data.dir: "[SSD]/path", "file:///path" or "/path".
// kInvalidArgument: an unknown type, or a path that is not absolute.
absl::StatusOr<VolumeSpec> ParseVolumeSpec(absl::string_view text);

// What VERSION holds. cluster_id and block_pool_id are empty until the first registration.
struct VolumeIdentity {
  std::string cluster_id;
  std::string block_pool_id;
  std::string storage_uuid;
  std::string datanode_uuid;
  uint32_t layout_version = kLayoutVersion;
};

std::string FormatIdentity(const VolumeIdentity& identity);
// kInvalidArgument: not key=value lines, or a key is missing. kFailedPrecondition: a layout version
// that this program does not know; the message names both.
absl::StatusOr<VolumeIdentity> ParseIdentity(absl::string_view text);

std::string DataFileName(BlockId block);
std::string MetaFileName(BlockId block, GenerationStamp stamp);
std::string TailFileName(BlockId block);

class Volume {
 public:
  // Opens the directory, making it and its VERSION if it is empty or missing. A new VERSION takes
  // `datanode_uuid`. kFailedPrecondition: another process has it (its pid is in the message), its
  // layout is another, or it belongs to another datanode.
  static absl::StatusOr<std::unique_ptr<Volume>> Open(FileSystem& fs, const VolumeSpec& spec,
                                                      uint64_t reserved_bytes,
                                                      const std::string& datanode_uuid);
  // The datanode uuid in `spec`'s VERSION, "" if the directory is new.
  static absl::StatusOr<std::string> PeekDatanodeUuid(FileSystem& fs, const VolumeSpec& spec);

  FileSystem& fs() const { return fs_; }
  // The call on the volume's files that has been under way for longest; nullopt: none is.
  std::optional<CallWatch::Waiting> OldestCall() const { return fs_.OldestCall(); }
  const VolumeSpec& spec() const { return spec_; }
  const std::string& path() const { return spec_.path; }
  StorageType type() const { return spec_.type; }
  VolumeIdentity identity() const ABSL_LOCKS_EXCLUDED(mu_);

  // Writes the ids that the namenode gave, durably. kFailedPrecondition: the volume has others; the
  // message names both, and nothing is changed.
  absl::Status AdoptCluster(const std::string& cluster_id, const std::string& block_pool_id)
      ABSL_LOCKS_EXCLUDED(mu_);

  std::string RbwDirectory() const { return spec_.path + "/current/rbw"; }
  std::string TmpDirectory() const { return spec_.path + "/current/tmp"; }
  std::string FinalizedRoot() const { return spec_.path + "/current/finalized"; }
  std::string FinalizedDirectory(BlockId block) const;
  std::vector<std::string> AllFinalizedDirectories() const;  // those that may exist
  std::string ScanCursorPath() const { return spec_.path + "/current/scanner.cursor"; }
  // Where a replica in `state` has its files.
  std::string DirectoryOf(BlockId block, ReplicaState state) const;
  // Makes FinalizedDirectory(block) and its parent, durably.
  absl::Status MakeFinalizedDirectory(BlockId block) ABSL_LOCKS_EXCLUDED(mu_);

  // ---- Space, in bytes ----
  // What the file system had when it was last asked; never waits for the disk. What has been
  // written or deleted here since is allowed for.
  SpaceInfo Space() const ABSL_LOCKS_EXCLUDED(mu_);
  // Asks it. Marks the volume as failed if it does not say.
  absl::Status RefreshSpace() ABSL_LOCKS_EXCLUDED(mu_);
  // Free for new replicas: Space(), less the reserve and what open replicas may still take. 0 if
  // the volume has failed.
  uint64_t Available() const ABSL_LOCKS_EXCLUDED(mu_);
  uint64_t reserved_bytes() const { return reserved_bytes_; }
  uint64_t promised_bytes() const { return promised_.load(std::memory_order_relaxed); }
  uint64_t used_bytes() const { return used_.load(std::memory_order_relaxed); }
  uint64_t blocks() const { return blocks_.load(std::memory_order_relaxed); }
  void Promise(int64_t bytes) { promised_.fetch_add(static_cast<uint64_t>(bytes)); }
  void AddUsed(int64_t bytes, int64_t blocks) {
    used_.fetch_add(static_cast<uint64_t>(bytes));
    blocks_.fetch_add(static_cast<uint64_t>(blocks));
  }

  // ---- Health: volume_health.h says what counts ----
  bool failed() const { return failed_.load(std::memory_order_acquire); }
  // kUnavailable, saying why it failed.
  absl::Status CheckUsable() const ABSL_LOCKS_EXCLUDED(mu_);
  // Why it failed; OK if it has not.
  absl::Status failure() const ABSL_LOCKS_EXCLUDED(mu_);
  // Logs, and calls the listener; only the first time. Not under a lock.
  void MarkFailed(const absl::Status& why) ABSL_LOCKS_EXCLUDED(mu_);
  // A call on one of its files returned `status`, which is returned again. The volume is checked
  // or marked as failed if an error says so. Not under a lock.
  absl::Status Note(VolumeUse use, absl::Status status) ABSL_LOCKS_EXCLUDED(mu_);
  // Whether the directory is there, ours, and can be read and written: a small file is synced.
  // Marks the volume as failed otherwise. One check at a time: a second one returns OK at once.
  absl::Status Check() ABSL_LOCKS_EXCLUDED(mu_);
  // The cheap part: the directory is there and ours.
  absl::Status CheckPresence() ABSL_LOCKS_EXCLUDED(mu_);
  // An administrator takes the volume away: as if it had failed, but nobody is to worry.
  void Retire() ABSL_LOCKS_EXCLUDED(mu_);
  bool retired() const { return retired_.load(std::memory_order_acquire); }
  // Nobody uses its files any more: another process, or this one, may open the directory.
  void LetGo() ABSL_LOCKS_EXCLUDED(mu_);
  // Called once, by the thread that finds the volume failed. Set before others use the volume.
  void SetFailureListener(std::function<void()> listener) { on_failure_ = std::move(listener); }

 private:
  Volume(FileSystem& fs, VolumeSpec spec, uint64_t reserved_bytes, std::unique_ptr<File> lock,
         VolumeIdentity identity);

  absl::Status TryPresence() const ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status TryReadAndWrite() ABSL_LOCKS_EXCLUDED(mu_);

  mutable WatchedFileSystem fs_;
  const VolumeSpec spec_;
  const uint64_t reserved_bytes_;
  std::atomic<uint64_t> promised_{0};
  std::atomic<uint64_t> used_{0};
  std::atomic<uint64_t> blocks_{0};
  std::atomic<bool> failed_{false};
  std::atomic<bool> retired_{false};
  std::atomic<bool> checking_{false};
  std::function<void()> on_failure_;
  mutable Mutex mu_;
  absl::Status failure_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<File> lock_ ABSL_GUARDED_BY(mu_);
  VolumeIdentity identity_ ABSL_GUARDED_BY(mu_);
  std::vector<bool> finalized_made_ ABSL_GUARDED_BY(mu_);  // by X * 32 + Y
  SpaceInfo space_ ABSL_GUARDED_BY(mu_);
  uint64_t used_then_ ABSL_GUARDED_BY(mu_) = 0;  // used_bytes() when the disk was asked
};

// A uuid in the usual spelling, from the system's random numbers.
std::string NewUuid();

}  // namespace cairn::datanode
