#include "datanode/scanner/volume_scanner.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/logging.h"
#include "common/thread.h"
#include "datanode/scanner/directory_sweep.h"
#include "datanode/scanner/replica_scan.h"

namespace cairn::datanode {
namespace {

constexpr size_t kSliceReplicas = 4096;
constexpr absl::Duration kSaveAfterFinding = absl::Seconds(2);
// How soon a replica is seen that came while nothing was due.
constexpr absl::Duration kLongestIdle = absl::Minutes(1);

}  // namespace

std::string FormatScanReport(const ScanReport& r) {
  return absl::StrCat("volume ", r.volume, ": scanned ", r.replicas, " replicas, ", r.bytes,
                      " bytes, found ", r.findings, " bad, ", r.vanished, " vanished, ", r.adopted,
                      " unknown; lap ", r.laps + 1, " since ", absl::FormatTime(r.lap_started),
                      " is at block ", ToInt(r.position), ", ", r.lap_bytes, " bytes read, ",
                      r.lap_left_bytes, " left, expected end ",
                      absl::FormatTime(r.lap_expected_end));
}

VolumeScanner::VolumeScanner(ReplicaStore& store, int volume, ScanOptions options, Clock& clock)
    : store_(store),
      index_(volume),
      volume_(*store.volumes()[static_cast<size_t>(volume)]),
      options_(options),
      clock_(clock),
      buffers_(kScanBufferBytes, 1) {
  report_.volume = volume_.path();
  const absl::Time now = clock_.Now();
  cursor_ = {.lap_started = now};
  // Its disk may hang.
  if (!volume_.failed()) cursor_ = LoadCursor(volume_.fs(), volume_.ScanCursorPath(), now);
  // Somebody may have set the wall clock.
  const absl::Duration age =
      std::clamp(now - cursor_.lap_started, absl::ZeroDuration(), options_.pace.period);
  const absl::Duration monotonic = clock_.Monotonic();
  lap_began_ = monotonic - age;
  // Not at once: at start there is enough to do.
  next_sweep_ = monotonic + options_.sweep_interval / 10;
  next_save_ = monotonic + options_.save_interval;
  next_log_ = monotonic + options_.log_interval;
  for (const BlockId block : cursor_.suspects) Suspect(block);
  Publish();
  thread_ = std::thread([this] {
    SetThreadName(absl::StrCat("scan-", index_));
    Run();
  });
}

VolumeScanner::~VolumeScanner() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
  }
  wake_.NotifyAll();
  thread_.join();
  Save();
}

void VolumeScanner::Suspect(BlockId block) {
  if (!options_.pace.enabled()) return;
  {
    MutexLock lock(mu_);
    if (suspects_.size() >= kMaxSuspects || !suspected_.insert(block).second) return;
    suspects_.push_back(block);
  }
  wake_.NotifyAll();
}

ScanReport VolumeScanner::report() const {
  MutexLock lock(mu_);
  return report_;
}

bool VolumeScanner::Pause(absl::Duration duration, bool for_work) {
  const absl::Duration until = clock_.Monotonic() + duration;
  MutexLock lock(mu_);
  while (!stopping_) {
    if (for_work && !suspects_.empty()) return true;
    const absl::Duration left = until - clock_.Monotonic();
    if (left <= absl::ZeroDuration()) return true;
    wake_.WaitFor(mu_, absl::ToChronoNanoseconds(left));
  }
  return false;
}

bool VolumeScanner::TakeSuspect(BlockId* block) {
  MutexLock lock(mu_);
  if (suspects_.empty()) return false;
  *block = suspects_.front();
  suspects_.pop_front();
  suspected_.erase(*block);
  return true;
}

void VolumeScanner::Run() {
  while (!volume_.failed() && Pause(Step(), /*for_work=*/true)) {
  }
}

absl::Duration VolumeScanner::Elapsed() { return clock_.Monotonic() - lap_began_; }

