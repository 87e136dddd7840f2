#include "fuse/ops/ops.h"

namespace cairn::fuse {

// Nothing is kept of an inode that the kernel knows: fuse/open_files.h.
void Forget(fuse_req_t req, fuse_ino_t /*ino*/, uint64_t /*lookups*/) { fuse_reply_none(req); }

void ForgetMulti(fuse_req_t req, size_t /*count*/, fuse_forget_data* /*forgets*/) {
  fuse_reply_none(req);
}

}  // namespace cairn::fuse
