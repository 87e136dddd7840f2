#include <sys/stat.h>

#include <cerrno>

#include "common/status_macros.h"
#include "fuse/new_file.h"
#include "fuse/ops/ops.h"
#include "fuse/ops/serve.h"
#include "fuse/paths.h"

namespace cairn::fuse {

// Files only: HDFS has no devices, pipes or sockets.
void Mknod(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode, dev_t /*device*/) {
  if (RefuseName(req, name)) return;
  if (!S_ISREG(mode)) {
    Refuse(req, EPERM);
    return;
  }
  Serve(req, "mknod", [&](Mount& mount, const ClientPtr& fs) -> absl::Status {
    const std::string path = ChildPath(mount.IdOf(parent), name);
    ASSIGN_OR_RETURN(const auto stream, CreateEmpty(*fs, path, mode));
    RETURN_IF_ERROR(CompleteEmpty(*fs, *stream));
    ASSIGN_OR_RETURN(const fuse_entry_param entry, mount.EntryOf(*fs, stream->status()));
    fuse_reply_entry(req, &entry);
    return absl::OkStatus();
  });
}

}  // namespace cairn::fuse
