// datanode/volume/volume_watch.h - looks at the volumes in the background, and says when too many
// have failed.
//
// Every `presence_interval`: is each volume's directory there, and ours; a disk that was unmounted
// is noticed though nobody uses it. Every `check_interval`: can it be written. A call that meets an
// error in between checks by itself (Volume::Note). The thread waits for one disk at a time: one
// that hangs keeps the others from being looked at here, not from being used.
#pragma once

#include <functional>
#include <thread>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/mutex.h"
#include "datanode/volume/replica_store.h"

namespace cairn::datanode {

struct WatchOptions {
  absl::Duration presence_interval = absl::Seconds(1);
  absl::Duration check_interval = absl::Minutes(15);
  int tolerated = -1;       // dfs.datanode.failed.volumes.tolerated
  int failed_at_start = 0;  // volumes that could not even be opened
};

class VolumeWatch {
 public:
  // `too_many` is called once, on the thread, with what is to be said of it. `store` outlives this.
  VolumeWatch(ReplicaStore& store, WatchOptions options,
              std::function<void(const absl::Status&)> too_many);
  ~VolumeWatch();
  VolumeWatch(const VolumeWatch&) = delete;
  VolumeWatch& operator=(const VolumeWatch&) = delete;

 private:
  void Run() ABSL_LOCKS_EXCLUDED(mu_);

  ReplicaStore& store_;
  const WatchOptions options_;
  const std::function<void(const absl::Status&)> too_many_;
  Mutex mu_;
  CondVar wake_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

// kFailedPrecondition if too many of the store's volumes have failed; names each, and why.
absl::Status CheckVolumes(const ReplicaStore& store, const WatchOptions& options);

}  // namespace cairn::datanode
