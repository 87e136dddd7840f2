#include "fuse/attributes.h"

namespace cairn::fuse {

mode_t TypeOf(client::FileType type) {
  switch (type) {
    case client::FileType::kFile:
      return S_IFREG;
    case client::FileType::kDirectory:
      return S_IFDIR;
    case client::FileType::kSymlink:
      return S_IFLNK;
  }
  return S_IFREG;
}

struct stat ToStat(const client::FileStatus& status, uint32_t uid, uint32_t gid) {
  struct stat s {};
  s.st_ino = status.inode;
  s.st_mode = TypeOf(status.type) | status.mode;
  s.st_nlink = 1;
  s.st_uid = uid;
  s.st_gid = gid;
  s.st_size = static_cast<off_t>(status.length);
  s.st_blksize = kIoBytes;
  s.st_blocks = static_cast<blkcnt_t>((status.length + 511) / 512);
  s.st_mtim = absl::ToTimespec(status.modified);
  s.st_ctim = s.st_mtim;
  // HDFS keeps none for a directory.
  s.st_atim = status.is_directory() ? s.st_mtim : absl::ToTimespec(status.accessed);
  return s;
}

}  // namespace cairn::fuse
