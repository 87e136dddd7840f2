#include <fcntl.h>

#include <memory>

#include "common/status_macros.h"
#include "fuse/handles.h"
#include "fuse/ops/ops.h"
#include "fuse/ops/serve.h"
#include "fuse/paths.h"

namespace cairn::fuse {

// What was closed before, by whomever, is seen by who opens now: the attributes that the kernel
// still holds are not believed after it.
void Open(fuse_req_t req, fuse_ino_t ino, fuse_file_info* info) {
  ServeInode(req, "open", [&](Mount& mount, const ClientPtr& fs) -> absl::Status {
    const uint64_t id = mount.IdOf(ino);
    auto handle = std::make_unique<FileHandle>(mount, fs, id, info->flags);
    if (handle->may_write() && !mount.settings().kernel_checks) {
      RETURN_IF_ERROR(fs->Access(PathOf(id), 2));
    }
    if ((info->flags & O_TRUNC) != 0) {
      RETURN_IF_ERROR(handle->file().Truncate(*fs, 0, InterruptedOf(req)));
    }
    if (handle->may_read()) RETURN_IF_ERROR(handle->OpenForReading());
    mount.ForgetAttributes(ino);
    SetCaching(*info);
    info->fh = reinterpret_cast<uint64_t>(handle.get());
    // If the caller is gone there will be no release.
    if (fuse_reply_open(req, info) == 0) handle.release();
    return absl::OkStatus();
  });
}

}  // namespace cairn::fuse
