#include <cerrno>

#include "common/fs_error.h"
#include "common/status_macros.h"
#include "fuse/ops/ops.h"
#include "fuse/ops/serve.h"
#include "fuse/paths.h"

namespace cairn::fuse {
namespace {

absl::Status Remove(client::FileSystem& fs, const std::string& path) {
  ASSIGN_OR_RETURN(const bool removed, fs.Delete(path, /*recursive=*/false));
  if (removed) return absl::OkStatus();
  return MakeFsError(FsError::kFileNotFound, absl::StrCat(path, ": is not there"));
}

// A file that is open in this mount is kept until its last close, under another name: HDFS has no
// files without one.
absl::Status Hide(Mount& mount, const ClientPtr& fs, uint64_t parent, const std::string& path,
                  uint64_t inode) {
  const std::string hidden = ChildPath(parent, HiddenName(inode));
  RETURN_IF_ERROR(fs->Rename2(path, hidden, client::RenameOption::kNoOverwrite));
  // Another client may have put another file there in this moment, which nobody here has open.
  ASSIGN_OR_RETURN(const client::FileStatus moved, fs->Stat(hidden));
  if (moved.inode == inode && mount.files().RemoveAtLastClose(inode, parent, fs)) {
    return absl::OkStatus();
  }
  return Remove(*fs, hidden);
}

absl::Status UnlinkName(Mount& mount, const ClientPtr& fs, uint64_t parent, absl::string_view name,
                        const client::FileStatus& status) {
  const std::string path = ChildPath(parent, name);
  const bool open = mount.files().Find(status.inode) != nullptr;
  // Who removes it under its hidden name means it.
  if (!open || name == HiddenName(status.inode)) return Remove(*fs, path);
  return Hide(mount, fs, parent, path, status.inode);
}

}  // namespace

void Unlink(fuse_req_t req, fuse_ino_t parent, const char* name) {
  if (RefuseName(req, name)) return;
  Serve(req, "unlink", [&](Mount& mount, const ClientPtr& fs) -> absl::Status {
    const uint64_t parent_id = mount.IdOf(parent);
    // The kernel's idea of what the name stands for may be old, and HDFS deletes whatever is there.
    ASSIGN_OR_RETURN(const client::FileStatus status, fs->Stat(ChildPath(parent_id, name)));
    if (status.is_directory()) {
      Refuse(req, EISDIR);
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(UnlinkName(mount, fs, parent_id, name, status));
    fuse_reply_err(req, 0);
    return absl::OkStatus();
  });
}

}  // namespace cairn::fuse
