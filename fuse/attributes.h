// fuse/attributes.h - what the cluster knows of a file, as stat(2) shows it.
#pragma once

#include <sys/stat.h>

#include "client/types.h"

namespace cairn::fuse {

// What st_blksize says: the buffer that programs then read and write with.
inline constexpr uint32_t kIoBytes = 128 << 10;

// What an entry stands for in st_mode.
mode_t TypeOf(client::FileType type);

// st_ino is the cluster's id, also for the root of the mount. st_nlink of a directory is 1: the
// number of directories in it is not known, and 1 is what tells programs so. HDFS keeps no time of
// the last change of attributes: st_ctim is that of the contents.
struct stat ToStat(const client::FileStatus& status, uint32_t uid, uint32_t gid);

}  // namespace cairn::fuse
