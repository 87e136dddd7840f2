// hadoopReadZero. Nothing is mapped: what Hadoop's library does with a pool of buffers when it
// cannot map a replica is done always.
#include <algorithm>
#include <memory>
#include <span>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "hdfs/hdfs.h"
#include "libhdfs/call.h"
#include "libhdfs/errno.h"
#include "libhdfs/open_file.h"

using namespace cairn::libhdfs;  // NOLINT: the names of C stand outside of it
using cairn::MutexLock;

struct hadoopRzOptions {
  bool has_pool = false;
};

struct hadoopRzBuffer {
  std::unique_ptr<std::byte[]> bytes;  // null at the end of the file
  int32_t length = 0;
};

hadoopRzOptions* hadoopRzOptionsAlloc(void) {
  return Call("hadoopRzOptionsAlloc", static_cast<hadoopRzOptions*>(nullptr),
              []() -> absl::StatusOr<hadoopRzOptions*> { return new hadoopRzOptions; });
}

int hadoopRzOptionsSetSkipChecksum(hadoopRzOptions* opts, int /*skip*/) {
  return Call("hadoopRzOptionsSetSkipChecksum", -1, [&]() -> absl::StatusOr<int> {
    if (opts == nullptr) return absl::InvalidArgumentError("the options are NULL");
    return 0;
  });
}

int hadoopRzOptionsSetByteBufferPool(hadoopRzOptions* opts, const char* className) {
  return Call("hadoopRzOptionsSetByteBufferPool", -1, [&]() -> absl::StatusOr<int> {
    if (opts == nullptr) return absl::InvalidArgumentError("the options are NULL");
    if (className != nullptr && absl::string_view(className) != ELASTIC_BYTE_BUFFER_POOL_CLASS) {
      return absl::InvalidArgumentError(absl::StrCat("no such pool of buffers: ", className));
    }
    opts->has_pool = className != nullptr;
    return 0;
  });
}

void hadoopRzOptionsFree(hadoopRzOptions* opts) { delete opts; }

hadoopRzBuffer* hadoopReadZero(hdfsFile handle, hadoopRzOptions* opts, int32_t maxLength) {
  hadoopRzBuffer* const read = Call(
      "hadoopReadZero", static_cast<hadoopRzBuffer*>(nullptr),
      [&]() -> absl::StatusOr<hadoopRzBuffer*> {
        ASSIGN_OR_RETURN(const FilePtr file, FindForReading(handle));
        if (opts == nullptr || maxLength < 0) {
          return absl::InvalidArgumentError(
              absl::StrCat("options missing, or ", maxLength, " bytes"));
        }
        MutexLock lock(file->position_mu);
        auto buffer = std::make_unique<hadoopRzBuffer>();
        const uint64_t left = file->in->length() - file->in->position();
        if (left == 0 && maxLength > 0) return buffer.release();
        if (!opts->has_pool && maxLength > 0) {
          return WithErrno(EPROTONOSUPPORT, "nothing is mapped, and there is no pool of buffers");
        }
        const auto room = std::min<uint64_t>(left, static_cast<uint64_t>(maxLength));
        buffer->bytes = std::make_unique_for_overwrite<std::byte[]>(room);
        ASSIGN_OR_RETURN(const size_t bytes, file->in->Read(std::span(buffer->bytes.get(), room)));
        file->bytes_read += bytes;
        buffer->length = static_cast<int32_t>(bytes);
        return buffer.release();
      });
  if (read != nullptr) errno = 0;
  return read;
}

int32_t hadoopRzBufferLength(const hadoopRzBuffer* buffer) {
  return buffer == nullptr ? 0 : buffer->length;
}

const void* hadoopRzBufferGet(const hadoopRzBuffer* buffer) {
  return buffer == nullptr ? nullptr : buffer->bytes.get();
}

void hadoopRzBufferFree(hdfsFile, hadoopRzBuffer* buffer) { delete buffer; }
