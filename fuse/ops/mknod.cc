#include <sys/stat.h>

#include <cerrno>

#include "common/status_macros.h"
#include "fuse/ops/ops.h"
#include "fuse/ops/serve.h"
#include "fuse/paths.h"

namespace cairn::fuse {

// Files only: HDFS has no devices, pipes or sockets.
void Mknod(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode, dev_t /*device*/) {
  if (RefuseName(req, name)) return;
  if (!S_ISREG(mode)) {
    fuse_reply_err(req, EPERM);
    return;
  }
  Serve(req, "mknod", [&](Mount& mount, const ClientPtr& fs) -> absl::Status {
    const std::string path = ChildPath(mount.IdOf(parent), name);
    client::CreateOptions options;
    options.create_parents = false;
    options.mode = static_cast<uint16_t>(mode & 0777);
    ASSIGN_OR_RETURN(const auto stream, fs->Create(path, options));
    RETURN_IF_ERROR(stream->Close());
    ASSIGN_OR_RETURN(const fuse_entry_param entry, mount.EntryOf(*fs, stream->status()));
    fuse_reply_entry(req, &entry);
    return absl::OkStatus();
  });
}

}  // namespace cairn::fuse
