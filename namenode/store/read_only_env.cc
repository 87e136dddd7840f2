#include "namenode/store/read_only_env.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "namenode/store/leveldb_env.h"

namespace cairn::namenode {
namespace {

using Contents = std::shared_ptr<std::string>;

// What is written by one thread is read by others only once LevelDB has finished the file.
class MemoryReader final : public leveldb::SequentialFile, public leveldb::RandomAccessFile {
 public:
  explicit MemoryReader(Contents contents) : contents_(std::move(contents)) {}

  leveldb::Status Read(size_t n, leveldb::Slice* result, char* scratch) override {
    const leveldb::Status status =
        static_cast<const MemoryReader*>(this)->Read(at_, n, result, scratch);
    at_ += result->size();
    return status;
  }
  leveldb::Status Skip(uint64_t n) override {
    at_ += n;
    return leveldb::Status::OK();
  }
  leveldb::Status Read(uint64_t offset, size_t n, leveldb::Slice* result,
                       char* scratch) const override {
    const size_t from = std::min<size_t>(offset, contents_->size());
    const size_t count = std::min(n, contents_->size() - from);
    std::memcpy(scratch, contents_->data() + from, count);
    *result = leveldb::Slice(scratch, count);
    return leveldb::Status::OK();
  }

 private:
  const Contents contents_;
  uint64_t at_ = 0;
};

class MemoryWriter final : public leveldb::WritableFile {
 public:
  explicit MemoryWriter(Contents contents) : contents_(std::move(contents)) {}
  leveldb::Status Append(const leveldb::Slice& data) override {
    contents_->append(data.data(), data.size());
    return leveldb::Status::OK();
  }
  leveldb::Status Close() override { return leveldb::Status::OK(); }
  leveldb::Status Flush() override { return leveldb::Status::OK(); }
  leveldb::Status Sync() override { return leveldb::Status::OK(); }

 private:
  const Contents contents_;
};

class NoLock final : public leveldb::FileLock {};

class NoLogger final : public leveldb::Logger {
 public:
  void Logv(const char*, std::va_list) override {}
};

leveldb::Status NoSuchFile(const std::string& path) {
  return leveldb::Status::NotFound(path, "no such file");
}

}  // namespace

void ReadOnlyEnv::Seal() {
  MutexLock lock(mu_);
  sealed_ = true;
}

ReadOnlyEnv::Contents ReadOnlyEnv::Find(const std::string& path) {
  MutexLock lock(mu_);
  const auto found = written_.find(path);
  return found == written_.end() ? nullptr : found->second;
}

bool ReadOnlyEnv::IsHidden(const std::string& path) {
  MutexLock lock(mu_);
  return hidden_.count(path) > 0;
}

leveldb::Status ReadOnlyEnv::NewSequentialFile(const std::string& path,
                                               leveldb::SequentialFile** result) {
  *result = nullptr;
  if (Contents contents = Find(path)) {
    *result = new MemoryReader(std::move(contents));
    return leveldb::Status::OK();
  }
  return IsHidden(path) ? NoSuchFile(path) : target()->NewSequentialFile(path, result);
}

leveldb::Status ReadOnlyEnv::NewRandomAccessFile(const std::string& path,
                                                 leveldb::RandomAccessFile** result) {
  *result = nullptr;
  if (Contents contents = Find(path)) {
    *result = new MemoryReader(std::move(contents));
    return leveldb::Status::OK();
  }
  return IsHidden(path) ? NoSuchFile(path) : OpenByPread(files_, path, result);
}

leveldb::Status ReadOnlyEnv::NewWritableFile(const std::string& path,
                                             leveldb::WritableFile** result) {
  *result = nullptr;
  MutexLock lock(mu_);
  if (sealed_) return leveldb::Status::IOError(path, "opened for reading only");
  const auto contents = std::make_shared<std::string>();
  written_[path] = contents;
  hidden_.erase(path);
  *result = new MemoryWriter(contents);
  return leveldb::Status::OK();
}

leveldb::Status ReadOnlyEnv::NewAppendableFile(const std::string& path,
                                               leveldb::WritableFile** result) {
  *result = nullptr;
  return leveldb::Status::NotSupported(path, "opened for reading only");
}

bool ReadOnlyEnv::FileExists(const std::string& path) {
  return Find(path) != nullptr || (!IsHidden(path) && files_.Exists(path));
}

leveldb::Status ReadOnlyEnv::GetChildren(const std::string& directory,
                                         std::vector<std::string>* names) {
  const auto listed = files_.List(directory);
  if (!listed.ok()) return leveldb::Status::IOError(std::string(listed.status().message()));
  std::set<std::string> all(listed->begin(), listed->end());
  const std::string prefix = directory + "/";
  MutexLock lock(mu_);
  for (const std::string& path : hidden_) {
    if (absl::StartsWith(path, prefix)) all.erase(path.substr(prefix.size()));
  }
  for (const auto& [path, contents] : written_) {
    if (absl::StartsWith(path, prefix)) all.insert(path.substr(prefix.size()));
  }
  names->assign(all.begin(), all.end());
  return leveldb::Status::OK();
}

leveldb::Status ReadOnlyEnv::RemoveFile(const std::string& path) {
  MutexLock lock(mu_);
  written_.erase(path);
  hidden_.insert(path);
  return leveldb::Status::OK();
}

leveldb::Status ReadOnlyEnv::GetFileSize(const std::string& path, uint64_t* size) {
  if (const Contents contents = Find(path)) {
    *size = contents->size();
    return leveldb::Status::OK();
  }
  return IsHidden(path) ? NoSuchFile(path) : target()->GetFileSize(path, size);
}

// LevelDB renames only what it has just written.
leveldb::Status ReadOnlyEnv::RenameFile(const std::string& from, const std::string& to) {
  MutexLock lock(mu_);
  const auto found = written_.find(from);
  if (found == written_.end()) return NoSuchFile(from);
  written_[to] = found->second;
  written_.erase(from);
  hidden_.insert(from);
  hidden_.erase(to);
  return leveldb::Status::OK();
}

leveldb::Status ReadOnlyEnv::LockFile(const std::string&, leveldb::FileLock** lock) {
  *lock = new NoLock;
  return leveldb::Status::OK();
}

leveldb::Status ReadOnlyEnv::UnlockFile(leveldb::FileLock* lock) {
  delete lock;
  return leveldb::Status::OK();
}

leveldb::Status ReadOnlyEnv::NewLogger(const std::string&, leveldb::Logger** result) {
  *result = new NoLogger;
  return leveldb::Status::OK();
}

}  // namespace cairn::namenode
