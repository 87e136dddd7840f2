#include "datanode/volume/volume_watch.h"

#include <string>
#include <utility>

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

void JudgeHang(Volume& volume, absl::Duration hang_limit) {
  if (volume.failed()) return;
  const auto waiting = volume.OldestCall();
  if (!waiting.has_value() || waiting->since < hang_limit) return;
  volume.MarkFailed(absl::DeadlineExceededError(
      absl::StrCat("it hangs: a ", waiting->name, " has not returned for ",
                   absl::FormatDuration(absl::Trunc(waiting->since, absl::Milliseconds(1))))));
}

bool AnyHangs(const ReplicaStore& store, absl::Duration hang_limit) {
  for (const Volume* const volume : store.volumes()) {
    const auto waiting = volume->OldestCall();
    if (waiting.has_value() && waiting->since >= hang_limit) return true;
  }
  return false;
}

VolumeWatch::VolumeWatch(ReplicaStore& store, WatchOptions options,
                         std::function<void(const absl::Status&)> too_many,
                         std::function<void()> each_look)
    : store_(store),
      options_(options),
      too_many_(std::move(too_many)),
      each_look_(std::move(each_look)) {
  thread_ = std::thread([this] {
    SetThreadName("disk-watch");
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
  for (std::thread& looker : lookers_) looker.join();
}

bool VolumeWatch::Pause() {
  MutexLock lock(mu_);
  if (!stopping_) wake_.WaitFor(mu_, absl::ToChronoNanoseconds(options_.presence_interval));
  return !stopping_;
}

void VolumeWatch::LookAt(Volume& volume) {
  absl::Duration next_check = SystemClock().Monotonic() + options_.check_interval;
  while (Pause() && !volume.failed()) {
    const bool write = SystemClock().Monotonic() >= next_check;
    if (write) next_check = SystemClock().Monotonic() + options_.check_interval;
    // Each marks the volume, which is all that is to be done about it.
    (write ? volume.Check() : volume.CheckPresence()).IgnoreError();
    if (!volume.failed()) volume.RefreshSpace().IgnoreError();
  }
}

void VolumeWatch::Run() {
  bool said = false;
  do {
    const std::vector<Volume*> volumes = store_.volumes();
    while (lookers_.size() < volumes.size()) {
      lookers_.emplace_back([this, volume = volumes[lookers_.size()]] {
        SetThreadName("disk-check");
        LookAt(*volume);
      });
    }
    for (Volume* const volume : volumes) JudgeHang(*volume, options_.hang_limit);
    if (each_look_ != nullptr) each_look_();
    const absl::Status verdict = CheckVolumes(store_, options_);
    if (verdict.ok() || said) continue;
    said = true;
    LOG_ERROR("{}", verdict);
    too_many_(verdict);
  } while (Pause());
}

}  // namespace cairn::datanode
