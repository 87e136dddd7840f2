#include <fcntl.h>

#include <memory>
#include <optional>
#include <utility>

#include "common/status_macros.h"
#include "fuse/handles.h"
#include "fuse/ops/ops.h"
#include "fuse/ops/serve.h"

namespace cairn::fuse {

// What was closed before, by whomever, is seen by who opens now: the attributes that the kernel
// still holds are not believed after it.
void Open(fuse_req_t req, fuse_ino_t ino, fuse_file_info* info) {
  ServeInode(req, "open", [&](Mount& mount, const ClientPtr& fs) -> absl::Status {
    const uint64_t id = mount.IdOf(ino);
    std::optional<Changes::UnderWay> change;
    if ((info->flags & O_TRUNC) != 0) change.emplace(mount.changes());
    // Asked before the file is cut: an open that fails has changed nothing.
    bool in_place = false;
    if (MayMapToWrite(info->flags)) {
      ASSIGN_OR_RETURN(in_place, mount.CanChangeInPlace(*fs, id));
    }
    ASSIGN_OR_RETURN(std::unique_ptr<FileHandle> handle,
                     FileHandle::Open(mount, fs, id, info->flags, InterruptedOf(req)));
    mount.ForgetAttributes(ino);
    const std::optional<client::ContentsId> contents = handle->contents();
    if (contents.has_value()) handle->file().NoteFound(*contents);
    SetCaching(*info, in_place, contents.has_value() && mount.pages().Found(id, *contents));
    info->fh = mount.handles().Hold(std::move(handle));
    // If the caller is gone there will be no release.
    if (fuse_reply_open(req, info) != 0) mount.handles().Drop(info->fh);
    return absl::OkStatus();
  });
}

}  // namespace cairn::fuse
