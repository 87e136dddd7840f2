// Reading, and what is counted of it.
#include <algorithm>
#include <climits>
#include <cstdlib>
#include <span>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "hdfs/hdfs.h"
#include "libhdfs/call.h"
#include "libhdfs/errno.h"
#include "libhdfs/open_file.h"

using namespace cairn::libhdfs;  // NOLINT: the names of C stand outside of it
using cairn::MutexLock;

namespace {

absl::StatusOr<std::span<std::byte>> Room(void* buffer, tSize length) {
  if (length < 0 || (buffer == nullptr && length > 0)) {
    return absl::InvalidArgumentError(absl::StrCat("no buffer of ", length, " bytes"));
  }
  return std::span(static_cast<std::byte*>(buffer), static_cast<size_t>(length));
}

absl::StatusOr<size_t> ReadAt(hdfsFile handle, tOffset position, void* buffer, tSize length) {
  ASSIGN_OR_RETURN(const std::span<std::byte> room, Room(buffer, length));
  ASSIGN_OR_RETURN(const FilePtr file, FindForReading(handle));
  if (position < 0) return absl::InvalidArgumentError(absl::StrCat("position ", position));
  ASSIGN_OR_RETURN(const size_t bytes, file->in->ReadAt(static_cast<uint64_t>(position), room));
  file->bytes_read += bytes;
  return bytes;
}

}  // namespace

tSize hdfsRead(hdfsFS, hdfsFile handle, void* buffer, tSize length) {
  return Call("hdfsRead", tSize{-1}, [&]() -> absl::StatusOr<tSize> {
    ASSIGN_OR_RETURN(const std::span<std::byte> room, Room(buffer, length));
    ASSIGN_OR_RETURN(const FilePtr file, FindForReading(handle));
    MutexLock lock(file->position_mu);
    ASSIGN_OR_RETURN(const size_t bytes, file->in->Read(room));
    file->bytes_read += bytes;
    return static_cast<tSize>(bytes);
  });
}

tSize hdfsPread(hdfsFS, hdfsFile handle, tOffset position, void* buffer, tSize length) {
  return Call("hdfsPread", tSize{-1}, [&]() -> absl::StatusOr<tSize> {
    ASSIGN_OR_RETURN(const size_t bytes, ReadAt(handle, position, buffer, length));
    return static_cast<tSize>(bytes);
  });
}

int hdfsPreadFully(hdfsFS, hdfsFile handle, tOffset position, void* buffer, tSize length) {
  return Call("hdfsPreadFully", -1, [&]() -> absl::StatusOr<int> {
    ASSIGN_OR_RETURN(const size_t bytes, ReadAt(handle, position, buffer, length));
    if (bytes == static_cast<size_t>(length)) return 0;
    return WithErrno(EINTERNAL, absl::StrCat("the file ends ", bytes, " bytes after ", position,
                                             ", and ", length, " were asked for"));
  });
}

int hdfsSeek(hdfsFS, hdfsFile handle, tOffset desiredPos) {
  return Call("hdfsSeek", -1, [&]() -> absl::StatusOr<int> {
    ASSIGN_OR_RETURN(const FilePtr file, FindFile(handle));
    if (file->in == nullptr) return WithErrno(EBADF, "a file that is written has no such thing");
    if (desiredPos < 0) return absl::InvalidArgumentError(absl::StrCat("position ", desiredPos));
    MutexLock lock(file->position_mu);
    RETURN_IF_ERROR(file->in->Seek(static_cast<uint64_t>(desiredPos)));
    return 0;
  });
}

tOffset hdfsTell(hdfsFS, hdfsFile handle) {
  return Call("hdfsTell", tOffset{-1}, [&]() -> absl::StatusOr<tOffset> {
    ASSIGN_OR_RETURN(const FilePtr file, FindFile(handle));
    if (file->out != nullptr) return static_cast<tOffset>(file->out->position());
    MutexLock lock(file->position_mu);
    return static_cast<tOffset>(file->in->position());
  });
}

int hdfsAvailable(hdfsFS, hdfsFile handle) {
  return Call("hdfsAvailable", -1, [&]() -> absl::StatusOr<int> {
    ASSIGN_OR_RETURN(const FilePtr file, FindFile(handle));
    if (file->in == nullptr) return WithErrno(EBADF, "a file that is written has no such thing");
    MutexLock lock(file->position_mu);
    const uint64_t left = file->in->length() - file->in->position();
    return static_cast<int>(std::min<uint64_t>(left, INT_MAX));
  });
}

int hdfsUnbufferFile(hdfsFile handle) {
  const int error = CallForErrno("hdfsUnbufferFile", [&]() -> absl::StatusOr<int> {
    ASSIGN_OR_RETURN(const FilePtr file, FindFile(handle));
    if (file->in == nullptr) return WithErrno(ENOTSUP, "the file is open for writing");
    // A seek backwards gives up the connection on which the datanode sends ahead.
    MutexLock lock(file->position_mu);
    const uint64_t position = file->in->position();
    RETURN_IF_ERROR(file->in->Seek(0));
    RETURN_IF_ERROR(file->in->Seek(position));
    return 0;
  });
  errno = error;
  return error;
}

int hdfsFileGetReadStatistics(hdfsFile handle, hdfsReadStatistics** stats) {
  return Call("hdfsFileGetReadStatistics", -1, [&]() -> absl::StatusOr<int> {
    ASSIGN_OR_RETURN(const FilePtr file, FindForReading(handle));
    if (stats == nullptr) return absl::InvalidArgumentError("there is no place for the result");
    const uint64_t local = file->in->local_bytes() - file->local_bytes_before;
    *stats = new hdfsReadStatistics{.totalBytesRead = file->bytes_read,
                                    .totalLocalBytesRead = local,
                                    .totalShortCircuitBytesRead = local};
    return 0;
  });
}

int64_t hdfsReadStatisticsGetRemoteBytesRead(const hdfsReadStatistics* stats) {
  if (stats == nullptr) return 0;
  return static_cast<int64_t>(stats->totalBytesRead - stats->totalLocalBytesRead);
}

int hdfsFileClearReadStatistics(hdfsFile handle) {
  return CallForErrno("hdfsFileClearReadStatistics", [&]() -> absl::StatusOr<int> {
    ASSIGN_OR_RETURN(const FilePtr file, FindForReading(handle));
    file->bytes_read = 0;
    file->local_bytes_before = file->in->local_bytes();
    return 0;
  });
}

void hdfsFileFreeReadStatistics(hdfsReadStatistics* stats) { delete stats; }

int hdfsGetHedgedReadMetrics(hdfsFS fs, hdfsHedgedReadMetrics** metrics) {
  return Call("hdfsGetHedgedReadMetrics", -1, [&]() -> absl::StatusOr<int> {
    ASSIGN_OR_RETURN(const std::shared_ptr<Instance> instance, FindInstance(fs));
    if (metrics == nullptr) return absl::InvalidArgumentError("there is no place for the result");
    const cairn::client::HedgedReadMetrics counted = instance->fs().GetHedgedReadMetrics();
    *metrics = new hdfsHedgedReadMetrics{.hedgedReadOps = counted.ops,
                                         .hedgedReadOpsWin = counted.wins,
                                         .hedgedReadOpsInCurThread = counted.in_current_thread};
    return 0;
  });
}

void hdfsFreeHedgedReadMetrics(hdfsHedgedReadMetrics* metrics) { delete metrics; }
