// namenode/daemon/storage.h - the namenode's directory on disk.
//
//   VERSION       key=value lines: layoutVersion, clusterID, blockpoolID, cTime; written last by a
//                 format
//   VERSION.format  VERSION, while a format is under way
//   in_use.lock   held by the running namenode
//   store/        LevelDB
//   journal/      segments
//   checkpoints/  copies of the store, from which it can be restored
//   log/          what metaSave writes, when the log goes to no file of its own
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/clock.h"
#include "common/config.h"
#include "common/io/file_system.h"
#include "namenode/offline/name_directory.h"

namespace cairn::namenode {

inline constexpr uint32_t kLayoutVersion = 1;

struct FormatOptions {
  std::string directory;
  std::vector<std::string> journals;  // their directories; empty: the one in `directory`
  std::string cluster_id;             // empty: a new one
  std::string superuser;              // owner of the root directory
  std::string supergroup = "supergroup";
  uint64_t journal_segment_bytes = uint64_t{64} << 20;
  bool force = false;  // remove an older store and journal
};

struct StorageVersion {
  uint32_t layout = 0;
  std::string cluster_id, block_pool_id;
};

// Makes an empty namespace. kAlreadyExists: the directory holds something and `force` is not set;
// nothing was changed. An interrupted format leaves no VERSION, and the namenode does not start;
// what it leaves is no obstacle to the next one, except in the directories of other journals.
absl::StatusOr<StorageVersion> FormatStorage(FileSystem& fs, Clock& clock,
                                             const FormatOptions& options);

// kFailedPrecondition: not formatted, or of a newer or older layout; says what to do. An older one
// is read with `upgrade`.
absl::StatusOr<StorageVersion> ReadVersion(FileSystem& fs, const std::string& directory,
                                           bool upgrade = false);
// What VERSION says; and as it is to be, at this program's layout.
absl::StatusOr<std::string> VersionText(FileSystem& fs, const std::string& directory);
absl::Status RaiseVersion(FileSystem& fs, const std::string& directory);

// dfs.namenode.name.dir, where "file:///a/b" and "/a/b" are alike. kInvalidArgument: several
// directories, or another scheme.
absl::StatusOr<std::string> StorageDirectory(const Config& config);
// Of the journal: the one in dfs.namenode.name.dir, then one in each of dfs.namenode.edits.dir.
absl::StatusOr<std::vector<std::string>> JournalDirectories(const Config& config);
// Keeps another namenode out of the places of the copies beyond the one in `directory`, which has a
// lock of its own: they may have been given to it as well. kFailedPrecondition: one is there.
absl::StatusOr<std::vector<std::unique_ptr<File>>> LockJournals(
    FileSystem& fs, const std::string& directory, const std::vector<std::string>& journals);
// kInvalidArgument: no whole number of the journal's blocks.
absl::StatusOr<uint64_t> JournalSegmentBytes(const Config& config);

}  // namespace cairn::namenode
