#include "namenode/store/leveldb_env.h"

#include <leveldb/slice.h>
#include <leveldb/status.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <span>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/logging.h"
#include "common/status_macros.h"

namespace cairn::namenode {
namespace {

constexpr size_t kWriteBufferBytes = 64 << 10;
constexpr std::chrono::milliseconds kSpacePoll{100};

leveldb::Status ToLevelDb(const absl::Status& status) {
  if (status.ok()) return leveldb::Status::OK();
  const std::string text(status.message());
  if (absl::IsNotFound(status)) return leveldb::Status::NotFound(text);
  return leveldb::Status::IOError(text);
}

class PreadFile final : public leveldb::RandomAccessFile {
 public:
  explicit PreadFile(std::unique_ptr<File> file) : file_(std::move(file)) {}

  leveldb::Status Read(uint64_t offset, size_t n, leveldb::Slice* result,
                       char* scratch) const override {
    const absl::StatusOr<size_t> got =
        file_->ReadAt(offset, std::as_writable_bytes(std::span<char>(scratch, n)));
    *result = leveldb::Slice(scratch, got.ok() ? *got : 0);
    return ToLevelDb(got.status());
  }

 private:
  const std::unique_ptr<File> file_;
};

}  // namespace

absl::Status FromLevelDb(const leveldb::Status& status, absl::string_view what) {
  if (status.ok()) return absl::OkStatus();
  const std::string text = absl::StrCat(what, ": ", status.ToString());
  if (status.IsCorruption() || status.IsNotFound()) return absl::DataLossError(text);
  // LevelDB keeps errno's text only.
  if (absl::StrContains(text, std::strerror(ENOSPC))) return absl::ResourceExhaustedError(text);
  if (absl::StrContains(text, std::strerror(EIO))) return absl::DataLossError(text);
  if (status.IsInvalidArgument()) return absl::FailedPreconditionError(text);
  return absl::InternalError(text);
}

leveldb::Status OpenByPread(FileSystem& files, const std::string& path,
                            leveldb::RandomAccessFile** result) {
  *result = nullptr;
  auto file = files.Open(path, {});
  if (!file.ok()) return ToLevelDb(file.status());
  *result = new PreadFile(*std::move(file));
  return leveldb::Status::OK();
}

// A file that LevelDB writes, from its first byte to its last. Used by one thread at a time.
class LevelDbEnv::WrittenFile final : public leveldb::WritableFile {
 public:
  WrittenFile(LevelDbEnv& env, std::string path, std::unique_ptr<File> file)
      : env_(env), path_(std::move(path)), file_(std::move(file)) {
    buffer_.reserve(kWriteBufferBytes);
  }
  ~WrittenFile() override { WriteOut().IgnoreError(); }

  leveldb::Status Append(const leveldb::Slice& data) override {
    if (buffer_.size() + data.size() > kWriteBufferBytes) {
      if (absl::Status status = WriteOut(); !status.ok()) return ToLevelDb(status);
      if (data.size() >= kWriteBufferBytes) return ToLevelDb(Write({data.data(), data.size()}));
    }
    buffer_.append(data.data(), data.size());
    return leveldb::Status::OK();
  }
  leveldb::Status Flush() override { return ToLevelDb(WriteOut()); }
  leveldb::Status Close() override { return ToLevelDb(WriteOut()); }
  leveldb::Status Sync() override {
    absl::Status status = WriteOut();
    if (status.ok()) status = SyncNow();
    return ToLevelDb(status);
  }

 private:
  absl::Status WriteOut() {
    if (buffer_.empty()) return failure_;
    RETURN_IF_ERROR(Write(buffer_));
    buffer_.clear();
    return absl::OkStatus();
  }
  absl::Status Write(absl::string_view bytes) {
    RETURN_IF_ERROR(failure_);
    failure_ = env_.RepeatUntilThereIsSpace([&] {
      return file_->WriteAt(written_, std::as_bytes(std::span(bytes.data(), bytes.size())));
    });
    if (failure_.ok()) written_ += bytes.size();
    return failure_;
  }
  absl::Status SyncNow() {
    absl::Status status = file_->SyncData();
    if (status.ok() && !name_synced_) {
      status = env_.files_.SyncDirectory(ParentDirectory(path_));
      name_synced_ = status.ok();
    }
    if (!status.ok()) {
      env_.sync_failed_.store(true, std::memory_order_release);
      failure_ = status;
    }
    return status;
  }

