#include <memory>
#include <optional>
#include <utility>

#include "common/status_macros.h"
#include "fuse/handles.h"
#include "fuse/ops/ops.h"
#include "fuse/ops/serve.h"
#include "fuse/virtual_files.h"

namespace cairn::fuse {

void Opendir(fuse_req_t req, fuse_ino_t ino, fuse_file_info* info) {
  ServeInode(req, "opendir", [&](Mount& mount, const ClientPtr& fs) -> absl::Status {
    std::optional<Directory::Own> own;
    if (mount.settings().virtual_files && ino == FUSE_ROOT_ID) {
      own = {.name = kVirtualDirectoryName, .inode = kVirtualDirectory};
    }
    auto directory =
        std::make_unique<Directory>(fs, mount.IdOf(ino), mount.changes(), std::move(own));
    RETURN_IF_ERROR(directory->Open());
    info->fh = mount.handles().Hold(std::move(directory));
    // If the caller is gone there will be no release.
    if (fuse_reply_open(req, info) != 0) mount.handles().Drop(info->fh);
    return absl::OkStatus();
  });
}

// Every change of a directory is durable when it is answered.
void Fsyncdir(fuse_req_t req, fuse_ino_t /*ino*/, int /*data_only*/, fuse_file_info* /*info*/) {
  fuse_reply_err(req, 0);
}

void Releasedir(fuse_req_t req, fuse_ino_t /*ino*/, fuse_file_info* info) {
  MountOf(req).handles().Drop(info->fh);
  fuse_reply_err(req, 0);
}

}  // namespace cairn::fuse