absl::Duration VolumeScanner::Step() {
  BlockId suspect{};
  if (TakeSuspect(&suspect)) {
    Scan(suspect);
    return absl::ZeroDuration();
  }
  const absl::Duration now = clock_.Monotonic();
  if (now >= next_sweep_) Sweep();
  if (now >= next_save_) Save();
  if (now >= next_log_) {
    next_log_ = now + options_.log_interval;
    LOG_INFO("{}", FormatScanReport(report()));
  }
  const absl::Duration other = std::min({next_sweep_, next_save_, next_log_}) - now;
  if (!options_.pace.enabled()) return std::max(other, absl::ZeroDuration());
  if (taken_ == ahead_.replicas.size()) {
    ahead_ = store_.ListAfter(index_, cursor_.position, kSliceReplicas);
    taken_ = 0;
    left_ = ahead_.bytes;
    Publish();
  }
  absl::Duration due;
  if (taken_ == ahead_.replicas.size()) {  // the lap has ended
    due = options_.pace.period - Elapsed();
    if (due <= absl::ZeroDuration()) {
      NextLap();
      return absl::ZeroDuration();
    }
    due = std::min(due, kLongestIdle);
  } else {
    due = options_.pace.DueAt(cursor_.scanned_bytes, left_) - Elapsed();
    if (due <= absl::ZeroDuration()) {
      const ReplicaInfo& next = ahead_.replicas[taken_++];
      Scan(next.block);
      cursor_.position = next.block;
      cursor_.scanned_bytes += next.length;
      left_ -= std::min(left_, next.length);
      Publish();
      return absl::ZeroDuration();
    }
  }
  return std::max(std::min(due, other), absl::ZeroDuration());
}

void VolumeScanner::NextLap() {
  if (cursor_.scanned_bytes > 0) LOG_INFO("{}", FormatScanReport(report()));
  const absl::Time now = clock_.Now();
  const absl::Duration late = Elapsed() - options_.pace.period - kLongestIdle;
  if (late > options_.pace.period / 10) {
    LOG_WARN(
        "volume {}: reading it took {} longer than the period: "
        "dfs.block.scanner.volume.bytes.per.second is too low",
        volume_.path(), absl::FormatDuration(late));
  }
  lap_began_ = clock_.Monotonic();
  cursor_ = {.laps = cursor_.laps + 1, .lap_started = now};
  Save();
}

void VolumeScanner::Scan(BlockId block) {
  auto buffer = buffers_.TryTake();
  if (!buffer.has_value()) return;  // no memory: the lap comes by again
  const ScanResult result = ScanReplica(store_, block, *buffer, [this](uint64_t bytes) {
    return Pause(options_.pace.LeastTime(bytes)) && !volume_.failed();
  });
  {
    MutexLock lock(mu_);
    report_.bytes += result.bytes;
    if (result.verdict != ScanVerdict::kSkipped) ++report_.replicas;
    if (result.verdict == ScanVerdict::kBad) ++report_.findings;
  }
  if (result.verdict == ScanVerdict::kBad) {
    next_save_ = std::min(next_save_, clock_.Monotonic() + kSaveAfterFinding);
  }
}

void VolumeScanner::Sweep() {
  next_sweep_ = absl::InfiniteDuration();  // none within this one, whose pauses are for other work
  const SweepResult result = SweepDirectories(store_, index_, [this] {
    return Pause(std::min(options_.sweep_pause, Step())) && !volume_.failed();
  });
  next_sweep_ = clock_.Monotonic() + options_.sweep_interval;
  if (!result.complete) return;
  if (result.vanished + result.adopted + result.elsewhere > 0) {
    LOG_WARN(
        "volume {}: of {} replicas on disk {} were not known, {} are on another volume too; "
        "{} known ones had no files",
        volume_.path(), result.replicas, result.adopted, result.elsewhere, result.vanished);
  }
  MutexLock lock(mu_);
  ++report_.sweeps;
  report_.vanished += result.vanished;
  report_.adopted += result.adopted;
  report_.findings += result.vanished;
}

void VolumeScanner::Publish() {
  const absl::Duration elapsed = Elapsed();
  MutexLock lock(mu_);
  report_.laps = cursor_.laps;
  report_.position = cursor_.position;
  report_.lap_bytes = cursor_.scanned_bytes;
  report_.lap_left_bytes = left_;
  report_.lap_started = cursor_.lap_started;
  report_.lap_expected_end = cursor_.lap_started + options_.pace.ExpectedEnd(elapsed, left_);
}

void VolumeScanner::Save() {
  next_save_ = clock_.Monotonic() + options_.save_interval;
  if (volume_.failed()) return;
  cursor_.suspects = store_.CorruptReplicas(index_, kMaxSuspects);
  {
    MutexLock lock(mu_);
    for (const BlockId block : suspects_) {
      if (cursor_.suspects.size() < kMaxSuspects) cursor_.suspects.push_back(block);
    }
  }
  const absl::Status status =
      volume_.Note(VolumeUse::kWrite, SaveCursor(volume_.fs(), volume_.ScanCursorPath(), cursor_));
  if (!status.ok()) LOG_WARN("{}", status);
}

}  // namespace cairn::datanode
