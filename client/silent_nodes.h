// client/silent_nodes.h - datanodes that did not tell the length of a replica in time, for a few
// seconds: the next one who asks has no patience with them.
//
// Thread-safe.
#pragma once

#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/mutex.h"

namespace cairn::client {

class SilentNodes {
 public:
  static constexpr absl::Duration kLife = absl::Seconds(5);

  explicit SilentNodes(Clock& clock) : clock_(clock) {}  // outlives this

  void Note(const std::string& datanode_uuid) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    until_[datanode_uuid] = clock_.Monotonic() + kLife;
  }
  void Heard(const std::string& datanode_uuid) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    until_.erase(datanode_uuid);
  }
  bool Has(const std::string& datanode_uuid) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    const auto found = until_.find(datanode_uuid);
    if (found == until_.end()) return false;
    if (clock_.Monotonic() < found->second) return true;
    until_.erase(found);
    return false;
  }

 private:
  Clock& clock_;
  Mutex mu_;
  absl::flat_hash_map<std::string, absl::Duration> until_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::client
