#include <optional>

#include "fuse/handles.h"
#include "fuse/ops/ops.h"
#include "fuse/ops/serve.h"

namespace cairn::fuse {

// After the last close(2); nobody waits for it.
void Release(fuse_req_t req, fuse_ino_t /*ino*/, fuse_file_info* info) {
  FileHandle& handle = FileOf(*info);
  std::optional<Changes::UnderWay> change;
  if (handle.may_write()) change.emplace(MountOf(req).changes());
  delete &handle;
  fuse_reply_err(req, 0);
}

}  // namespace cairn::fuse
