// namenode/core/accessed_files.h - files that were read and whose access time is to move, each
// once.
//
// Bounded: what does not fit is forgotten, and the file's next reader says it again. Thread-safe.
#pragma once

#include <cstddef>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "common/ids.h"
#include "common/mutex.h"

namespace cairn::namenode {

class AccessedFiles {
 public:
  explicit AccessedFiles(size_t most) : most_(most) {}

  void Add(InodeId file) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    if (files_.size() < most_) files_.insert(file);
  }
  absl::flat_hash_set<InodeId> Take() ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    return std::exchange(files_, {});
  }

 private:
  const size_t most_;
  Mutex mu_;
  absl::flat_hash_set<InodeId> files_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::namenode
