// FileSystem on Linux's system calls.
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/io/errno_code.h"
#include "common/io/file_system.h"
#include "common/io/sync.h"
#include "common/status_macros.h"

namespace cairn {

absl::StatusCode CodeOfErrno(int error) {
  switch (error) {
    case ENOENT:
      return absl::StatusCode::kNotFound;
    case EEXIST:
      return absl::StatusCode::kAlreadyExists;
    case ENOTEMPTY:
      return absl::StatusCode::kFailedPrecondition;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return absl::StatusCode::kResourceExhausted;
    case EACCES:
    case EPERM:
      return absl::StatusCode::kPermissionDenied;
    case EIO:
      return absl::StatusCode::kDataLoss;
    default:
      return absl::StatusCode::kInternal;
  }
}

absl::Status ErrnoStatus(absl::string_view call, absl::string_view path) {
  const int error = errno;
  return absl::Status(CodeOfErrno(error), absl::StrCat(call, " ", path, ": ", strerror(error)));
}

namespace {

constexpr size_t kDirectAlignment = 4096;
constexpr size_t kZeroRunBytes = size_t{1} << 20;

template <typename Call>
auto RetryOnInterrupt(Call call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result == -1 && errno == EINTR);
  return result;
}

class PosixFile final : public File {
 public:
  PosixFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~PosixFile() override { ::close(fd_); }  // what must be durable was synced, or is lost knowingly
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;

  absl::StatusOr<size_t> ReadAt(uint64_t offset, std::span<std::byte> out) override {
    size_t done = 0;
    while (done < out.size()) {
      const ssize_t count = RetryOnInterrupt([&] {
        return ::pread(fd_, out.data() + done, out.size() - done,
                       static_cast<off_t>(offset + done));
      });
      if (count < 0) return ErrnoStatus("read", path_);
      if (count == 0) break;
      done += static_cast<size_t>(count);
      // A short direct read ends at the end of the file; its odd offset could not be read from.
      if (done % kDirectAlignment != 0 && IsDirect()) break;
    }
    return done;
  }

  absl::Status WriteAt(uint64_t offset, std::span<const std::byte> data) override {
    while (!data.empty()) {
      const ssize_t count = RetryOnInterrupt(
          [&] { return ::pwrite(fd_, data.data(), data.size(), static_cast<off_t>(offset)); });
      if (count < 0) return ErrnoStatus("write", path_);
      offset += static_cast<uint64_t>(count);
      data = data.subspan(static_cast<size_t>(count));
    }
    return absl::OkStatus();
  }

  absl::Status Truncate(uint64_t size) override {
    if (RetryOnInterrupt([&] { return ::ftruncate(fd_, static_cast<off_t>(size)); }) != 0) {
      return ErrnoStatus("truncate", path_);
    }
    return absl::OkStatus();
  }

  absl::Status Allocate(uint64_t offset, uint64_t length) override {
    if (length == 0) return absl::OkStatus();
    // In one piece on the disk if the file system can; the zeros below do the rest.
    if (RetryOnInterrupt([&] {
          return ::fallocate(fd_, 0, static_cast<off_t>(offset), static_cast<off_t>(length));
        }) != 0 &&
        errno != EOPNOTSUPP) {
      return ErrnoStatus("allocate", path_);
    }
    // fallocate leaves extents marked unwritten, and the first write to each would change metadata:
    // only bytes that were really written are free of that.
    auto* zeros = static_cast<std::byte*>(std::aligned_alloc(kDirectAlignment, kZeroRunBytes));
    if (zeros == nullptr) {
      return absl::ResourceExhaustedError(absl::StrCat("allocate ", path_, ": no memory"));
    }
    const absl::Cleanup free_zeros = [&] { std::free(zeros); };
    std::memset(zeros, 0, kZeroRunBytes);
    for (uint64_t done = 0; done < length;) {
      const size_t run = std::min<uint64_t>(kZeroRunBytes, length - done);
      RETURN_IF_ERROR(WriteAt(offset + done, std::span(zeros, run)));
      done += run;
    }
    return SyncData();
  }

  absl::Status SyncData() override { return SyncFileData(fd_, path_); }

  absl::StatusOr<uint64_t> Size() override {
    struct stat info {};
    if (::fstat(fd_, &info) != 0) return ErrnoStatus("stat", path_);
    return static_cast<uint64_t>(info.st_size);
  }

  int fd() const override { return fd_; }

 private:
  bool IsDirect() const { return (::fcntl(fd_, F_GETFL) & O_DIRECT) != 0; }

