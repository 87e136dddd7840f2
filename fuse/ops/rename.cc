#include <cerrno>
#include <cstdio>

#include "common/status_macros.h"
#include "fuse/ops/ops.h"
#include "fuse/ops/serve.h"
#include "fuse/paths.h"

namespace cairn::fuse {

// One edit of the namenode: whoever looks finds the old file or the new one under `new_name`. A
// file that was there and is open somewhere loses its blocks, as in HDFS: keeping it readable would
// take a moment in which neither is there.
void Rename(fuse_req_t req, fuse_ino_t parent, const char* name, fuse_ino_t new_parent,
            const char* new_name, unsigned int flags) {
  if (RefuseName(req, name) || RefuseName(req, new_name)) return;
  if ((flags & ~static_cast<unsigned int>(RENAME_NOREPLACE)) != 0) {
    Refuse(req, EINVAL);  // RENAME_EXCHANGE, RENAME_WHITEOUT
    return;
  }
  Serve(req, "rename", [&](Mount& mount, const ClientPtr& fs) -> absl::Status {
    const bool replace = (flags & RENAME_NOREPLACE) == 0;
    RETURN_IF_ERROR(fs->Rename2(
        ChildPath(mount.IdOf(parent), name), ChildPath(mount.IdOf(new_parent), new_name),
        replace ? client::RenameOption::kOverwrite : client::RenameOption::kNoOverwrite));
    fuse_reply_err(req, 0);
    return absl::OkStatus();
  });
}

}  // namespace cairn::fuse
