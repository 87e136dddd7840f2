#include <cerrno>

#include "fuse/ops/ops.h"
#include "fuse/ops/serve.h"
#include "fuse/paths.h"
#include "fuse/xattr_names.h"

namespace cairn::fuse {

void Removexattr(fuse_req_t req, fuse_ino_t ino, const char* name) {
  const XattrOwner owner = OwnerOf(name);
  if (owner != XattrOwner::kServer) {
    Refuse(req, owner == XattrOwner::kMount ? EPERM : EOPNOTSUPP);
    return;
  }
  ServeInode(req, "removexattr", [&](Mount& mount, const ClientPtr& fs) -> absl::Status {
    absl::Status status = mount.xattrs().Remove(*fs, PathOf(mount.IdOf(ino)), name);
    if (status.ok()) fuse_reply_err(req, 0);
    return status;
  });
}

}  // namespace cairn::fuse
