// datanode/scanner/scanner.h - the scanners of all volumes, each with its own pace and place.
#pragma once

#include <memory>
#include <vector>

#include "common/mutex.h"
#include "datanode/scanner/volume_scanner.h"

namespace cairn::datanode {

// Thread-safe.
class Scanner {
 public:
  // `store` and `clock` outlive this.
  Scanner(ReplicaStore& store, ScanOptions options, Clock& clock = SystemClock());

  // Begins with a volume that was added. One that failed or was removed is left by itself.
  void Watch(int volume) ABSL_LOCKS_EXCLUDED(mu_);
  // Somebody has reason to doubt this replica: it is looked at before all others of its volume.
  void Suspect(const ReplicaInfo& replica) ABSL_LOCKS_EXCLUDED(mu_);
  std::vector<ScanReport> Reports() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  ReplicaStore& store_;
  const ScanOptions options_;
  Clock& clock_;
  mutable Mutex mu_;
  std::vector<std::unique_ptr<VolumeScanner>> volumes_ ABSL_GUARDED_BY(mu_);  // by index
};

}  // namespace cairn::datanode
