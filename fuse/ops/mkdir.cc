#include "common/status_macros.h"
#include "fuse/ops/ops.h"
#include "fuse/ops/serve.h"
#include "fuse/paths.h"

namespace cairn::fuse {

// HDFS's mkdirs is content with a directory that is there. The kernel has looked before it asks and
// keeps others out meanwhile; only one that another machine made in this moment goes unnoticed.
void Mkdir(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode) {
  if (RefuseName(req, name)) return;
  Serve(req, "mkdir", [&](Mount& mount, const ClientPtr& fs) -> absl::Status {
    const std::string path = ChildPath(mount.IdOf(parent), name);
    RETURN_IF_ERROR(fs->Mkdir(path, static_cast<uint16_t>(mode & 01777)));
    ASSIGN_OR_RETURN(client::FileStatus status, fs->Stat(path));
    ASSIGN_OR_RETURN(const fuse_entry_param entry, mount.EntryOf(*fs, std::move(status)));
    fuse_reply_entry(req, &entry);
    return absl::OkStatus();
  });
}

}  // namespace cairn::fuse
