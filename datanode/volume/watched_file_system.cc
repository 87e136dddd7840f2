#include "datanode/volume/watched_file_system.h"

#include <utility>

#include "common/status_macros.h"

namespace cairn::datanode {

CallWatch::Call::Call(CallWatch& watch, const char* name) : watch_(watch), name_(name) {
  MutexLock lock(watch_.mu_);
  began_ = watch_.clock_.Monotonic();  // under the lock: the list is in the order of time
  before_ = watch_.newest_;
  (before_ == nullptr ? watch_.oldest_ : before_->after_) = this;
  watch_.newest_ = this;
}

CallWatch::Call::~Call() {
  MutexLock lock(watch_.mu_);
  (before_ == nullptr ? watch_.oldest_ : before_->after_) = after_;
  (after_ == nullptr ? watch_.newest_ : after_->before_) = before_;
}

std::optional<CallWatch::Waiting> CallWatch::Oldest() const {
  MutexLock lock(mu_);
  if (oldest_ == nullptr) return std::nullopt;
  return Waiting{oldest_->name_, clock_.Monotonic() - oldest_->began_};
}

namespace {

using Call = CallWatch::Call;

class WatchedFile final : public File {
 public:
  WatchedFile(std::unique_ptr<File> file, std::shared_ptr<CallWatch> calls)
      : calls_(std::move(calls)), file_(std::move(file)) {}
  ~WatchedFile() override {
    const Call call(*calls_, "close");
    file_.reset();
  }

  absl::StatusOr<size_t> ReadAt(uint64_t offset, std::span<std::byte> out) override {
    const Call call(*calls_, "read");
    return file_->ReadAt(offset, out);
  }
  absl::Status WriteAt(uint64_t offset, std::span<const std::byte> data) override {
    const Call call(*calls_, "write");
    return file_->WriteAt(offset, data);
  }
  absl::Status Truncate(uint64_t size) override {
    const Call call(*calls_, "truncate");
    return file_->Truncate(size);
  }
  absl::Status Allocate(uint64_t offset, uint64_t length) override {
    const Call call(*calls_, "allocate");
    return file_->Allocate(offset, length);
  }
  absl::Status SyncData() override {
    const Call call(*calls_, "sync");
    return file_->SyncData();
  }
  absl::StatusOr<uint64_t> Size() override {
    const Call call(*calls_, "stat");
    return file_->Size();
  }
  int fd() const override { return file_->fd(); }

 private:
  const std::shared_ptr<CallWatch> calls_;
  std::unique_ptr<File> file_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<File>> WatchedFileSystem::Open(const std::string& path,
                                                              const OpenOptions& options) {
  const Call call(*calls_, "open");
  ASSIGN_OR_RETURN(std::unique_ptr<File> file, files_.Open(path, options));
  return std::make_unique<WatchedFile>(std::move(file), calls_);
}
absl::Status WatchedFileSystem::Rename(const std::string& from, const std::string& to) {
  const Call call(*calls_, "rename");
  return files_.Rename(from, to);
}
absl::Status WatchedFileSystem::Link(const std::string& from, const std::string& to) {
  const Call call(*calls_, "link");
  return files_.Link(from, to);
}
absl::Status WatchedFileSystem::Remove(const std::string& path) {
  const Call call(*calls_, "unlink");
  return files_.Remove(path);
}
absl::Status WatchedFileSystem::MakeDirectory(const std::string& path) {
  const Call call(*calls_, "mkdir");
  return files_.MakeDirectory(path);
}
absl::Status WatchedFileSystem::RemoveDirectory(const std::string& path) {
  const Call call(*calls_, "rmdir");
  return files_.RemoveDirectory(path);
}
absl::StatusOr<std::vector<std::string>> WatchedFileSystem::List(const std::string& directory) {
  const Call call(*calls_, "list");
  return files_.List(directory);
}
bool WatchedFileSystem::Exists(const std::string& path) {
  const Call call(*calls_, "stat");
  return files_.Exists(path);
}
bool WatchedFileSystem::IsDirectory(const std::string& path) {
  const Call call(*calls_, "stat");
  return files_.IsDirectory(path);
}
absl::Status WatchedFileSystem::SyncDirectory(const std::string& directory) {
  const Call call(*calls_, "sync of a directory");
  return files_.SyncDirectory(directory);
}
absl::StatusOr<SpaceInfo> WatchedFileSystem::Space(const std::string& path) {
  const Call call(*calls_, "statfs");
  return files_.Space(path);
}
absl::StatusOr<std::unique_ptr<File>> WatchedFileSystem::Lock(const std::string& path) {
  const Call call(*calls_, "lock");
  return files_.Lock(path);
}

}  // namespace cairn::datanode
