#include "fuse/ops/ops.h"
#include "fuse/ops/serve.h"
#include "fuse/paths.h"

namespace cairn::fuse {

void Removexattr(fuse_req_t req, fuse_ino_t ino, const char* name) {
  if (RefuseXattrChange(req, name)) return;
  ServeInode(req, "removexattr", [&](Mount& mount, const ClientPtr& fs) -> absl::Status {
    absl::Status status = mount.xattrs().Remove(*fs, PathOf(mount.IdOf(ino)), name);
    if (status.ok()) fuse_reply_err(req, 0);
    return status;
  });
}

}  // namespace cairn::fuse
