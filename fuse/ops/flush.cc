#include "fuse/handles.h"
#include "fuse/ops/ops.h"
#include "fuse/ops/serve.h"

namespace cairn::fuse {

// close(2), of each copy of a descriptor: what was written is a whole file in the cluster when it
// returns, or it says why not.
void Flush(fuse_req_t req, fuse_ino_t /*ino*/, fuse_file_info* info) {
  FileHandle& handle = FileOf(*info);
  absl::Status status;
  if (handle.may_write()) {
    const Changes::UnderWay change(MountOf(req).changes());
    status = handle.file().Complete(OpenFile::Reason::kDescriptorClosed);
  }
  if (!status.ok()) {
    FailInode(req, "close", status);
    return;
  }
  fuse_reply_err(req, 0);
}

}  // namespace cairn::fuse
