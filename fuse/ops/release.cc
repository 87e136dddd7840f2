#include <optional>

#include "fuse/handles.h"
#include "fuse/ops/ops.h"
#include "fuse/ops/serve.h"

namespace cairn::fuse {

// After the last close(2); nobody waits for it.
void Release(fuse_req_t req, fuse_ino_t /*ino*/, fuse_file_info* info) {
  Mount& mount = MountOf(req);
  std::optional<Changes::UnderWay> change;
  if (FileOf(*info).may_write()) change.emplace(mount.changes());
  mount.handles().Drop(info->fh);
  fuse_reply_err(req, 0);
}

}  // namespace cairn::fuse
