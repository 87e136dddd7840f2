#include "fuse/handles.h"
#include "fuse/ops/ops.h"
#include "fuse/ops/serve.h"

namespace cairn::fuse {

void Fsync(fuse_req_t req, fuse_ino_t /*ino*/, int /*data_only*/, fuse_file_info* info) {
  const Changes::UnderWay change(MountOf(req).changes());  // what was staged is completed
  const absl::Status status = FileOf(*info).file().Sync();
  if (!status.ok()) {
    FailInode(req, "fsync", status);
    return;
  }
  fuse_reply_err(req, 0);
}

}  // namespace cairn::fuse
