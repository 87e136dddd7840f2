// client/costly_nodes.h - datanodes that have cost a reader seconds to no avail, for half a minute:
// the others are asked first.
//
// One that hangs, or is cut off, would cost each new stream the same again until the namenode
// notices. Thread-safe.
#pragma once

#include <atomic>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/mutex.h"

namespace cairn::client {

class CostlyNodes {
 public:
  static constexpr absl::Duration kCostly = absl::Seconds(1);
  static constexpr absl::Duration kLife = absl::Seconds(30);

  explicit CostlyNodes(Clock& clock) : clock_(clock) {}  // outlives this

  // An attempt to read from the node has failed, and took so long.
  void Failed(const std::string& datanode_uuid, absl::Duration took) ABSL_LOCKS_EXCLUDED(mu_) {
    if (took < kCostly) return;
    MutexLock lock(mu_);
    until_[datanode_uuid] = clock_.Monotonic() + kLife;
    any_.store(true, std::memory_order_relaxed);
  }

  // On the clock, how long the others are to be asked first; zero: they are not.
  absl::Duration Until(const std::string& datanode_uuid) ABSL_LOCKS_EXCLUDED(mu_) {
    if (!any_.load(std::memory_order_relaxed)) return absl::ZeroDuration();
    MutexLock lock(mu_);
    const auto found = until_.find(datanode_uuid);
    if (found == until_.end()) return absl::ZeroDuration();
    if (clock_.Monotonic() < found->second) return found->second;
    until_.erase(found);
    any_.store(!until_.empty(), std::memory_order_relaxed);
    return absl::ZeroDuration();
  }

 private:
  Clock& clock_;
  std::atomic<bool> any_ = false;
  Mutex mu_;
  absl::flat_hash_map<std::string, absl::Duration> until_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::client
