#include "common/net/domain_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/check.h"
#include "common/status_macros.h"

namespace cairn {
namespace {

constexpr int kMaxLinks = 40;
constexpr size_t kMaxPath = sizeof(sockaddr_un{}.sun_path) - 1;

absl::Status Untrusted(absl::string_view path, absl::string_view what) {
  return absl::FailedPreconditionError(
      absl::StrCat(path, ": ", what,
                   "; take a directory for dfs.domain.socket.path in which only "
                   "root or the datanode's user can write"));
}

bool OthersWrite(const struct stat& directory) {
  const bool group_writes = (directory.st_mode & S_IWGRP) != 0 && directory.st_gid != 0;
  return group_writes || (directory.st_mode & S_IWOTH) != 0;
}

// In a directory where others may write, `entry` must be root's or ours, and nobody else may take
// it away: that is what the sticky bit is for.
absl::Status CheckDirectory(const std::string& path, const struct stat& directory) {
  if (!OthersWrite(directory) || (directory.st_mode & S_ISVTX) != 0) return absl::OkStatus();
  return Untrusted(path, "others can write there");
}

absl::Status CheckEntry(const std::string& directory, const struct stat& of_directory,
                        const struct stat& entry) {
  RETURN_IF_ERROR(CheckDirectory(directory, of_directory));
  if (!OthersWrite(of_directory)) return absl::OkStatus();
  if (entry.st_uid == 0 || entry.st_uid == ::geteuid()) return absl::OkStatus();
  return Untrusted(directory, absl::StrCat("others can write there, and what is in it belongs to "
                                           "uid ",
                                           entry.st_uid));
}

// Goes along `path` as far as it holds no symbolic link. Returns what is to be looked at next: with
// the first link in it followed one step; empty at the end.
absl::StatusOr<std::string> CheckUpToLink(const std::string& path, bool must_exist) {
  struct stat directory {};
  if (::stat("/", &directory) != 0) return absl::ErrnoToStatus(errno, "/");
  std::string parent = "/";
  for (size_t from = 1; from < path.size();) {
    const size_t to = std::min(path.find('/', from), path.size());
    const bool last = to == path.size();
    if (to == from) {
      ++from;
      continue;
    }
    const std::string here = path.substr(0, to);
    struct stat entry {};
    if (::lstat(here.c_str(), &entry) != 0) {
      if (errno != ENOENT || !last || must_exist) return absl::ErrnoToStatus(errno, here);
      RETURN_IF_ERROR(CheckDirectory(parent, directory));
      return "";
    }
    RETURN_IF_ERROR(CheckEntry(parent, directory, entry));
    if (S_ISLNK(entry.st_mode)) {
      if (last) return Untrusted(here, "is a symbolic link");
      char target[PATH_MAX];
      const ssize_t size = ::readlink(here.c_str(), target, sizeof(target));
      if (size < 0) return absl::ErrnoToStatus(errno, here);
      const absl::string_view to_where(target, static_cast<size_t>(size));
      return absl::StrCat(absl::StartsWith(to_where, "/") ? "" : absl::StrCat(parent, "/"),
                          to_where, path.substr(to));
    }
    parent = here;
    directory = entry;
    from = to + 1;
  }
  return "";
}

struct Message {
  explicit Message(size_t descriptors) {
    area.iov_base = &byte;
    area.iov_len = 1;
    header.msg_iov = &area;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = CMSG_SPACE(descriptors * sizeof(int));
  }
  std::byte byte{};
  iovec area{};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxPassedDescriptors * sizeof(int))> control{};
  msghdr header{};
};

}  // namespace

std::string DomainSocketPath(absl::string_view pattern, uint16_t port) {
  return absl::StrReplaceAll(pattern, {{"_PORT", absl::StrCat(port)}});
}

absl::Status CheckDomainSocketPath(const std::string& path, bool must_exist) {
  if (path.empty() || path.front() != '/') {
    return absl::InvalidArgumentError(
        absl::StrCat("dfs.domain.socket.path: \"", path, "\" is no absolute path"));
  }
  if (path.size() > kMaxPath) {
    return absl::InvalidArgumentError(
        absl::StrCat("dfs.domain.socket.path: ", path, " has ", path.size(),
                     " bytes, and a UNIX socket's path at most ", kMaxPath));
  }
  std::string left = path;
  for (int links = 0; links <= kMaxLinks; ++links) {
    ASSIGN_OR_RETURN(left, CheckUpToLink(left, must_exist));
    if (left.empty()) return absl::OkStatus();
  }
  return Untrusted(path, "leads through too many symbolic links");
}

ssize_t SendDescriptors(int socket, std::byte byte, std::span<const int> fds) {
  CHECK(fds.size() <= kMaxPassedDescriptors && !fds.empty());
  Message message(fds.size());
  message.byte = byte;
  cmsghdr* const control = CMSG_FIRSTHDR(&message.header);
  control->cmsg_level = SOL_SOCKET;
  control->cmsg_type = SCM_RIGHTS;
  control->cmsg_len = CMSG_LEN(fds.size_bytes());
  std::memcpy(CMSG_DATA(control), fds.data(), fds.size_bytes());
  ssize_t sent = 0;
  do {
    sent = ::sendmsg(socket, &message.header, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent;
}

absl::StatusOr<std::byte> ReceiveDescriptors(int socket, std::span<int> fds) {
  CHECK(fds.size() <= kMaxPassedDescriptors);
  Message message(kMaxPassedDescriptors);
  ssize_t count = 0;
  do {
    count = ::recvmsg(socket, &message.header, MSG_CMSG_CLOEXEC);
  } while (count < 0 && errno == EINTR);
  std::array<int, kMaxPassedDescriptors> came{};
  size_t number = 0;
  for (cmsghdr* control = count < 0 ? nullptr : CMSG_FIRSTHDR(&message.header); control != nullptr;
       control = CMSG_NXTHDR(&message.header, control)) {
    if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) continue;
    const size_t bytes =
        std::min<size_t>(control->cmsg_len - CMSG_LEN(0), (came.size() - number) * sizeof(int));
    std::memcpy(came.data() + number, CMSG_DATA(control), bytes);
    number += bytes / sizeof(int);
  }
  if (count == 1 && number == fds.size() && (message.header.msg_flags & MSG_CTRUNC) == 0) {
    std::copy_n(came.begin(), number, fds.begin());
    return message.byte;
  }
  const int error = errno;
  for (size_t i = 0; i < number; ++i) ::close(came[i]);
  if (count < 0) return absl::UnavailableError(absl::StrCat("recvmsg: ", strerror(error)));
  if ((message.header.msg_flags & MSG_CTRUNC) != 0) {
    return absl::ResourceExhaustedError("this process may open no further descriptors");
  }
  if (count == 0) return absl::UnavailableError("closed by the peer");
  return absl::UnavailableError(absl::StrCat(number, " descriptors came instead of ", fds.size()));
}

}  // namespace cairn
