// Links of both kinds: HDFS makes none. EPERM is what POSIX has for a file system without them.
#include <cerrno>

#include "common/status_macros.h"
#include "fuse/ops/ops.h"
#include "fuse/ops/serve.h"
#include "fuse/paths.h"

namespace cairn::fuse {

void Symlink(fuse_req_t req, const char* /*target*/, fuse_ino_t /*parent*/, const char* /*name*/) {
  Refuse(req, EPERM);
}

void Link(fuse_req_t req, fuse_ino_t /*ino*/, fuse_ino_t /*new_parent*/, const char* /*name*/) {
  Refuse(req, EPERM);
}

// Old clusters may have some.
void Readlink(fuse_req_t req, fuse_ino_t ino) {
  ServeInode(req, "readlink", [&](Mount& mount, const ClientPtr& fs) -> absl::Status {
    ASSIGN_OR_RETURN(const client::FileStatus status, fs->Stat(PathOf(mount.IdOf(ino))));
    fuse_reply_readlink(req, status.symlink.c_str());
    return absl::OkStatus();
  });
}

}  // namespace cairn::fuse
