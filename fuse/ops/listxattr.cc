#include <algorithm>
#include <string>
#include <vector>

#include "common/status_macros.h"
#include "fuse/ops/ops.h"
#include "fuse/ops/serve.h"
#include "fuse/paths.h"
#include "fuse/told_xattrs.h"

namespace cairn::fuse {
namespace {

// As everywhere, only who could set them sees these: others would be refused one that was listed.
bool IsTrusted(const std::string& name) { return name.rfind("trusted.", 0) == 0; }

}  // namespace

// What a copy is to have: cp -a, rsync -X and tar --xattrs set on it what is listed here. The
// mount's own are not listed therefore, unless the mount is asked to.
void Listxattr(fuse_req_t req, fuse_ino_t ino, size_t size) {
  ServeInode(req, "listxattr", [&](Mount& mount, const ClientPtr& fs) -> absl::Status {
    const std::string path = PathOf(mount.IdOf(ino));
    ASSIGN_OR_RETURN(std::vector<std::string> names, mount.xattrs().List(*fs, path));
    if (fuse_req_ctx(req)->uid != 0) std::erase_if(names, &IsTrusted);
    if (mount.settings().list_xattrs) {
      ASSIGN_OR_RETURN(const client::FileStatus status, fs->Stat(path));
      for (std::string& name : ToldNames(status.is_directory())) names.push_back(std::move(name));
    }
    std::string list;
    for (const std::string& name : names) list.append(name.c_str(), name.size() + 1);
    AnswerXattr(req, list, size);
    return absl::OkStatus();
  });
}

}  // namespace cairn::fuse
