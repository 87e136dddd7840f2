#include "common/io/sync.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "common/io/errno_code.h"

namespace cairn {
namespace {

absl::Status Sync(int (*call)(int), int fd, absl::string_view path) {
  int result = 0;
  do {
    result = call(fd);
  } while (result != 0 && errno == EINTR);
  struct stat info {};
  if (result != 0 || ::fstat(fd, &info) != 0) return ErrnoStatus("sync", path);
  return absl::OkStatus();
}

}  // namespace

absl::Status SyncFileData(int fd, absl::string_view path) { return Sync(&::fdatasync, fd, path); }

absl::Status SyncNames(int fd, absl::string_view path) { return Sync(&::fsync, fd, path); }

}  // namespace cairn
