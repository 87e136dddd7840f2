// datanode/volume/disk_balancer.h - moves replicas from full disks of this node to emptier ones.
//
// A volume's fill is the share of its file system that is taken, whoever takes it. When the fullest
// and the emptiest of one storage type are further apart than the threshold, finalized replicas go
// from one to the other, one at a time, at a bounded rate, until three quarters of what lies
// between them is made up for. Two directories of one disk are always equally full, so nothing
// moves between them. What a move is: ReplicaStore::Move. Source of the idea and of the keys:
// Apache Hadoop's disk balancer, which wants a plan made and run by hand.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "common/mutex.h"
#include "datanode/volume/replica_store.h"

namespace cairn::datanode {

struct DiskBalancerOptions {
  bool enabled = true;
  double threshold_percent = 10;
  uint64_t bytes_per_second = uint64_t{10} << 20;
  absl::Duration check_interval = absl::Minutes(1);
};

// ---- The decision ----
struct DiskFill {
  int volume = 0;
  StorageType type = StorageType::kDisk;
  uint64_t capacity_bytes = 0;
  uint64_t free_bytes = 0;  // for new replicas
  double percent() const;
};
struct DiskMove {
  int from = 0;
  int to = 0;
  uint64_t bytes = 0;  // that would make the two equally full; at least 1
};
// Nothing: no two of a type are more than `threshold_percent` apart. Volumes that have failed are
// not in `volumes`.
std::optional<DiskMove> PlanDiskMove(const std::vector<DiskFill>& volumes,
                                     double threshold_percent);

class DiskBalancer {
 public:
  // Starts the thread if enabled. `store` outlives this.
  DiskBalancer(ReplicaStore& store, DiskBalancerOptions options);
  ~DiskBalancer();
  DiskBalancer(const DiskBalancer&) = delete;
  DiskBalancer& operator=(const DiskBalancer&) = delete;

  struct Counters {
    uint64_t replicas = 0;  // moved
    uint64_t bytes = 0;
    uint64_t failures = 0;
  };
  Counters counters() const ABSL_LOCKS_EXCLUDED(mu_);

  // One look, and the moves that follow from it; `pace` may wait, or end them by false. True if
  // anything was moved. By the thread; by tests without one.
  bool Round(const std::function<bool(uint64_t bytes)>& pace) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void Run() ABSL_LOCKS_EXCLUDED(mu_);
  bool Pause(absl::Duration duration) ABSL_LOCKS_EXCLUDED(mu_);
  std::vector<DiskFill> Fills() const;

  ReplicaStore& store_;
  const DiskBalancerOptions options_;
  mutable Mutex mu_;
  CondVar wake_;
  Counters counters_ ABSL_GUARDED_BY(mu_);
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace cairn::datanode
