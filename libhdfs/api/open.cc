// Opening and closing files.
#include <fcntl.h>

#include <memory>
#include <string>

#include "common/status_macros.h"
#include "hdfs/hdfs.h"
#include "libhdfs/call.h"
#include "libhdfs/errno.h"
#include "libhdfs/open.h"
#include "libhdfs/open_file.h"

using namespace cairn::libhdfs;  // NOLINT: the names of C stand outside of it

struct hdfsStreamBuilder {
  hdfsFS fs = nullptr;
  std::string path;
  OpenRequest request;
};

hdfsStreamBuilder* hdfsStreamBuilderAlloc(hdfsFS fs, const char* path, int flags) {
  return Call("hdfsStreamBuilderAlloc", static_cast<hdfsStreamBuilder*>(nullptr),
              [&]() -> absl::StatusOr<hdfsStreamBuilder*> {
                if (path == nullptr) return absl::InvalidArgumentError("the path is NULL");
                return new hdfsStreamBuilder{.fs = fs, .path = path, .request = {.flags = flags}};
              });
}

void hdfsStreamBuilderFree(hdfsStreamBuilder* bld) { delete bld; }

namespace {

template <typename Set>
int SetForWriting(const char* function, hdfsStreamBuilder* bld, Set set) {
  return Call(function, -1, [&]() -> absl::StatusOr<int> {
    if (bld == nullptr) return absl::InvalidArgumentError("the builder is NULL");
    if ((bld->request.flags & O_ACCMODE) != O_WRONLY) {
      return absl::InvalidArgumentError("means nothing for a file that is not written");
    }
    set(bld->request);
    return 0;
  });
}

}  // namespace

int hdfsStreamBuilderSetBufferSize(hdfsStreamBuilder* bld, int32_t) {
  return SetForWriting("hdfsStreamBuilderSetBufferSize", bld, [](OpenRequest&) {});
}

int hdfsStreamBuilderSetReplication(hdfsStreamBuilder* bld, int16_t replication) {
  return SetForWriting("hdfsStreamBuilderSetReplication", bld,
                       [=](OpenRequest& request) { request.replication = replication; });
}

int hdfsStreamBuilderSetDefaultBlockSize(hdfsStreamBuilder* bld, int64_t defaultBlockSize) {
  return SetForWriting("hdfsStreamBuilderSetDefaultBlockSize", bld,
                       [=](OpenRequest& request) { request.block_bytes = defaultBlockSize; });
}

hdfsFile hdfsStreamBuilderBuild(hdfsStreamBuilder* bld) {
  const std::unique_ptr<hdfsStreamBuilder> owned(bld);
  return Call("hdfsStreamBuilderBuild", hdfsFile{}, [&]() -> absl::StatusOr<hdfsFile> {
    if (bld == nullptr) return absl::InvalidArgumentError("the builder is NULL");
    return OpenPath(bld->fs, bld->path.c_str(), bld->request);
  });
}

hdfsFile hdfsOpenFile(hdfsFS fs, const char* path, int flags, int /*bufferSize*/, short replication,
                      tSize blocksize) {
  return Call("hdfsOpenFile", hdfsFile{}, [&]() -> absl::StatusOr<hdfsFile> {
    return OpenPath(fs, path,
                    {.flags = flags, .replication = replication, .block_bytes = blocksize});
  });
}

int hdfsCloseFile(hdfsFS, hdfsFile file) {
  return Call("hdfsCloseFile", -1, [&]() -> absl::StatusOr<int> {
    const FilePtr closed = Files().Remove(file);
    if (closed == nullptr) return WithErrno(EBADF, "not an open hdfsFile");
    if (closed->broken) return Broken();
    if (closed->out != nullptr) RETURN_IF_ERROR(closed->out->Close());
    return 0;
  });
}

int hdfsFileIsOpenForRead(hdfsFile file) {
  const FilePtr found = Files().Find(file);
  return found != nullptr && found->in != nullptr ? 1 : 0;
}

int hdfsFileIsOpenForWrite(hdfsFile file) {
  const FilePtr found = Files().Find(file);
  return found != nullptr && found->out != nullptr ? 1 : 0;
}
