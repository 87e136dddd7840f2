#include "fuse/stage/stage_area.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/random/random.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "fuse/paths.h"

namespace cairn::fuse {
namespace {

constexpr absl::string_view kSessionPrefix = "session.";
constexpr int kSessionTries = 10;
constexpr off_t kSessionBytes = 64 << 10;
// So many dead lines are worth writing the file anew.
constexpr size_t kDeadLines = 100;

absl::Status Errno(absl::string_view what) { return absl::ErrnoToStatus(errno, what); }

absl::Status CheckDirectory(const std::string& directory) {
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return Errno(directory);
  struct stat info {};
  if (::lstat(directory.c_str(), &info) != 0) return Errno(directory);
  const auto refuse = [&](absl::string_view why) {
    return absl::FailedPreconditionError(absl::StrCat(directory, " ", why));
  };
  if (!S_ISDIR(info.st_mode)) return refuse("is not a directory");
  // It may lie where everybody can make one, and holds what the cluster shows to few.
  if (info.st_uid != ::geteuid()) return refuse("belongs to another user");
  if ((info.st_mode & 077) != 0) return refuse("is open to other users: chmod 700");
  return absl::OkStatus();
}

std::string LineOf(const TemporaryName& name) {
  return absl::StrCat(name.authority, "\t", name.user, "\t", name.path, "\n");
}

// Makes the file and locks it. -1: another mount, which starts, is taking it for one of a dead
// mount.
absl::StatusOr<int> NewSession(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) return Errno(path);
  struct stat info {};
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0 && ::fstat(fd, &info) == 0 && info.st_nlink == 1) {
    // For notes on a disk that is full.
    (void)::fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, kSessionBytes);
    return fd;
  }
  ::close(fd);
  return -1;
}

std::vector<TemporaryName> ReadSession(int fd) {
  std::string text;
  char buffer[4096];
  ssize_t bytes = 0;
  while ((bytes = ::pread(fd, buffer, sizeof(buffer), static_cast<off_t>(text.size()))) > 0) {
    text.append(buffer, static_cast<size_t>(bytes));
  }
  std::vector<TemporaryName> names;
  // A line that a kill has cut has no end.
  size_t begin = 0;
  for (size_t end = 0; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    const absl::string_view line = absl::string_view(text).substr(begin, end - begin);
    const std::vector<std::string> parts = absl::StrSplit(line, '\t');
    if (parts.size() == 3) names.push_back({parts[0], parts[1], parts[2]});
  }
  return names;
}

// Whether all is gone that a dead mount has left.
bool RemoveAll(const std::string& session, const std::vector<TemporaryName>& names,
               absl::string_view authority,
               const std::function<bool(const TemporaryName&)>& remove) {
  const bool by_name =
      absl::c_all_of(names, [](const TemporaryName& name) { return IsStagedPath(name.path); });
  if (!by_name) {
    LOG_WARN("{}: left by an earlier version; what it names is not removed", session);
    return false;
  }
  bool all = true;
  for (const TemporaryName& name : names) {
    all = name.authority == authority && remove(name) && all;
  }
  return all;
}

}  // namespace

absl::StatusOr<std::unique_ptr<StageArea>> StageArea::Open(Options options) {
  RETURN_IF_ERROR(CheckDirectory(options.directory));
  absl::BitGen random;
  for (int i = 0; i < kSessionTries; ++i) {
    std::string session = absl::StrCat(options.directory, "/", kSessionPrefix, ::getpid(), ".",
                                       absl::Hex(absl::Uniform<uint64_t>(random)));
    ASSIGN_OR_RETURN(const int lock, NewSession(session));
    if (lock < 0) continue;
    return std::unique_ptr<StageArea>(new StageArea(std::move(options), std::move(session), lock));
  }
  return absl::UnavailableError(
      absl::StrCat(options.directory, ": no session file: others take each away"));
}

StageArea::StageArea(Options options, std::string session, int lock)
    : options_(std::move(options)), session_(std::move(session)), lock_(lock) {}

StageArea::~StageArea() {
  MutexLock lock(mu_);
  if (noted_.empty()) ::unlink(session_.c_str());
  ::close(lock_);
}

