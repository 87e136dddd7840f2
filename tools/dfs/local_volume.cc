#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/path.h"
#include "common/status_macros.h"
#include "tools/dfs/volume.h"

namespace cairn::tools {
namespace {

constexpr size_t kMaxNamesBytes = 1 << 20;  // of a group with all its members

absl::Status FromErrno(int error, const std::string& path) {
  return absl::ErrnoToStatus(error, path);
}

class Descriptor {
 public:
  Descriptor(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~Descriptor() {
    if (fd_ > 2) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

 protected:
  int fd_;
  const std::string path_;
};

class LocalReader final : public Reader, Descriptor {
 public:
  LocalReader(int fd, std::string path, uint64_t length)
      : Descriptor(fd, std::move(path)), length_(length) {}

  absl::StatusOr<size_t> Read(std::span<std::byte> out) override {
    while (true) {
      const ssize_t n = ::read(fd_, out.data(), out.size());
      if (n >= 0) return static_cast<size_t>(n);
      if (errno != EINTR) return FromErrno(errno, path_);
    }
  }
  absl::Status Seek(uint64_t position) override {
    if (::lseek(fd_, static_cast<off_t>(position), SEEK_SET) >= 0) return absl::OkStatus();
    return FromErrno(errno, path_);
  }
  uint64_t length() const override { return length_; }

 private:
  const uint64_t length_;
};

class LocalWriter final : public Writer, Descriptor {
 public:
  LocalWriter(int fd, std::string path) : Descriptor(fd, std::move(path)) {}

  absl::Status Write(std::span<const std::byte> data) override {
    while (!data.empty()) {
      const ssize_t n = ::write(fd_, data.data(), data.size());
      if (n < 0) {
        if (errno == EINTR) continue;
        return FromErrno(errno, path_);
      }
      data = data.subspan(static_cast<size_t>(n));
    }
    return absl::OkStatus();
  }
  absl::Status Close() override {
    const int fd = std::exchange(fd_, -1);
    return ::close(fd) == 0 ? absl::OkStatus() : FromErrno(errno, path_);
  }
};

// The user database's answer to one of its calls that many threads may make: `call(record, buffer,
// size, result)`, made again with more room while it asks for it. False: there is no such entry.
template <typename Record, typename Call, typename Take>
bool LookUp(const Call& call, const Take& take) {
  std::vector<char> room(1024);
  while (true) {
    Record record{};
    Record* found = nullptr;
    const int error = call(&record, room.data(), room.size(), &found);
    if (error == ERANGE && room.size() < kMaxNamesBytes) {
      room.resize(room.size() * 4);
      continue;
    }
    if (found != nullptr) take(record);
    return found != nullptr;
  }
}

std::string UserName(uid_t uid) {
  std::string name = absl::StrCat(uid);
  LookUp<passwd>([&](auto... rest) { return ::getpwuid_r(uid, rest...); },
                 [&](const passwd& user) { name = user.pw_name; });
  return name;
}

std::string GroupName(gid_t gid) {
  std::string name = absl::StrCat(gid);
  LookUp<group>([&](auto... rest) { return ::getgrgid_r(gid, rest...); },
                [&](const group& found) { name = found.gr_name; });
  return name;
}

class LocalVolume final : public Volume {
 public:
  std::string Qualify(const std::string& path) const override {
    std::error_code ignored;  // the path as given is as good for a message
    const auto absolute = std::filesystem::absolute(path, ignored);
    return absl::StrCat("file://", client::NormalizePath(absolute.string()));
  }

  absl::StatusOr<client::FileStatus> Stat(const std::string& path) override {
    struct stat s {};
    if (::stat(path.c_str(), &s) != 0) return FromErrno(errno, path);
    client::FileStatus status;
    status.path = path;
    status.type = S_ISDIR(s.st_mode) ? client::FileType::kDirectory : client::FileType::kFile;
    status.length = static_cast<uint64_t>(s.st_size);
    status.mode = static_cast<uint16_t>(s.st_mode & 01777);
    status.owner = UserName(s.st_uid);
    status.group = GroupName(s.st_gid);
    status.modified = absl::TimeFromTimespec(s.st_mtim);
    status.accessed = absl::TimeFromTimespec(s.st_atim);
    status.replication = status.is_directory() ? 0 : 1;
    status.block_bytes = static_cast<uint64_t>(s.st_blksize);
    return status;
  }

  absl::Status List(const std::string& path, const Visitor& visit) override {
    std::vector<std::string> names;
    {
      const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(path.c_str()), &::closedir);
      if (dir == nullptr) return FromErrno(errno, path);
      while (true) {
        errno = 0;  // the end is told from an error by it alone
        const dirent* const entry = ::readdir(dir.get());
        if (entry == nullptr && errno != 0) return FromErrno(errno, path);
        if (entry == nullptr) break;
        const absl::string_view name = entry->d_name;
        if (name != "." && name != "..") names.emplace_back(name);
      }
    }
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
      absl::StatusOr<client::FileStatus> status = Stat(client::JoinPath(path, name));
      // A dangling link, or gone since: not there.
      if (absl::IsNotFound(status.status())) continue;
      RETURN_IF_ERROR(status.status());
      RETURN_IF_ERROR(visit(*status));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::unique_ptr<Reader>> Open(const std::string& path) override {
    ASSIGN_OR_RETURN(const client::FileStatus status, Stat(path));
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return FromErrno(errno, path);
    return std::make_unique<LocalReader>(fd, path, status.length);
  }

  absl::StatusOr<std::unique_ptr<Writer>> Create(const std::string& path,
                                                 const WriteOptions& options) override {
    const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (options.overwrite ? O_TRUNC : O_EXCL);
    const int fd = ::open(path.c_str(), flags, 0666);
    if (fd < 0) return FromErrno(errno, path);
    return std::make_unique<LocalWriter>(fd, path);
  }

  absl::Status Mkdirs(const std::string& path) override {
    std::error_code error;
    std::filesystem::create_directories(path, error);
    return error ? FromErrno(error.value(), path) : absl::OkStatus();
  }

  absl::Status Rename(const std::string& from, const std::string& to) override {
    return ::rename(from.c_str(), to.c_str()) == 0 ? absl::OkStatus() : FromErrno(errno, to);
  }

  absl::Status Replace(const std::string& from, const std::string& to) override {
    return Rename(from, to);  // rename(2) replaces
  }

  absl::Status Delete(const std::string& path, bool recursive) override {
    std::error_code error;
    if (recursive) {
      std::filesystem::remove_all(path, error);
    } else {
      std::filesystem::remove(path, error);
    }
    return error ? FromErrno(error.value(), path) : absl::OkStatus();
  }

  absl::Status SetMode(const std::string& path, uint16_t mode) override {
    return ::chmod(path.c_str(), mode) == 0 ? absl::OkStatus() : FromErrno(errno, path);
  }

  absl::Status SetOwner(const std::string& path, const std::string& owner,
                        const std::string& group_name) override {
    uid_t uid = static_cast<uid_t>(-1);
    gid_t gid = static_cast<gid_t>(-1);
    if (!owner.empty()) {
      const bool known =
          LookUp<passwd>([&](auto... rest) { return ::getpwnam_r(owner.c_str(), rest...); },
                         [&](const passwd& user) { uid = user.pw_uid; });
      if (!known) return absl::NotFoundError(absl::StrCat("no local user ", owner));
    }
    if (!group_name.empty()) {
      const bool known =
          LookUp<group>([&](auto... rest) { return ::getgrnam_r(group_name.c_str(), rest...); },
                        [&](const group& found) { gid = found.gr_gid; });
      if (!known) return absl::NotFoundError(absl::StrCat("no local group ", group_name));
    }
    return ::chown(path.c_str(), uid, gid) == 0 ? absl::OkStatus() : FromErrno(errno, path);
  }

  absl::Status SetTimes(const std::string& path, absl::Time modified,
                        absl::Time accessed) override {
    const timespec times[] = {absl::ToTimespec(accessed), absl::ToTimespec(modified)};
    if (::utimensat(AT_FDCWD, path.c_str(), times, 0) == 0) return absl::OkStatus();
    return FromErrno(errno, path);
  }
};

}  // namespace

std::unique_ptr<Volume> NewLocalVolume() { return std::make_unique<LocalVolume>(); }

std::unique_ptr<Reader> NewStdinReader() {
  return std::make_unique<LocalReader>(STDIN_FILENO, "standard input", 0);
}

absl::Status CopyAll(Reader& reader,
                     const std::function<absl::Status(std::span<const std::byte>)>& write) {
  // Large buffers come from fresh pages; a small file needs few of them.
  const size_t size =
      reader.length() == 0 ? kCopyBytes / 16 : std::min<uint64_t>(kCopyBytes, reader.length());
  const std::unique_ptr<std::byte[]> buffer(new std::byte[size]);
  while (true) {
    ASSIGN_OR_RETURN(const size_t bytes, reader.Read(std::span(buffer.get(), size)));
    if (bytes == 0) return absl::OkStatus();
    RETURN_IF_ERROR(write(std::span(buffer.get(), bytes)));
  }
}

}  // namespace cairn::tools
