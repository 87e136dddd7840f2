#include <sys/statvfs.h>

#include "common/status_macros.h"
#include "fuse/ops/ops.h"
#include "fuse/ops/serve.h"

namespace cairn::fuse {

// Bytes on the datanodes' disks: a file takes its length once for each of its replicas.
void Statfs(fuse_req_t req, fuse_ino_t /*ino*/) {
  Serve(req, "statfs", [&](Mount&, const ClientPtr& fs) -> absl::Status {
    constexpr uint64_t kUnit = 4096;
    ASSIGN_OR_RETURN(const client::FsStats stats, fs->GetFsStats());
    struct statvfs out {};
    out.f_bsize = out.f_frsize = kUnit;
    out.f_blocks = stats.capacity / kUnit;
    out.f_bfree = out.f_bavail = stats.remaining / kUnit;
    out.f_namemax = 255;
    fuse_reply_statfs(req, &out);
    return absl::OkStatus();
  });
}

}  // namespace cairn::fuse
