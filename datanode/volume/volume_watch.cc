#include "datanode/volume/volume_watch.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "common/logging.h"
#include "common/thread.h"
#include "datanode/volume/volume_health.h"

namespace cairn::datanode {

absl::Status CheckVolumes(const ReplicaStore& store, const WatchOptions& options) {
  int configured = options.failed_at_start;
  int failed = options.failed_at_start;
  std::string reasons;
  for (const Volume* const volume : store.volumes()) {
    if (volume->retired()) continue;
    ++configured;
    if (!volume->failed()) continue;
    ++failed;
    absl::StrAppend(&reasons, "; ", volume->path(), ": ", volume->failure().message());
  }
  if (!TooManyFailed(configured, failed, options.tolerated)) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("too many failed volumes: ", failed, " of ", configured,
                   ", dfs.datanode.failed.volumes.tolerated is ", options.tolerated, reasons));
}

VolumeWatch::VolumeWatch(ReplicaStore& store, WatchOptions options,
                         std::function<void(const absl::Status&)> too_many)
    : store_(store), options_(options), too_many_(std::move(too_many)) {
  thread_ = std::thread([this] {
    SetThreadName("disk-check");
    Run();
  });
}

VolumeWatch::~VolumeWatch() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
  }
  wake_.NotifyAll();
  thread_.join();
}

void VolumeWatch::Run() {
  absl::Duration next_check = SystemClock().Monotonic() + options_.check_interval;
  bool said = false;
  while (true) {
    {
      MutexLock lock(mu_);
      if (stopping_) return;
      wake_.WaitFor(mu_, absl::ToChronoNanoseconds(options_.presence_interval));
      if (stopping_) return;
    }
    const bool write = SystemClock().Monotonic() >= next_check;
    if (write) next_check = SystemClock().Monotonic() + options_.check_interval;
    for (const auto& volume : store_.volumes()) {
      if (volume->failed()) continue;
      // Either marks the volume, which is all that is to be done about it.
      (write ? volume->Check() : volume->CheckPresence()).IgnoreError();
    }
    const absl::Status verdict = CheckVolumes(store_, options_);
    if (verdict.ok() || said) continue;
    said = true;
    LOG_ERROR("{}", verdict);
    too_many_(verdict);
  }
}

}  // namespace cairn::datanode
