#include <cerrno>

#include "client/path.h"
#include "common/fs_error.h"
#include "common/status_macros.h"
#include "fuse/ops/ops.h"
#include "fuse/ops/serve.h"
#include "fuse/paths.h"

namespace cairn::fuse {
namespace {

absl::Status RemoveEmpty(client::FileSystem& fs, const std::string& path) {
  ASSIGN_OR_RETURN(const bool removed, fs.Delete(path, /*recursive=*/false));
  if (removed) return absl::OkStatus();
  return MakeFsError(FsError::kFileNotFound, absl::StrCat(path, ": is not there"));
}

// A directory in which only files are left that were unlinked while open is empty to everybody but
// HDFS: they go one directory up. False: something else is in it.
absl::StatusOr<bool> MoveHiddenUp(Mount& mount, const ClientPtr& fs, uint64_t parent,
                                  const std::string& path) {
  std::vector<uint64_t> hidden;
  client::DirectoryIterator entries = fs->List(path);
  while (true) {
    ASSIGN_OR_RETURN(const std::optional<client::FileStatus> entry, entries.Next());
    if (!entry.has_value()) break;
    const std::string name = HiddenName(entry->inode);
    if (client::BaseName(entry->path) != name) return false;
    if (mount.files().Find(entry->inode) != nullptr) {
      hidden.push_back(entry->inode);
      continue;
    }
    // Closed since the listing, or what a mount that was killed has left.
    if (!absl::IsNotFound(fs->Stat(absl::StrCat(path, "/", name)).status())) return false;
  }
  for (const uint64_t inode : hidden) {
    const absl::Status moved =
        fs->Rename2(absl::StrCat(path, "/", HiddenName(inode)),
                    ChildPath(parent, HiddenName(inode)), client::RenameOption::kNoOverwrite);
    if (absl::IsNotFound(moved)) continue;  // closed meanwhile
    RETURN_IF_ERROR(moved);
    if (!mount.files().RemoveAtLastClose(inode, parent, fs)) {
      RETURN_IF_ERROR(RemoveEmpty(*fs, ChildPath(parent, HiddenName(inode))));
    }
  }
  return true;  // also if there were none: the last one has just gone
}

}  // namespace

void Rmdir(fuse_req_t req, fuse_ino_t parent, const char* name) {
  if (RefuseName(req, name)) return;
  Serve(req, "rmdir", [&](Mount& mount, const ClientPtr& fs) -> absl::Status {
    const uint64_t parent_id = mount.IdOf(parent);
    const std::string path = ChildPath(parent_id, name);
    // The kernel's idea of what the name stands for may be old, and HDFS deletes whatever is there.
    ASSIGN_OR_RETURN(const client::FileStatus status, fs->Stat(path));
    if (!status.is_directory()) {
      Refuse(req, ENOTDIR);
      return absl::OkStatus();
    }
    absl::Status removed = RemoveEmpty(*fs, path);
    if (GetFsError(removed) == FsError::kNotEmptyDirectory) {
      const absl::StatusOr<bool> empty = MoveHiddenUp(mount, fs, parent_id, path);
      if (empty.value_or(true)) removed = RemoveEmpty(*fs, path);
    }
    RETURN_IF_ERROR(removed);
    fuse_reply_err(req, 0);
    return absl::OkStatus();
  });
}

}  // namespace cairn::fuse
