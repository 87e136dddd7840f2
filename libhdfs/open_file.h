// libhdfs/open_file.h - what an hdfsFile stands for: a stream of libcairn's, of either kind.
#pragma once

#include <atomic>
#include <memory>

#include "absl/status/statusor.h"
#include "client/input_stream.h"
#include "client/output_stream.h"
#include "common/mutex.h"
#include "hdfs/hdfs.h"
#include "libhdfs/handle_table.h"
#include "libhdfs/instance.h"

namespace cairn::libhdfs {

// One of `in` and `out` is there. Thread-safe as long as who moves the position holds position_mu.
struct OpenFile {
  std::shared_ptr<Instance> instance;  // whose disconnection closes it, if it is written
  std::unique_ptr<client::InputStream> in;
  std::unique_ptr<client::OutputStream> out;
  Mutex position_mu;  // Read and Seek want one thread at a time
  std::atomic<uint64_t> bytes_read = 0;
  std::atomic<uint64_t> local_bytes_before = 0;  // when the statistics were cleared
  // An exception came in the middle of a write: nothing may follow, and the file is not completed.
  std::atomic<bool> broken = false;
};

HandleTable<OpenFile>& Files();

hdfsFile AddFile(std::shared_ptr<OpenFile> file);

// What every call on a broken file says: EIO.
absl::Status Broken();

using FilePtr = std::shared_ptr<OpenFile>;
// EBADF: no such handle.
absl::StatusOr<FilePtr> FindFile(hdfsFile handle);
// EBADF; EINVAL: open for writing only.
absl::StatusOr<FilePtr> FindForReading(hdfsFile handle);
// EBADF; EINVAL: open for reading only; EIO: broken.
absl::StatusOr<FilePtr> FindForWriting(hdfsFile handle);

}  // namespace cairn::libhdfs
