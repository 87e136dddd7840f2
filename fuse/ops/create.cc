#include <fcntl.h>

#include <memory>
#include <utility>

#include "common/status_macros.h"
#include "fuse/handles.h"
#include "fuse/new_file.h"
#include "fuse/ops/ops.h"
#include "fuse/ops/serve.h"
#include "fuse/paths.h"

namespace cairn::fuse {
namespace {

// Another client made the name after the kernel had looked: open(2) without O_EXCL takes that file.
absl::StatusOr<std::unique_ptr<FileHandle>> OpenInstead(fuse_req_t req, Mount& mount,
                                                        const ClientPtr& fs,
                                                        const std::string& path, int flags,
                                                        client::FileStatus& status) {
  ASSIGN_OR_RETURN(status, fs->Stat(path));
  if (!status.is_file()) return absl::AlreadyExistsError(absl::StrCat(path, ": is no file"));
  return FileHandle::Open(mount, fs, status.inode, flags, InterruptedOf(req));
}

}  // namespace

void Create(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode,
            fuse_file_info* info) {
  if (RefuseName(req, name)) return;
  Serve(req, "create", [&](Mount& mount, const ClientPtr& fs) -> absl::Status {
    const std::string path = ChildPath(mount.IdOf(parent), name);
    client::FileStatus status;
    std::unique_ptr<FileHandle> handle;
    absl::StatusOr<std::unique_ptr<client::OutputStream>> stream = CreateEmpty(*fs, path, mode);
    if (stream.ok()) {
      status = (*stream)->status();
      handle = std::make_unique<FileHandle>(mount.files(), fs, status.inode, info->flags);
      if (handle->may_write()) {
        handle->file().Adopt(*std::move(stream));
      } else {
        RETURN_IF_ERROR(CompleteEmpty(*fs, **stream));  // no later close(2) would
      }
      // Its reader is made later. Whoever finds bytes finds others than this open has.
      handle->file().NoteFound({});
    } else if (absl::IsAlreadyExists(stream.status()) && (info->flags & O_EXCL) == 0) {
      ASSIGN_OR_RETURN(handle, OpenInstead(req, mount, fs, path, info->flags, status));
      if (const auto contents = handle->contents(); contents.has_value()) {
        handle->file().NoteFound(*contents);
      }
    } else {
      return stream.status();
    }
    bool in_place = false;
    if (MayMapToWrite(info->flags)) {
      ASSIGN_OR_RETURN(in_place, mount.CanChangeInPlace(*fs, status));
    }
    ASSIGN_OR_RETURN(const fuse_entry_param entry, mount.EntryOf(*fs, std::move(status)));
    SetCaching(*info, in_place, /*keep=*/false);
    info->fh = mount.handles().Hold(std::move(handle));
    // If the caller is gone there will be no release.
    if (fuse_reply_create(req, &entry, info) != 0) mount.handles().Drop(info->fh);
    return absl::OkStatus();
  });
}

}  // namespace cairn::fuse
