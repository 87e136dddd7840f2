#include "namenode/store/leveldb_env.h"

#include <fcntl.h>
#include <leveldb/slice.h>
#include <leveldb/status.h>
#include <unistd.h>

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
constexpr std::chrono::milliseconds kRetryPoll{100};
// What a compaction may have to open at once: LevelDB writes no more while level 0 has 12 tables.
constexpr size_t kSpares = 12;

// What the thread is doing for LevelDB, of whose jobs one runs at a time.
enum class Job { kNone, kMayHoldLock, kHoldsNoLock };
thread_local Job current_job = Job::kNone;

leveldb::Status ToLevelDb(const absl::Status& status) {
  if (status.ok()) return leveldb::Status::OK();
  const std::string text(status.message());
  if (absl::IsNotFound(status)) return leveldb::Status::NotFound(text);
  return leveldb::Status::IOError(text);
}

// That a directory could not be opened to be synced: nothing was done then. What a sync that failed
// has written is not known, whatever its reason, and it is never tried again: the kernel forgets
// what it could not write. FileSystem's messages begin with the call and end with errno's text.
bool FoundNoDescriptor(const absl::Status& status) {
  return absl::StartsWith(status.message(), "open ") &&
         (absl::EndsWith(status.message(), std::strerror(EMFILE)) ||
          absl::EndsWith(status.message(), std::strerror(ENFILE)));
}

// Of a table: a reader's error passes, one of a compaction is recorded for good.
bool WouldEndLevelDb(const absl::Status& status) {
  return current_job != Job::kNone && absl::IsResourceExhausted(status);
}

absl::Status ReadByPread(File& file, uint64_t offset, std::span<char> scratch,
                         leveldb::Slice* result) {
  const absl::StatusOr<size_t> got = file.ReadAt(offset, std::as_writable_bytes(scratch));
  *result = leveldb::Slice(scratch.data(), got.ok() ? *got : 0);
  return got.status();
}

class PreadFile final : public leveldb::RandomAccessFile {
 public:
  explicit PreadFile(std::unique_ptr<File> file) : file_(std::move(file)) {}

