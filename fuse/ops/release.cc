#include "fuse/handles.h"
#include "fuse/ops/ops.h"

namespace cairn::fuse {

// After the last close(2); nobody waits for it.
void Release(fuse_req_t req, fuse_ino_t /*ino*/, fuse_file_info* info) {
  delete &FileOf(*info);
  fuse_reply_err(req, 0);
}

}  // namespace cairn::fuse
