// namenode/store/leveldb_env.h - the operating system as the store's LevelDB sees it.
//
// What LevelDB 1.23's own Env does otherwise:
// - tables are read by pread, not through mmap: a bad sector is then an error status, where a page
//   fault ends the process with SIGBUS; and blocks pass through the block cache, whose size is
//   configured, so that their checksums are computed once per load and not once per read;
// - a full disk is waited for, and so is a lack of descriptors: LevelDB takes any failed write for
//   the end, until it is opened anew. A write that finds no room is repeated, at the same offset,
//   until there is some; likewise the making of a file, a rename, and on LevelDB's own thread the
//   opening and reading of a table. Some tables are opened there with LevelDB's lock held, which
//   readers need, and so perhaps those whose connections hold the descriptors; for them there are
//   spares;
// - a new file's name is synced with its first bytes, and so is a rename: CURRENT is replaced by
//   one, and the files that the old CURRENT needs are removed right after;
// - the removal of files can be held off while a copy of the directory is made;
// - the lock of the directory is taken before LevelDB runs, since the check that comes first
//   (leveldb_check.h) may have to cut a torn log.
// Thread-safe.
#pragma once

#include <leveldb/env.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "common/io/file_system.h"
#include "common/mutex.h"

namespace cairn::namenode {

// What a LevelDB status means here: corruption, and a file that should be there but is not, are
// kDataLoss; a full disk, or a lack of descriptors or memory, is kResourceExhausted. `what` says
// what was being done.
absl::Status FromLevelDb(const leveldb::Status& status, absl::string_view what);

// Opens a file that is read by pread.
leveldb::Status OpenByPread(FileSystem& files, const std::string& path,
                            leveldb::RandomAccessFile** result);

class LevelDbEnv final : public leveldb::EnvWrapper {
 public:
  // Takes the directory's lock, by LevelDB's own lock file. kFailedPrecondition: it is taken.
  // `files` outlives this.
  static absl::StatusOr<std::unique_ptr<LevelDbEnv>> Lock(FileSystem& files,
                                                          const std::string& directory);
  // Without a lock: for a directory that is only read.
  static std::unique_ptr<LevelDbEnv> Unlocked(FileSystem& files);
  ~LevelDbEnv() override;

  // From now on room is waited for; before, and after StopWaiting, the lack of it is an error. Some
  // are errors even then. Making LevelDB's log: that happens inside LevelDB's lock, where readers
  // would wait as well; nothing is written yet, so the same Write may be tried again. A sync: what
  // it did not write is not known. And a reader's opening or reading of a table, which fails alone.
  void WaitForSpace() ABSL_LOCKS_EXCLUDED(mu_);
  void StopWaiting() ABSL_LOCKS_EXCLUDED(mu_);
  // Until the last handle is destroyed, LevelDB's removals are put off; then they are made up for,
  // by whoever destroys it. What a crash leaves is removed by the next opening. Handles go before
  // this does.
  std::shared_ptr<void> HoldRemovals() ABSL_LOCKS_EXCLUDED(mu_);

  // Whether a write waits at this moment.
  bool waiting() const { return waiting_.load(std::memory_order_acquire) > 0; }
  // Whether a sync has ever failed.
  bool sync_failed() const { return sync_failed_.load(std::memory_order_acquire); }

  leveldb::Status NewRandomAccessFile(const std::string& path,
                                      leveldb::RandomAccessFile** result) override;
  leveldb::Status NewWritableFile(const std::string& path, leveldb::WritableFile** result) override;
  leveldb::Status RemoveFile(const std::string& path) override;
  leveldb::Status RenameFile(const std::string& from, const std::string& to) override;
  void Schedule(void (*function)(void*), void* argument) override;
  // LevelDB is handed the lock that is held already, and hands it back.
  leveldb::Status LockFile(const std::string& path, leveldb::FileLock** lock) override;
  leveldb::Status UnlockFile(leveldb::FileLock* lock) override;

 private:
  class ReadFile;
  class WrittenFile;

  LevelDbEnv(FileSystem& files, leveldb::FileLock* lock)
      : EnvWrapper(leveldb::Env::Default()), files_(files), lock_(lock) {}

  // Repeats `attempt` for as long as it fails as `is_lack` says and waiting is allowed.
  absl::Status RepeatUntilThereIsSpace(const std::function<absl::Status()>& attempt,
                                       bool (*is_lack)(const absl::Status&))
      ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status SyncName(const std::string& path) ABSL_LOCKS_EXCLUDED(mu_);
  void FillSpares() ABSL_LOCKS_EXCLUDED(mu_);
  bool GiveUpSpare() ABSL_LOCKS_EXCLUDED(mu_);  // false: there is none
  void EndHold() ABSL_LOCKS_EXCLUDED(mu_);
  // A little while; false: waiting is not allowed, or no more.
  bool Pause() ABSL_LOCKS_EXCLUDED(mu_);

  FileSystem& files_;
  leveldb::FileLock* const lock_;
  std::atomic<int> waiting_{0};
  std::atomic<bool> sync_failed_{false};
  Mutex mu_;
  CondVar stopped_;
  bool may_wait_ ABSL_GUARDED_BY(mu_) = false;
  int holds_ ABSL_GUARDED_BY(mu_) = 0;
  std::vector<int> spares_ ABSL_GUARDED_BY(mu_);           // descriptors of nothing
  std::vector<std::string> put_off_ ABSL_GUARDED_BY(mu_);  // perhaps twice: LevelDB asks again
};

}  // namespace cairn::namenode
