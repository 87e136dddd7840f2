#include <cerrno>

#include "common/fs_error.h"
#include "common/status_macros.h"
#include "fuse/ops/ops.h"
#include "fuse/ops/serve.h"
#include "fuse/paths.h"

namespace cairn::fuse {

void Lookup(fuse_req_t req, fuse_ino_t parent, const char* name) {
  if (RefuseName(req, name)) return;
  Serve(req, "lookup", [&](Mount& mount, const ClientPtr& fs) -> absl::Status {
    const absl::StatusOr<fuse_entry_param> entry =
        mount.EntryAt(*fs, ChildPath(mount.IdOf(parent), name));
    // A name that HDFS cannot have (with a colon) is not there either.
    if (absl::IsNotFound(entry.status()) || GetFsError(entry.status()) == FsError::kInvalidPath) {
      fuse_entry_param none{};
      none.entry_timeout = absl::ToDoubleSeconds(mount.settings().negative_life);
      if (none.entry_timeout > 0) {
        mount.statistics().NoteError(ENOENT);
        fuse_reply_entry(req, &none);
      } else {
        Refuse(req, ENOENT);
      }
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(entry.status());
    fuse_reply_entry(req, &*entry);
    return absl::OkStatus();
  });
}

}  // namespace cairn::fuse
