// namenode/store/leveldb_env.h - the operating system as the store's LevelDB sees it.
//
// Three things that LevelDB 1.23's own Env does otherwise:
// - tables are read by pread, not through mmap: a bad sector is then an error status, where a page
//   fault ends the process with SIGBUS; and blocks pass through the block cache, whose size is
//   configured, so that their checksums are computed once per load and not once per read;
// - a rename is followed by a sync of the directory: CURRENT is replaced by one, and the files that
//   the old CURRENT needs are removed right after;
// - the lock of the directory is taken before LevelDB runs, since the check that comes first
//   (leveldb_check.h) may have to cut a torn log.
// Thread-safe.
#pragma once

#include <leveldb/env.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/io/file_system.h"

namespace cairn::namenode {

// What a LevelDB status means here: corruption, and a file that should be there but is not, are
// kDataLoss; a full disk is kResourceExhausted. `what` says what was being done.
absl::Status FromLevelDb(const leveldb::Status& status, absl::string_view what);

class LevelDbEnv final : public leveldb::EnvWrapper {
 public:
  // Takes the directory's lock, by LevelDB's own lock file. kFailedPrecondition: it is taken.
  // `base` outlives this.
  static absl::StatusOr<std::unique_ptr<LevelDbEnv>> Lock(leveldb::Env* base,
                                                          const std::string& directory);
  ~LevelDbEnv() override;

  leveldb::Status NewRandomAccessFile(const std::string& path,
                                      leveldb::RandomAccessFile** result) override;
  leveldb::Status RenameFile(const std::string& from, const std::string& to) override;
  // LevelDB is handed the lock that is held already, and hands it back.
  leveldb::Status LockFile(const std::string& path, leveldb::FileLock** lock) override;
  leveldb::Status UnlockFile(leveldb::FileLock* lock) override;

 private:
  LevelDbEnv(leveldb::Env* base, leveldb::FileLock* lock) : EnvWrapper(base), lock_(lock) {}

  leveldb::FileLock* const lock_;
};

}  // namespace cairn::namenode
