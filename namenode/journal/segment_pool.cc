#include "namenode/journal/segment_pool.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/crash_point.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "common/thread.h"

namespace cairn::namenode {
namespace {

// Recycled segments beyond those asked for, so that a lull does not remove files that the next rush
// must then fill with zeros again.
constexpr int kSurplusReady = 2;

}  // namespace

SegmentPool::SegmentPool(FileSystem& fs, Clock& clock, const JournalOptions& options,
                         std::vector<KeptSegment> kept, std::vector<PreparedSegment> ready,
                         uint64_t next_spare)
    : fs_(fs),
      clock_(clock),
      options_(options),
      ready_(std::make_move_iterator(ready.begin()), std::make_move_iterator(ready.end())),
      kept_(std::make_move_iterator(kept.begin()), std::make_move_iterator(kept.end())),
      next_spare_(next_spare) {
  ready_count_ = static_cast<int>(ready_.size());
}

SegmentPool::~SegmentPool() { Stop(); }

void SegmentPool::Stop() {
  {
    MutexLock lock(mu_);
    quit_ = true;
  }
  work_.NotifyAll();
  if (thread_.joinable()) thread_.join();
}

void SegmentPool::Start(std::function<void()> on_change) {
  on_change_ = std::move(on_change);
  thread_ = std::thread([this] { Run(); });
}

void SegmentPool::BeginStop() {
  MutexLock lock(mu_);
  stopping_ = true;
  prepared_.NotifyAll();
}

absl::StatusOr<PreparedSegment> SegmentPool::Take(bool& waited) {
  MutexLock lock(mu_);
  while (ready_.empty()) {
    if (stopping_ && !last_attempt_.ok()) return last_attempt_;
    waited = true;
    prepared_.Wait(mu_);
  }
  PreparedSegment segment = std::move(ready_.front());
  ready_.pop_front();
  ready_count_.store(static_cast<int>(ready_.size()), std::memory_order_release);
  return segment;
}

void SegmentPool::WentLive(std::string path, TxId first) {
  {
    MutexLock lock(mu_);
    if (!kept_.empty()) {
      kept_.back().finished = true;
      kept_.back().last = TxId{ToInt(first) - 1};
      kept_.back().finished_at = clock_.Monotonic();
    }
    kept_.push_back({.path = std::move(path), .first = first, .bytes = options_.segment_bytes});
  }
  work_.NotifyOne();
}

void SegmentPool::Release(TxId applied) {
  {
    MutexLock lock(mu_);
    released_ = std::max(released_, applied);
    if (!OldestIsReleased()) return;
  }
  work_.NotifyOne();
}

absl::Status SegmentPool::last_attempt() const {
  MutexLock lock(mu_);
  return last_attempt_;
}

uint64_t SegmentPool::kept_count() const {
  MutexLock lock(mu_);
  return kept_.size();
}

TxId SegmentPool::first_kept() const {
  MutexLock lock(mu_);
  return kept_.empty() ? kNoTx : kept_.front().first;
}

void SegmentPool::Run() {
  SetThreadName("journal-files");
  while (true) {
    Job job = Job::kNone;
    {
      MutexLock lock(mu_);
      while (!quit_ && (job = NextJob()) == Job::kNone) WaitForWork();
      if (quit_) return;
    }
    const absl::Status status = Do(job);
    {
      MutexLock lock(mu_);
      pause_ = Note(job, status);
      prepared_.NotifyAll();
    }
    if (!status.ok()) {
      LOG_EVERY_SECONDS(kWarn, 10, "journal: housekeeping failed and is repeated: {}", status);
    }
    on_change_();
  }
}

bool SegmentPool::Note(Job job, const absl::Status& status) {
  const bool reclaims = job == Job::kRecycle || job == Job::kRemove;
  reclaim_failed_ = reclaims && !status.ok();
  if (job == Job::kName && !status.ok() && FirstUnnamed() < kept_.size()) {
    kept_[FirstUnnamed()].not_renamed = true;
  }
  if (job == Job::kRecycle && !status.ok()) kept_.front().not_reusable = true;
  if (job == Job::kCreate || (job == Job::kRecycle && status.ok())) {
    if (job == Job::kCreate && status.ok() && !last_attempt_.ok()) {
      LOG_INFO("journal: segments can be prepared again");
    }
    last_attempt_ = status;
    failing_.store(!status.ok(), std::memory_order_release);
  }
  if (status.ok() || job == Job::kName) return false;
  // A released segment can take the place of the one that found no room.
  const bool can_reclaim_instead =
      job == Job::kCreate && absl::IsResourceExhausted(status) && OldestIsReleased();
  return !can_reclaim_instead;
}

void SegmentPool::WaitForWork() {
  absl::Duration limit = absl::InfiniteDuration();
  if (pause_) {
    limit = options_.retry_interval;
    pause_ = false;
  } else if (OldestIsReleased() && !reclaim_failed_) {
    limit = options_.keep - (clock_.Monotonic() - kept_.front().finished_at);
  }
  if (limit == absl::InfiniteDuration()) {
    work_.Wait(mu_);
  } else {
    work_.WaitFor(mu_, absl::ToChronoMilliseconds(std::max(limit, absl::Milliseconds(1))));
  }
}

SegmentPool::Job SegmentPool::NextJob() {
  if (pause_) return Job::kNone;
  if (FirstUnnamed() < kept_.size()) return Job::kName;
  const int ready = static_cast<int>(ready_.size());
  const bool may_reclaim = OldestIsReleased() && !reclaim_failed_;
  if (may_reclaim && OldestIsExpired(clock_.Monotonic())) {
    return OldestIsReusable() && ready < options_.ready_segments + kSurplusReady ? Job::kRecycle
                                                                                 : Job::kRemove;
  }
  if (ready >= options_.ready_segments) return Job::kNone;
  if (absl::IsResourceExhausted(last_attempt_) && may_reclaim) {
    LOG_EVERY_SECONDS(kWarn, 10,
                      "journal: disk full, edits {} to {} are given up before their time: a call "
                      "retried after a restart may not be recognized",
                      ToInt(kept_.front().first), ToInt(kept_.front().last));
    return OldestIsReusable() ? Job::kRecycle : Job::kRemove;
  }
  return Job::kCreate;
}

bool SegmentPool::OldestIsReleased() const {
  return !kept_.empty() && kept_.front().finished && kept_.front().last <= released_;
}

bool SegmentPool::OldestIsExpired(absl::Duration now) const {
  if (now - kept_.front().finished_at >= options_.keep) return true;
  uint64_t bytes = 0;
  for (const KeptSegment& segment : kept_) {
    if (segment.finished && segment.last <= released_) bytes += segment.bytes;
  }
  return bytes > options_.keep_bytes;
}

bool SegmentPool::OldestIsReusable() const {
  return kept_.front().bytes == options_.segment_bytes && !kept_.front().not_reusable;
}

size_t SegmentPool::FirstUnnamed() const {
  size_t i = 0;
  while (i < kept_.size() && (kept_[i].not_renamed ||
                              kept_[i].path == SegmentPath(options_.directory, kept_[i].first))) {
    ++i;
  }
  return i;
}

absl::Status SegmentPool::Do(Job job) {
  switch (job) {
    case Job::kName:
      return NameLiveSegment();
    case Job::kRecycle:
      return RecycleOldest();
    case Job::kRemove:
      return RemoveOldest();
    case Job::kCreate:
      return CreateOne();
    case Job::kNone:
      break;
  }
  return absl::OkStatus();
}

absl::Status SegmentPool::NameLiveSegment() {
  KeptSegment segment;
  {
    MutexLock lock(mu_);
    segment = kept_[FirstUnnamed()];
  }
  const std::string path = SegmentPath(options_.directory, segment.first);
  RETURN_IF_ERROR(fs_.Rename(segment.path, path));
  CRASH_POINT("journal_segment_named");
  {
    MutexLock lock(mu_);
    kept_[FirstUnnamed()].path = path;
  }
  // The header counts, not the name; synced so that no file has two renames under way.
  return fs_.SyncDirectory(options_.directory);
}

absl::Status SegmentPool::RecycleOldest() {
  std::string old_path;
  std::string path;
  {
    MutexLock lock(mu_);
    old_path = kept_.front().path;
    path = SparePath(options_.directory, next_spare_++);
  }
  ASSIGN_OR_RETURN(std::unique_ptr<File> file, fs_.Open(old_path, CommitOpenOptions(options_)));
  CRASH_POINT("journal_before_recycle");
  RETURN_IF_ERROR(WriteSpareHeader(options_, *file));  // durable: from here on its edits are void
  CRASH_POINT("journal_after_recycle");
  RETURN_IF_ERROR(fs_.Rename(old_path, path));
  {
    MutexLock lock(mu_);
    kept_.front().path = path;
    kept_.front().not_renamed = true;  // it is not to get its old name back
  }
  RETURN_IF_ERROR(fs_.SyncDirectory(options_.directory));
  MutexLock lock(mu_);
  kept_.pop_front();
  AddReady({.path = std::move(path), .file = std::move(file)});
  return absl::OkStatus();
}

absl::Status SegmentPool::RemoveOldest() {
  std::string path;
  {
    MutexLock lock(mu_);
    path = kept_.front().path;
  }
  const absl::Status removed = fs_.Remove(path);
  // The attempt before may have failed at the sync only.
  if (!removed.ok() && !absl::IsNotFound(removed)) return removed;
  RETURN_IF_ERROR(fs_.SyncDirectory(options_.directory));
  MutexLock lock(mu_);
  kept_.pop_front();
  return absl::OkStatus();
}

absl::Status SegmentPool::CreateOne() {
  std::string path;
  {
    MutexLock lock(mu_);
    path = SparePath(options_.directory, next_spare_++);
  }
  const auto space = fs_.Space(options_.directory);
  // Trying would take the last bytes from the store for a moment. Unknown space: the attempt tells.
  if (space.ok() && space->free_bytes < options_.segment_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat("journal disk full: ", space->free_bytes,
                                                     " bytes are free in ", options_.directory,
                                                     ", a segment needs ", options_.segment_bytes));
  }
  ASSIGN_OR_RETURN(PreparedSegment segment, CreateSpare(fs_, options_, path));
  MutexLock lock(mu_);
  AddReady(std::move(segment));
  return absl::OkStatus();
}

void SegmentPool::AddReady(PreparedSegment segment) {
  ready_.push_back(std::move(segment));
  ready_count_.store(static_cast<int>(ready_.size()), std::memory_order_release);
}

}  // namespace cairn::namenode
