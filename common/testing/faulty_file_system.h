// common/testing/faulty_file_system.h - a file system in memory that fails when it is told to, and
// forgets in a power cut what was not synced.
//
//   current state                         what all calls see
//   stable state                          what a power cut leaves
//
// Contents become stable by File::SyncData, by a write to a file opened with data_sync, and by
// Allocate; per sector of 512 bytes, which is what a disk writes whole. Directory entries
// (creations, renames, links, removals) become stable by SyncDirectory of the directory; a rename
// between two directories by syncing either. O_DIRECT alone makes nothing durable, but its
// alignment is enforced. Stricter than any one real file system: ext4, for one, makes a new file's
// entry durable when the file is synced. After a SyncData that fails, the bytes in question are
// never synced by a later one unless they are written again, as on Linux.
//
// Passes the contract test of FileSystem (io/file_system_test.cc). Thread-safe; faults are counted
// in the order in which calls take the lock.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/io/file_system.h"
#include "common/mutex.h"

namespace cairn {

// Kinds of calls, for choosing which fails.
enum class FileCall {
  kAny,       // each call below
  kMutating,  // each but kOpenExisting, kRead and kList: what a power cut can fall between
  kOpenExisting,
  kCreate,
  kRead,
  kWrite,
  kTruncate,
  kAllocate,
  kSync,  // SyncData
  kSyncDirectory,
  kRename,
  kLink,
  kRemove,  // of files and directories
  kMakeDirectory,
  kList,
};

class FaultyFileSystem final : public FileSystem {
 public:
  FaultyFileSystem();
  ~FaultyFileSystem() override;  // its Files may outlive it

  // The `nth` call of this kind from now on (1: the next) fails with `status` and does nothing;
  // others are not affected. A write that is `torn` leaves a random part of its sectors in the
  // current state, unsynced. Several faults may be pending.
  void FailCall(FileCall kind, int nth, absl::Status status, bool torn = false);
  // From the `nth` mutating call on, everything that mutates fails with kUnavailable; if that call
  // is a write, it is torn. Follow with Crash. Running a scenario with n = 1, 2, ... cuts the power
  // between any two of its calls.
  void CutPowerAt(int nth);
  void ClearFaults();
  // Calls of this kind so far; failed ones count.
  int calls(FileCall kind) const;

  // The machine loses power and comes back: unsynced state is lost, faults are cleared, locks are
  // free, and every open File answers kFailedPrecondition from now on. Seed 0 loses all of the
  // unsynced state; any other seed a random part of it: of each dirty sector, size and directory
  // change, either the old or the new.
  void Crash(uint64_t seed = 0);

  // Writes that would take more than this fail with kResourceExhausted, having done nothing.
  void SetCapacity(uint64_t bytes);
  // Flips one bit, in the current and in the stable state, as a rotten disk would.
  absl::Status FlipBit(const std::string& path, uint64_t offset, int bit);

  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path,
                                             const OpenOptions& options) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status Link(const std::string& from, const std::string& to) override;
  absl::Status Remove(const std::string& path) override;
  absl::Status MakeDirectory(const std::string& path) override;
  absl::Status RemoveDirectory(const std::string& path) override;
  absl::StatusOr<std::vector<std::string>> List(const std::string& directory) override;
  bool Exists(const std::string& path) override;
  bool IsDirectory(const std::string& path) override;
  absl::Status SyncDirectory(const std::string& directory) override;
  absl::StatusOr<SpaceInfo> Space(const std::string& path) override;
  absl::StatusOr<std::unique_ptr<File>> Lock(const std::string& path) override;

 private:
  struct Core;  // shared with the Files
  friend class FaultyFile;

  const std::shared_ptr<Core> core_;
};

}  // namespace cairn
