#include <fcntl.h>

#include "fuse/handles.h"
#include "fuse/ops/ops.h"
#include "fuse/ops/serve.h"

namespace cairn::fuse {

void Write(fuse_req_t req, fuse_ino_t ino, const char* data, size_t size, off_t offset,
           fuse_file_info* info) {
  FileHandle& handle = FileOf(*info);
  const OpenFile::Place place = {.at_end = (info->flags & O_APPEND) != 0,
                                 .offset = static_cast<uint64_t>(offset),
                                 .mapped = info->writepage != 0};
  const bool sync = (info->flags & (O_SYNC | O_DSYNC)) != 0;
  const absl::Status status = handle.file().Write(
      handle.client(), place, std::as_bytes(std::span(data, size)), sync, InterruptedOf(req));
  if (!status.ok()) {
    FailInode(req, "write", status);
    return;
  }
  // The kernel believes that an append begins where it thinks the end is. If somebody else has
  // written, that is wrong.
  if (place.at_end) MountOf(req).ForgetAttributes(ino);
  fuse_reply_write(req, size);
}

}  // namespace cairn::fuse