  const int fd_;
  const std::string path_;
};

int OpenFlags(const OpenOptions& options) {
  int flags = O_CLOEXEC | (options.write ? O_RDWR : O_RDONLY);
  if (options.create) flags |= O_CREAT;
  if (options.create && options.exclusive) flags |= O_EXCL;
  if (options.direct) flags |= O_DIRECT;
  if (options.data_sync) flags |= O_DSYNC;
  return flags;
}

int OpenRetrying(const std::string& path, int flags) {
  return RetryOnInterrupt([&] { return ::open(path.c_str(), flags, 0600); });
}

class Posix final : public FileSystem {
 public:
  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path,
                                             const OpenOptions& options) override {
    const int flags = OpenFlags(options);
    int fd = OpenRetrying(path, flags);
    if (fd < 0 && errno == EINVAL && options.direct) {
      // tmpfs and some others know no O_DIRECT. It is a matter of speed only: O_DSYNC still makes
      // writes durable. EINVAL comes after the file was created, hence no O_EXCL again.
      fd = OpenRetrying(path, flags & ~(O_DIRECT | O_EXCL));
    }
    if (fd < 0) return ErrnoStatus("open", path);
    auto file = std::make_unique<PosixFile>(fd, path);
    struct stat info {};
    if (::fstat(fd, &info) != 0) return ErrnoStatus("stat", path);
    if (S_ISDIR(info.st_mode)) {
      return absl::InternalError(absl::StrCat("open ", path, ": is a directory"));
    }
    return file;
  }

  absl::Status Rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) {
      return ErrnoStatus("rename", absl::StrCat(from, " to ", to));
    }
    return absl::OkStatus();
  }

  absl::Status Link(const std::string& from, const std::string& to) override {
    if (::link(from.c_str(), to.c_str()) != 0) {
      return ErrnoStatus("link", absl::StrCat(from, " to ", to));
    }
    return absl::OkStatus();
  }

  absl::Status Remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) return ErrnoStatus("remove", path);
    return absl::OkStatus();
  }

  absl::Status MakeDirectory(const std::string& path) override {
    if (::mkdir(path.c_str(), 0700) != 0) return ErrnoStatus("mkdir", path);
    return absl::OkStatus();
  }

  absl::Status RemoveDirectory(const std::string& path) override {
    if (::rmdir(path.c_str()) != 0) return ErrnoStatus("rmdir", path);
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<std::string>> List(const std::string& directory) override {
    DIR* const stream = ::opendir(directory.c_str());
    if (stream == nullptr) return ErrnoStatus("list", directory);
    const absl::Cleanup close_stream = [&] { ::closedir(stream); };
    std::vector<std::string> names;
    while (true) {
      errno = 0;  // the only way to tell the end from an error
      const dirent* const entry = ::readdir(stream);
      if (entry == nullptr) break;
      const absl::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
    }
    if (errno != 0) return ErrnoStatus("list", directory);
    return names;
  }

  bool Exists(const std::string& path) override {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0;
  }

  bool IsDirectory(const std::string& path) override {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
  }

  absl::Status SyncDirectory(const std::string& directory) override {
    const int fd = OpenRetrying(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return ErrnoStatus("open", directory);
    const PosixFile closer(fd, directory);
    return SyncNames(fd, directory);
  }

  absl::StatusOr<SpaceInfo> Space(const std::string& path) override {
    struct statvfs info {};
    if (RetryOnInterrupt([&] { return ::statvfs(path.c_str(), &info); }) != 0) {
      return ErrnoStatus("statvfs", path);
    }
    return SpaceInfo{.capacity_bytes = uint64_t{info.f_blocks} * info.f_frsize,
                     .free_bytes = uint64_t{info.f_bavail} * info.f_frsize};
  }

  absl::StatusOr<std::unique_ptr<File>> Lock(const std::string& path) override {
    ASSIGN_OR_RETURN(std::unique_ptr<File> file, Open(path, {.create = true, .write = true}));
    if (RetryOnInterrupt([&] { return ::flock(file->fd(), LOCK_EX | LOCK_NB); }) != 0) {
      if (errno != EWOULDBLOCK) return ErrnoStatus("lock", path);
      return absl::FailedPreconditionError(
          absl::StrCat("lock ", path, ": held by another process", HolderOf(*file)));
    }
    const std::string pid = absl::StrCat(::getpid(), "\n");
    RETURN_IF_ERROR(file->Truncate(0));
    RETURN_IF_ERROR(file->WriteAt(0, std::as_bytes(std::span(pid.data(), pid.size()))));
    return file;
  }

 private:
  // " (pid 123)", or nothing if the holder has not written it yet.
  static std::string HolderOf(File& file) {
    char text[32];
    const auto count = file.ReadAt(0, std::as_writable_bytes(std::span(text)));
    if (!count.ok()) return "";
    const auto pid = absl::StripAsciiWhitespace(absl::string_view(text, *count));
    const bool is_number = !pid.empty() && std::all_of(pid.begin(), pid.end(), absl::ascii_isdigit);
    return is_number ? absl::StrCat(" (pid ", pid, ")") : "";
  }
};

}  // namespace

FileSystem& PosixFileSystem() {
  static FileSystem* const file_system = new Posix;
  return *file_system;
}

}  // namespace cairn