absl::StatusOr<int> StageArea::NewFile() {
  const auto make = [&] {
    return ::open(options_.directory.c_str(), O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);
  };
  int fd = make();
  if (fd < 0 && errno == ENOENT) {
    // Somebody has cleaned up what was old and empty.
    RETURN_IF_ERROR(CheckDirectory(options_.directory));
    fd = make();
  }
  if (fd >= 0) return fd;
  if (errno != EOPNOTSUPP && errno != EISDIR) return Errno(options_.directory);
  std::string name = options_.directory + "/staged.XXXXXX";
  fd = ::mkostemp(name.data(), O_CLOEXEC);
  if (fd < 0) return Errno(name);
  ::unlink(name.c_str());
  return fd;
}

absl::Status StageArea::Reserve(uint64_t bytes) {
  MutexLock lock(mu_);
  if (bytes > options_.bytes - used_) {
    return absl::ResourceExhaustedError(absl::StrCat("the stage is full: ", used_, " bytes of ",
                                                     options_.bytes, " (-o stage_bytes)"));
  }
  used_ += bytes;
  return absl::OkStatus();
}

void StageArea::Release(uint64_t bytes) {
  MutexLock lock(mu_);
  used_ -= bytes;
}

uint64_t StageArea::used() const {
  MutexLock lock(mu_);
  return used_;
}

absl::Status StageArea::Note(const TemporaryName& name) {
  std::string line = LineOf(name);
  MutexLock lock(mu_);
  if (noted_.contains(line)) return absl::OkStatus();
  struct stat before {};
  if (::fstat(lock_, &before) != 0) return Errno(session_);
  const ssize_t written = ::write(lock_, line.data(), line.size());
  if (written != static_cast<ssize_t>(line.size())) {
    absl::Status status =
        written < 0 ? Errno(session_)
                    : absl::ResourceExhaustedError(absl::StrCat(session_, ": its disk is full"));
    // The beginning of a line would spoil the next one.
    if (written > 0 && ::ftruncate(lock_, before.st_size) != 0) {
      LOG_WARN("{}: {}", session_, Errno("ftruncate"));
    }
    return status;
  }
  noted_.insert(std::move(line));
  return absl::OkStatus();
}

void StageArea::Forget(const TemporaryName& name) {
  MutexLock lock(mu_);
  if (noted_.erase(LineOf(name)) == 0) return;
  // A line too many does no harm: its file is not found.
  if (++dead_lines_ < noted_.size() + kDeadLines && !noted_.empty()) return;
  dead_lines_ = 0;  // should this fail, it is tried again after as many
  if (!noted_.empty()) {
    const absl::Status status = Rewrite();
    if (!status.ok()) LOG_WARN("{} cannot be written anew: {}", session_, status);
    return;
  }
  if (::ftruncate(lock_, 0) != 0) {
    LOG_WARN("{} cannot be emptied: {}", session_, Errno("ftruncate"));
  }
  (void)::fallocate(lock_, FALLOC_FL_KEEP_SIZE, 0, kSessionBytes);
}

absl::Status StageArea::Rewrite() {
  // Killed before the rename this leaves both files, which a new mount takes for two sessions.
  const std::string path = session_ + ".new";
  ASSIGN_OR_RETURN(const int fd, NewSession(path));
  if (fd < 0) return absl::UnavailableError("a mount that starts has taken it");
  const std::string lines = absl::StrJoin(noted_, "");
  const ssize_t written = ::write(fd, lines.data(), lines.size());
  if (written != static_cast<ssize_t>(lines.size()) ||
      ::rename(path.c_str(), session_.c_str()) != 0) {
    if (written >= 0 && written != static_cast<ssize_t>(lines.size())) errno = ENOSPC;
    absl::Status status = Errno(path);
    ::unlink(path.c_str());
    ::close(fd);
    return status;
  }
  ::close(std::exchange(lock_, fd));
  return absl::OkStatus();
}

void StageArea::RemoveLeftovers(absl::string_view authority,
                                const std::function<bool(const TemporaryName&)>& remove) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(options_.directory, error)) {
    const std::string path = entry.path().string();
    if (!absl::StartsWith(entry.path().filename().string(), kSessionPrefix)) continue;
    if (path == session_) continue;
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) continue;
    struct stat info {};
    // Without a name it was written anew: its mount runs, and has the new one locked.
    if (::flock(fd, LOCK_EX | LOCK_NB) == 0 && ::fstat(fd, &info) == 0 && info.st_nlink == 1 &&
        RemoveAll(path, ReadSession(fd), authority, remove)) {
      ::unlink(path.c_str());
    }
    ::close(fd);
  }
}

}  // namespace cairn::fuse
