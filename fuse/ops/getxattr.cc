#include <cerrno>
#include <optional>
#include <string>

#include "common/status_macros.h"
#include "fuse/ops/ops.h"
#include "fuse/ops/serve.h"
#include "fuse/paths.h"
#include "fuse/told_xattrs.h"
#include "fuse/xattr_names.h"

namespace cairn::fuse {

// By name: also what no listing names.
void Getxattr(fuse_req_t req, fuse_ino_t ino, const char* name, size_t size) {
  const XattrOwner owner = OwnerOf(name);
  if (owner == XattrOwner::kNobody) {
    Decline(req, EOPNOTSUPP);
    return;
  }
  ServeInode(req, "getxattr", [&](Mount& mount, const ClientPtr& fs) -> absl::Status {
    const uint64_t id = mount.IdOf(ino);
    std::optional<std::string> value;
    if (owner == XattrOwner::kMount) {
      const auto admin = [&] { return mount.AdminOf(*fs); };
      ASSIGN_OR_RETURN(value,
                       Tell(*fs, admin, id, name, size == 0 ? Wanted::kSize : Wanted::kValue));
    } else {
      ASSIGN_OR_RETURN(value, mount.xattrs().Get(*fs, PathOf(id), name));
    }
    if (!value.has_value()) {
      Decline(req, ENODATA);
    } else {
      AnswerXattr(req, *value, size);
    }
    return absl::OkStatus();
  });
}

}  // namespace cairn::fuse
