// Writing.
#include <span>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "hdfs/hdfs.h"
#include "libhdfs/call.h"
#include "libhdfs/errno.h"
#include "libhdfs/open_file.h"

using namespace cairn::libhdfs;  // NOLINT: the names of C stand outside of it

tSize hdfsWrite(hdfsFS, hdfsFile handle, const void* buffer, tSize length) {
  return Call("hdfsWrite", tSize{-1}, [&]() -> absl::StatusOr<tSize> {
    if (length < 0 || (buffer == nullptr && length > 0)) {
      return absl::InvalidArgumentError(absl::StrCat("no buffer of ", length, " bytes"));
    }
    ASSIGN_OR_RETURN(const FilePtr file, FindForWriting(handle));
    try {
      RETURN_IF_ERROR(file->out->Write(
          std::span(static_cast<const std::byte*>(buffer), static_cast<size_t>(length))));
    } catch (...) {
      file->broken = true;
      throw;
    }
    return length;
  });
}

namespace {

// These three say EBADF also of a file that is read.
template <typename Act>
int OnWritten(const char* function, hdfsFile handle, Act act) {
  return Call(function, -1, [&]() -> absl::StatusOr<int> {
    ASSIGN_OR_RETURN(const FilePtr file, FindFile(handle));
    if (file->out == nullptr) return WithErrno(EBADF, "the file is open for reading");
    if (file->broken) return Broken();
    RETURN_IF_ERROR(act(*file->out));
    return 0;
  });
}

}  // namespace

int hdfsFlush(hdfsFS, hdfsFile file) {
  // An empty write tells of an error that is known already.
  return OnWritten("hdfsFlush", file,
                   [](cairn::client::OutputStream& out) { return out.Write(""); });
}

int hdfsHFlush(hdfsFS, hdfsFile file) {
  return OnWritten("hdfsHFlush", file,
                   [](cairn::client::OutputStream& out) { return out.Hflush(); });
}

int hdfsHSync(hdfsFS, hdfsFile file) {
  return OnWritten("hdfsHSync", file, [](cairn::client::OutputStream& out) { return out.Hsync(); });
}
