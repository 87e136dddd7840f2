#include "fuse/page_versions.h"

namespace cairn::fuse {

bool PageVersions::Found(uint64_t inode, const client::ContentsId& contents) {
  MutexLock lock(mu_);
  const auto known = found_.find(inode);
  if (known != found_.end()) {
    const bool same = known->second == contents;
    known->second = contents;
    return same;
  }
  if (found_.size() >= kMaxEntries) found_.clear();
  found_.emplace(inode, contents);
  return false;
}

void PageVersions::Forget(uint64_t inode) {
  MutexLock lock(mu_);
  found_.erase(inode);
}

}  // namespace cairn::fuse
