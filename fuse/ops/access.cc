#include <unistd.h>

#include "common/status_macros.h"
#include "fuse/ops/ops.h"
#include "fuse/ops/serve.h"
#include "fuse/paths.h"

namespace cairn::fuse {

void Access(fuse_req_t req, fuse_ino_t ino, int mask) {
  ServeInode(req, "access", [&](Mount& mount, const ClientPtr& fs) -> absl::Status {
    static_assert(R_OK == 4 && W_OK == 2 && X_OK == 1, "the bits that FileSystem::Access takes");
    if (mask != F_OK) RETURN_IF_ERROR(fs->Access(PathOf(mount.IdOf(ino)), mask & 7));
    fuse_reply_err(req, 0);
    return absl::OkStatus();
  });
}

}  // namespace cairn::fuse
