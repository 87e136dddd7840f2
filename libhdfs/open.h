// libhdfs/open.h - opening a file by the flags of open(2), as far as HDFS has them.
#pragma once

#include <fcntl.h>

#include "absl/status/statusor.h"
#include "hdfs/hdfs.h"

namespace cairn::libhdfs {

struct OpenRequest {
  int flags = O_RDONLY;
  int replication = 0;      // of a new file; 0: as configured
  int64_t block_bytes = 0;  // the same
};

// See hdfsOpenFile. ENOTSUP: O_RDWR. kInvalidArgument: flags, replication or block size make no
// sense. The handle is open until hdfsCloseFile.
absl::StatusOr<hdfsFile> OpenPath(hdfsFS fs, const char* path, const OpenRequest& request);

}  // namespace cairn::libhdfs