  LevelDbEnv& env_;
  const std::string path_;
  const std::unique_ptr<File> file_;
  std::string buffer_;
  uint64_t written_ = 0;
  bool name_synced_ = false;
  absl::Status failure_;  // the first one: what follows would leave a hole
};

bool LevelDbEnv::Pause() {
  MutexLock lock(mu_);
  if (may_wait_) stopped_.WaitFor(mu_, kSpacePoll);
  return may_wait_;
}

absl::Status LevelDbEnv::RepeatUntilThereIsSpace(const std::function<absl::Status()>& attempt) {
  absl::Status status = attempt();
  if (!absl::IsResourceExhausted(status)) return status;
  LOG_WARN("store: {}; it is tried again until there is space", status.message());
  waiting_.fetch_add(1, std::memory_order_acq_rel);
  while (absl::IsResourceExhausted(status) && Pause()) status = attempt();
  waiting_.fetch_sub(1, std::memory_order_acq_rel);
  if (status.ok()) LOG_INFO("store: there is space again");
  return status;
}

void LevelDbEnv::WaitForSpace() {
  MutexLock lock(mu_);
  may_wait_ = true;
}

void LevelDbEnv::StopWaiting() {
  {
    MutexLock lock(mu_);
    may_wait_ = false;
  }
  stopped_.NotifyAll();
}

absl::StatusOr<std::unique_ptr<LevelDbEnv>> LevelDbEnv::Lock(FileSystem& files,
                                                             const std::string& directory) {
  leveldb::FileLock* lock = nullptr;
  const leveldb::Status status = leveldb::Env::Default()->LockFile(directory + "/LOCK", &lock);
  if (!status.ok()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "store ", directory, " is locked, is another namenode running? ", status.ToString()));
  }
  return absl::WrapUnique(new LevelDbEnv(files, lock));
}

std::unique_ptr<LevelDbEnv> LevelDbEnv::Unlocked(FileSystem& files) {
  return absl::WrapUnique(new LevelDbEnv(files, nullptr));
}

LevelDbEnv::~LevelDbEnv() {
  if (lock_ != nullptr) target()->UnlockFile(lock_);
}

leveldb::Status LevelDbEnv::NewRandomAccessFile(const std::string& path,
                                                leveldb::RandomAccessFile** result) {
  return OpenByPread(files_, path, result);
}

leveldb::Status LevelDbEnv::NewWritableFile(const std::string& path,
                                            leveldb::WritableFile** result) {
  *result = nullptr;
  std::unique_ptr<File> file;
  const auto attempt = [&]() -> absl::Status {
    ASSIGN_OR_RETURN(file, files_.Open(path, {.create = true, .write = true}));
    return file->Truncate(0);
  };
  const absl::Status status =
      absl::EndsWith(path, ".log") ? attempt() : RepeatUntilThereIsSpace(attempt);
  if (!status.ok()) return ToLevelDb(status);
  *result = new WrittenFile(*this, path, std::move(file));
  return leveldb::Status::OK();
}

std::shared_ptr<void> LevelDbEnv::HoldRemovals() {
  MutexLock lock(mu_);
  ++holds_;
  return std::shared_ptr<void>(nullptr, [this](void*) { EndHold(); });
}

void LevelDbEnv::EndHold() {
  std::vector<std::string> paths;
  {
    MutexLock lock(mu_);
    if (--holds_ > 0) return;
    paths.swap(put_off_);
  }
  for (const std::string& path : paths) {
    files_.Remove(path).IgnoreError();  // LevelDB ignores it too, and tries again when it opens
  }
}

leveldb::Status LevelDbEnv::RemoveFile(const std::string& path) {
  {
    MutexLock lock(mu_);
    if (holds_ > 0) {
      put_off_.push_back(path);
      return leveldb::Status::OK();
    }
  }
  return ToLevelDb(files_.Remove(path));
}

leveldb::Status LevelDbEnv::RenameFile(const std::string& from, const std::string& to) {
  absl::Status status = RepeatUntilThereIsSpace([&] { return files_.Rename(from, to); });
  if (status.ok()) status = files_.SyncDirectory(ParentDirectory(to));
  return ToLevelDb(status);
}

leveldb::Status LevelDbEnv::LockFile(const std::string&, leveldb::FileLock** lock) {
  *lock = lock_;
  return leveldb::Status::OK();
}

leveldb::Status LevelDbEnv::UnlockFile(leveldb::FileLock*) { return leveldb::Status::OK(); }

}  // namespace cairn::namenode
