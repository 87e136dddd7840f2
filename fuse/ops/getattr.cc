#include "common/status_macros.h"
#include "fuse/handles.h"
#include "fuse/ops/ops.h"
#include "fuse/ops/serve.h"

namespace cairn::fuse {

void Getattr(fuse_req_t req, fuse_ino_t ino, fuse_file_info* info) {
  ServeInode(req, "getattr", [&](Mount& mount, const ClientPtr& caller) -> absl::Status {
    // A read asks for the length first, and may what open(2) allowed. fstat(2) comes without its
    // descriptor.
    client::FileSystem& fs = info != nullptr ? FileOf(*info).fs() : *caller;
    ASSIGN_OR_RETURN(const struct stat attributes, mount.DescribeInode(fs, mount.IdOf(ino)));
    fuse_reply_attr(req, &attributes, absl::ToDoubleSeconds(mount.settings().attribute_life));
    return absl::OkStatus();
  });
}

}  // namespace cairn::fuse
