#include <sys/xattr.h>

#include <string>

#include "fuse/ops/ops.h"
#include "fuse/ops/serve.h"
#include "fuse/paths.h"

namespace cairn::fuse {

void Setxattr(fuse_req_t req, fuse_ino_t ino, const char* name, const char* value, size_t size,
              int flags) {
  if (RefuseXattrChange(req, name)) return;
  client::XattrSetting setting = client::XattrSetting::kAny;
  if ((flags & XATTR_CREATE) != 0) setting = client::XattrSetting::kNew;
  if ((flags & XATTR_REPLACE) != 0) setting = client::XattrSetting::kExisting;
  ServeInode(req, "setxattr", [&](Mount& mount, const ClientPtr& fs) -> absl::Status {
    absl::Status status =
        mount.xattrs().Set(*fs, PathOf(mount.IdOf(ino)), name, std::string(value, size), setting);
    if (status.ok()) fuse_reply_err(req, 0);
    return status;
  });
}

}  // namespace cairn::fuse
