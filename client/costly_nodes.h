// client/costly_nodes.h - datanodes that have cost a reader seconds to no avail, for half a minute,
// or whose bytes have come after another replica's again and again: the others are asked first.
//
// One that hangs, or is cut off, would cost each new stream the same again until the namenode
// notices. Thread-safe.
#pragma once

#include <algorithm>
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
  // Hedged reads in a row that a node has lost: a single one says nothing, for a good disk has its
  // slow moments, and these are what reads are hedged for.
  static constexpr int kOutrunInARow = 3;
  static constexpr absl::Duration kOutrunLife = absl::Seconds(10);

  explicit CostlyNodes(Clock& clock) : clock_(clock) {}  // outlives this

  // An attempt to read from the node has failed, and took so long.
  void Failed(const std::string& datanode_uuid, absl::Duration took) ABSL_LOCKS_EXCLUDED(mu_) {
    if (took < kCostly) return;
    MutexLock lock(mu_);
    until_[datanode_uuid] = clock_.Monotonic() + kLife;
    any_.store(true, std::memory_order_relaxed);
  }

  // Another replica, which was asked later, has been read before this node's was.
  void Outrun(const std::string& datanode_uuid) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    int& in_a_row = outrun_[datanode_uuid];
    in_a_row = std::min(in_a_row + 1, kOutrunInARow);
    if (in_a_row < kOutrunInARow) return;
    absl::Duration& until = until_[datanode_uuid];
    until = std::max(until, clock_.Monotonic() + kOutrunLife);
    any_.store(true, std::memory_order_relaxed);
  }
  // It was the first.
  void Won(const std::string& datanode_uuid) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    outrun_.erase(datanode_uuid);
  }

  bool Any() const { return any_.load(std::memory_order_relaxed); }  // false: Until is zero for all
  // On the clock, how long the others are to be asked first; zero: they are not.
  absl::Duration Until(const std::string& datanode_uuid) ABSL_LOCKS_EXCLUDED(mu_) {
    if (!Any()) return absl::ZeroDuration();
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
  absl::flat_hash_map<std::string, int> outrun_ ABSL_GUARDED_BY(mu_);  // in a row
};

}  // namespace cairn::client
