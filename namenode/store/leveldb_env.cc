#include "namenode/store/leveldb_env.h"

#include <leveldb/slice.h>
#include <leveldb/status.h>

#include <cerrno>
#include <cstring>
#include <span>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace cairn::namenode {
namespace {

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

absl::StatusOr<std::unique_ptr<LevelDbEnv>> LevelDbEnv::Lock(leveldb::Env* base,
                                                             const std::string& directory) {
  leveldb::FileLock* lock = nullptr;
  const leveldb::Status status = base->LockFile(directory + "/LOCK", &lock);
  if (!status.ok()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "store ", directory, " is locked, is another namenode running? ", status.ToString()));
  }
  return absl::WrapUnique(new LevelDbEnv(base, lock));
}

LevelDbEnv::~LevelDbEnv() { target()->UnlockFile(lock_); }

leveldb::Status LevelDbEnv::NewRandomAccessFile(const std::string& path,
                                                leveldb::RandomAccessFile** result) {
  *result = nullptr;
  auto file = PosixFileSystem().Open(path, {});
  if (!file.ok()) return ToLevelDb(file.status());
  *result = new PreadFile(*std::move(file));
  return leveldb::Status::OK();
}

leveldb::Status LevelDbEnv::RenameFile(const std::string& from, const std::string& to) {
  const leveldb::Status status = target()->RenameFile(from, to);
  if (!status.ok()) return status;
  return ToLevelDb(PosixFileSystem().SyncDirectory(ParentDirectory(to)));
}

leveldb::Status LevelDbEnv::LockFile(const std::string&, leveldb::FileLock** lock) {
  *lock = lock_;
  return leveldb::Status::OK();
}

leveldb::Status LevelDbEnv::UnlockFile(leveldb::FileLock*) { return leveldb::Status::OK(); }

}  // namespace cairn::namenode
