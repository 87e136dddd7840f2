// fuse/page_versions.h - of which contents of a file the kernel has pages.
//
// The kernel drops the pages that an earlier open left if size or time have changed since. A
// program that writes a file anew in place and then sets its old time (cp -p, rsync --inplace -t)
// leaves it nothing to see. The blocks tell: as long as an open finds those of the last one, pages
// may stay.
//
// Of at most kMaxEntries files; then all are forgotten, which costs their pages at the next open.
//
// Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "client/input_stream.h"
#include "common/mutex.h"

namespace cairn::fuse {

class PageVersions {
 public:
  static constexpr size_t kMaxEntries = 20'000;

  // An open found `contents`. Whether those are what the last open found.
  bool Found(uint64_t inode, const client::ContentsId& contents) ABSL_LOCKS_EXCLUDED(mu_);
  // The kernel's pages may be of no contents that ever were. The next Found is false.
  void Forget(uint64_t inode) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  Mutex mu_;
  absl::flat_hash_map<uint64_t, client::ContentsId> found_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::fuse