  leveldb::Status Read(uint64_t offset, size_t n, leveldb::Slice* result,
                       char* scratch) const override {
    return ToLevelDb(ReadByPread(*file_, offset, {scratch, n}, result));
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
  for (const int error : {ENOSPC, EDQUOT, EMFILE, ENFILE, ENOMEM}) {
    if (absl::StrContains(text, std::strerror(error))) return absl::ResourceExhaustedError(text);
  }
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

// A table that is read.
class LevelDbEnv::ReadFile final : public leveldb::RandomAccessFile {
 public:
  ReadFile(LevelDbEnv& env, std::unique_ptr<File> file) : env_(env), file_(std::move(file)) {}

  leveldb::Status Read(uint64_t offset, size_t n, leveldb::Slice* result,
                       char* scratch) const override {
    const auto attempt = [&] { return ReadByPread(*file_, offset, {scratch, n}, result); };
    absl::Status status = attempt();
    if (WouldEndLevelDb(status)) {
      status = env_.RepeatUntilThereIsSpace(attempt, &absl::IsResourceExhausted);
    }
    return ToLevelDb(status);
  }

 private:
  LevelDbEnv& env_;
  const std::unique_ptr<File> file_;
};

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
    failure_ = env_.RepeatUntilThereIsSpace(
        [&] {
          return file_->WriteAt(written_, std::as_bytes(std::span(bytes.data(), bytes.size())));
        },
        &absl::IsResourceExhausted);
    if (failure_.ok()) written_ += bytes.size();
    return failure_;
  }
  absl::Status SyncNow() {
    absl::Status status = file_->SyncData();
    if (status.ok() && !name_synced_) {
      status = env_.SyncName(path_);
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
  if (may_wait_) stopped_.WaitFor(mu_, kRetryPoll);
  return may_wait_;
}

absl::Status LevelDbEnv::RepeatUntilThereIsSpace(const std::function<absl::Status()>& attempt,
                                                 bool (*is_lack)(const absl::Status&)) {
  absl::Status status = attempt();
  if (!is_lack(status)) return status;
  LOG_WARN("store: {}; it is tried again until there is room", status.message());
  waiting_.fetch_add(1, std::memory_order_acq_rel);
  while (is_lack(status) && Pause()) status = attempt();
  waiting_.fetch_sub(1, std::memory_order_acq_rel);
  if (status.ok()) LOG_INFO("store: there is room again");
  return status;
}

absl::Status LevelDbEnv::SyncName(const std::string& path) {
  return RepeatUntilThereIsSpace([&] { return files_.SyncDirectory(ParentDirectory(path)); },
                                 &FoundNoDescriptor);
}

void LevelDbEnv::FillSpares() {
  MutexLock lock(mu_);
  while (spares_.size() < kSpares) {
    const int fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    spares_.push_back(fd);
  }
}

bool LevelDbEnv::GiveUpSpare() {
  MutexLock lock(mu_);
  if (spares_.empty()) return false;
  ::close(spares_.back());
  spares_.pop_back();
  return true;
}

void LevelDbEnv::Schedule(void (*function)(void*), void* argument) {
  struct Scheduled {
    LevelDbEnv* env;
    void (*function)(void*);
    void* argument;
  };
  const auto run = [](void* raw) {
    const std::unique_ptr<Scheduled> job(static_cast<Scheduled*>(raw));
    job->env->FillSpares();
    current_job = Job::kMayHoldLock;
    job->function(job->argument);
    current_job = Job::kNone;  // the environment may have gone by now
  };
  target()->Schedule(run, new Scheduled{this, function, argument});
}

void LevelDbEnv::WaitForSpace() {
  {
    MutexLock lock(mu_);
    may_wait_ = true;
  }
  FillSpares();  // the first compaction may come when there are none left
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
  while (GiveUpSpare()) {
  }
  if (lock_ != nullptr) target()->UnlockFile(lock_);
}

leveldb::Status LevelDbEnv::NewRandomAccessFile(const std::string& path,
                                                leveldb::RandomAccessFile** result) {
  *result = nullptr;
  std::unique_ptr<File> file;
  const auto attempt = [&]() -> absl::Status {
    ASSIGN_OR_RETURN(file, files_.Open(path, {}));
    return absl::OkStatus();
  };
  absl::Status status = attempt();
  while (current_job == Job::kMayHoldLock && absl::IsResourceExhausted(status) && GiveUpSpare()) {
    status = attempt();
  }
  if (WouldEndLevelDb(status)) {
    status = RepeatUntilThereIsSpace(attempt, &absl::IsResourceExhausted);
  }
  if (!status.ok()) return ToLevelDb(status);
  *result = new ReadFile(*this, std::move(file));
  return leveldb::Status::OK();
}

leveldb::Status LevelDbEnv::NewWritableFile(const std::string& path,
                                            leveldb::WritableFile** result) {
  *result = nullptr;
  std::unique_ptr<File> file;
  const auto attempt = [&]() -> absl::Status {
    ASSIGN_OR_RETURN(file, files_.Open(path, {.create = true, .write = true}));
    return file->Truncate(0);
  };
  if (current_job != Job::kNone) current_job = Job::kHoldsNoLock;
  const absl::Status status = absl::EndsWith(path, ".log")
                                  ? attempt()
                                  : RepeatUntilThereIsSpace(attempt, &absl::IsResourceExhausted);
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
  absl::Status status =
      RepeatUntilThereIsSpace([&] { return files_.Rename(from, to); }, &absl::IsResourceExhausted);
  if (status.ok()) status = SyncName(to);
  return ToLevelDb(status);
}

leveldb::Status LevelDbEnv::LockFile(const std::string&, leveldb::FileLock** lock) {
  *lock = lock_;
  return leveldb::Status::OK();
}

leveldb::Status LevelDbEnv::UnlockFile(leveldb::FileLock*) { return leveldb::Status::OK(); }

}  // namespace cairn::namenode
