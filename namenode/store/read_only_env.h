// namenode/store/read_only_env.h - lets LevelDB open a directory without changing it.
//
// LevelDB writes when it opens: what its log holds becomes a table, the MANIFEST is written anew,
// files that nobody needs are removed. Here all that happens in memory, over the files as they are;
// it is bounded by the log's size. Once sealed, no further table can be made, so that compactions
// fail, which reads do not mind. No lock is taken: the directory must be one that nobody changes,
// such as a checkpoint's. Thread-safe.
#pragma once

#include <leveldb/env.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/io/file_system.h"
#include "common/mutex.h"

namespace cairn::namenode {

class ReadOnlyEnv final : public leveldb::EnvWrapper {
 public:
  explicit ReadOnlyEnv(FileSystem& files) : EnvWrapper(leveldb::Env::Default()), files_(files) {}

  void Seal() ABSL_LOCKS_EXCLUDED(mu_);

  leveldb::Status NewSequentialFile(const std::string& path,
                                    leveldb::SequentialFile** result) override;
  leveldb::Status NewRandomAccessFile(const std::string& path,
                                      leveldb::RandomAccessFile** result) override;
  leveldb::Status NewWritableFile(const std::string& path, leveldb::WritableFile** result) override;
  leveldb::Status NewAppendableFile(const std::string& path,
                                    leveldb::WritableFile** result) override;
  bool FileExists(const std::string& path) override;
  leveldb::Status GetChildren(const std::string& directory,
                              std::vector<std::string>* names) override;
  leveldb::Status RemoveFile(const std::string& path) override;
  leveldb::Status CreateDir(const std::string&) override { return leveldb::Status::OK(); }
  leveldb::Status GetFileSize(const std::string& path, uint64_t* size) override;
  leveldb::Status RenameFile(const std::string& from, const std::string& to) override;
  leveldb::Status LockFile(const std::string& path, leveldb::FileLock** lock) override;
  leveldb::Status UnlockFile(leveldb::FileLock* lock) override;
  leveldb::Status NewLogger(const std::string& path, leveldb::Logger** result) override;

 private:
  using Contents = std::shared_ptr<std::string>;

  Contents Find(const std::string& path) ABSL_LOCKS_EXCLUDED(mu_);  // null: not in memory
  bool IsHidden(const std::string& path) ABSL_LOCKS_EXCLUDED(mu_);

  FileSystem& files_;
  Mutex mu_;
  bool sealed_ ABSL_GUARDED_BY(mu_) = false;
  std::map<std::string, Contents> written_ ABSL_GUARDED_BY(mu_);
  std::set<std::string> hidden_ ABSL_GUARDED_BY(mu_);  // removed, as LevelDB sees it
};

}  // namespace cairn::namenode
