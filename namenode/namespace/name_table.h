// namenode/namespace/name_table.h - user and group names, each kept once and for ever, so that
// an inode holds a pointer and a status a view. A cluster has few; they are never removed.
// Thread-safe.
#pragma once

#include <string>

#include "absl/container/node_hash_set.h"
#include "absl/strings/string_view.h"
#include "common/mutex.h"

namespace cairn::namenode {

class NameTable {
 public:
  const std::string* Intern(absl::string_view name) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    auto it = names_.find(name);
    if (it == names_.end()) it = names_.emplace(name).first;
    return &*it;
  }

 private:
  Mutex mu_;
  absl::node_hash_set<std::string> names_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::namenode
