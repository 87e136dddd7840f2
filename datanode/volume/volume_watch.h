// datanode/volume/volume_watch.h - looks at the volumes in the background, and says when too many
// have failed.
//
// Every `presence_interval`: is each volume's directory there, and ours; a disk that was unmounted
// is noticed though nobody uses it; and how much room is there. Every `check_interval`: can it be
// written. A call that meets an error in between checks by itself (Volume::Note). Each volume has a
// thread of its own for this, since its disk may hang.
//
// A disk hangs if a call on it, whoever made it, has not returned for `hang_limit`: it has failed,
// like one that gives errors. Those who wait for it wait on.
#pragma once

#include <functional>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/mutex.h"
#include "datanode/volume/replica_store.h"

namespace cairn::datanode {

struct WatchOptions {
  absl::Duration presence_interval = absl::Seconds(1);
  absl::Duration check_interval = absl::Minutes(15);
  absl::Duration hang_limit = absl::Minutes(1);  // cairn.datanode.disk.hang.timeout
  int tolerated = -1;                            // dfs.datanode.failed.volumes.tolerated
  int failed_at_start = 0;                       // volumes that could not even be opened
};

class VolumeWatch {
 public:
  // On this class's own thread: `too_many` is called once, with what is to be said of it;
  // `each_look` whenever it has looked. `store` outlives this.
  VolumeWatch(ReplicaStore& store, WatchOptions options,
              std::function<void(const absl::Status&)> too_many,
              std::function<void()> each_look = nullptr);
  // Waits for calls on the disks that are under way.
  ~VolumeWatch();
  VolumeWatch(const VolumeWatch&) = delete;
  VolumeWatch& operator=(const VolumeWatch&) = delete;

 private:
  void Run() ABSL_LOCKS_EXCLUDED(mu_);
  void LookAt(Volume& volume) ABSL_LOCKS_EXCLUDED(mu_);
  // False: this is to end.
  bool Pause() ABSL_LOCKS_EXCLUDED(mu_);

  ReplicaStore& store_;
  const WatchOptions options_;
  const std::function<void(const absl::Status&)> too_many_;
  const std::function<void()> each_look_;
  Mutex mu_;
  CondVar wake_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::thread> lookers_;  // by the volume's index; Run's
  std::thread thread_;
};

// Marks the volume as failed if a call on it has been under way for `hang_limit` or longer.
void JudgeHang(Volume& volume, absl::Duration hang_limit);

// Whether some volume has a call that hangs: who waits for its disk waits for ever.
bool AnyHangs(const ReplicaStore& store, absl::Duration hang_limit);

// kFailedPrecondition if too many of the store's volumes have failed; names each, and why.
absl::Status CheckVolumes(const ReplicaStore& store, const WatchOptions& options);

}  // namespace cairn::datanode
