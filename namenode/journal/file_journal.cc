#include "namenode/journal/file_journal.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/crash_point.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "common/thread.h"
#include "namenode/journal/segment.h"

namespace cairn::namenode {
namespace {

constexpr size_t kFreeBuffers = 2;  // one fills while the other is on its way

}  // namespace

size_t FileJournal::Batch::capacity() const {
  return buffer.size() == 0 ? 0 : buffer.size() - kJournalBlockBytes;
}

std::span<std::byte> FileJournal::Batch::frames() const {
  return buffer.span().subspan(kJournalBlockBytes);
}

FileJournal::FileJournal(Clock& clock, const JournalOptions& options, CurrentSegment current,
                         TxId last, uint32_t run, std::unique_ptr<SegmentPool> pool)
    : clock_(clock),
      options_(options),
      run_(run),
      pool_(std::move(pool)),
      last_appended_(ToInt(last)),
      durable_(ToInt(last)),
      current_(std::move(current)),
      room_(current_.bytes - current_.offset) {
  {
    MutexLock lock(mu_);
    for (size_t i = 0; i < kFreeBuffers; ++i) {
      free_buffers_.emplace_back(kJournalBlockBytes + RoundUpToBlock(options_.max_batch_bytes));
      // The first touch of a page costs microseconds, and would be paid under the namespace lock.
      std::memset(free_buffers_.back().data(), 0, free_buffers_.back().size());
    }
    filling_ = NewBatch(0);
    UpdateReady();
  }
  pool_->Start([this] {
    MutexLock lock(mu_);
    UpdateReady();
  });
  committer_ = std::thread([this] { Run(); });
}

FileJournal::~FileJournal() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
  }
  pool_->BeginStop();
  wake_.NotifyAll();
  committer_.join();
  pool_->Stop();
}

absl::Status FileJournal::Ready() {
  if (ready_.load(std::memory_order_acquire)) return absl::OkStatus();
  const absl::Status attempt = pool_->last_attempt();
  MutexLock lock(mu_);
  if (!failure_.ok()) return failure_;
  if (attempt.ok()) return absl::OkStatus();  // healed this moment
  return absl::ResourceExhaustedError(
      absl::StrCat("journal: no room for more edits: ", attempt.message()));
}

void FileJournal::Append(TxId txid, absl::string_view edit) {
  CHECK_LE(edit.size(), options_.max_edit_bytes);
  const size_t frame_bytes = kFrameHeaderBytes + edit.size();
  bool wake = false;
  {
    MutexLock lock(mu_);
    CHECK_EQ(ToInt(txid), last_appended_.load(std::memory_order_relaxed) + 1);
    last_appended_.store(ToInt(txid), std::memory_order_release);
    if (!failure_.ok()) return;
    if (frame_bytes > filling_.capacity() - filling_.used) {
      const bool begins_segment = filling_.used == 0 && filling_.begins_segment;
      if (filling_.used > 0) {
        queued_bytes_ += RoundUpToBlock(filling_.used);
        full_.push_back(std::move(filling_));
      } else {
        free_buffers_.push_back(std::move(filling_.buffer));
      }
      filling_ = NewBatch(frame_bytes);
      filling_.begins_segment = begins_segment;
    }
    PutFrame(txid, filling_.count, edit, filling_.frames().data() + filling_.used);
    filling_.used += frame_bytes;
    filling_.last = txid;
    ++filling_.count;
    if (pool_->failing()) UpdateReady();
    wake = std::exchange(idle_, false);
  }
  if (wake) wake_.NotifyOne();
}

TxId FileJournal::last_appended() const {
  return TxId{last_appended_.load(std::memory_order_acquire)};
}

TxId FileJournal::durable() const { return TxId{durable_.load(std::memory_order_acquire)}; }

absl::Status FileJournal::WaitDurable(TxId txid) {
  MutexLock lock(mu_);
  ++waiters_;
  while (durable() < txid && failure_.ok()) durable_grew_.Wait(mu_);
  --waiters_;
  return durable() >= txid ? absl::OkStatus() : failure_;
}

std::shared_ptr<void> FileJournal::Listen(std::function<void()> on_durable) {
  return listeners_.Add(std::move(on_durable));
}

void FileJournal::OnFailure(std::function<void(absl::Status)> on_failure) {
  absl::Status failure;
  {
    MutexLock lock(mu_);
    on_failure_ = on_failure;
    failure = failure_;
  }
  if (!failure.ok() && on_failure) on_failure(failure);
}

void FileJournal::Release(TxId applied) { pool_->Release(std::min(applied, durable())); }

absl::StatusOr<TxId> FileJournal::Roll() {
  MutexLock lock(mu_);
  if (!failure_.ok()) return failure_;
  if (pool_->failing() || pool_->ready() == 0) {
    return absl::ResourceExhaustedError("journal: no segment is prepared to go on with");
  }
  if (filling_.used > 0) {
    queued_bytes_ += RoundUpToBlock(filling_.used);
    full_.push_back(std::move(filling_));
    filling_ = NewBatch(0);
  }
  filling_.begins_segment = true;
  rolling_ = true;
  UpdateReady();
  return TxId{last_appended_.load(std::memory_order_relaxed) + 1};
}

JournalStats FileJournal::stats() const {
  JournalStats stats;
  {
    MutexLock lock(mu_);
    stats = stats_;
  }
  stats.last_appended = last_appended();
  stats.durable = durable();
  stats.segments_kept = pool_->kept_count();
  stats.segments_ready = static_cast<uint64_t>(pool_->ready());
  stats.cannot_prepare = pool_->failing();
  const TxId first = pool_->first_kept();
  stats.first_kept = first <= stats.durable ? first : kNoTx;
  return stats;
}

FileJournal::Batch FileJournal::NewBatch(size_t frame_bytes) {
  Batch batch;
  if (frame_bytes <= options_.max_batch_bytes && !free_buffers_.empty()) {
    batch.buffer = std::move(free_buffers_.back());
    free_buffers_.pop_back();
  } else {
    batch.buffer = AlignedBuffer(kJournalBlockBytes +
                                 RoundUpToBlock(std::max(frame_bytes, options_.max_batch_bytes)));
  }
  return batch;
}

FileJournal::Batch FileJournal::NextBatch() {
  Batch batch;
  if (full_.empty()) {
    queued_bytes_ += RoundUpToBlock(filling_.used);
    batch = std::exchange(filling_, NewBatch(0));
  } else {
    batch = std::move(full_.front());
    full_.pop_front();
  }
  return batch;
}

void FileJournal::UpdateReady() {
  ready_.store(failure_.ok() && (!pool_->failing() || HasRoom()), std::memory_order_release);
}

bool FileJournal::HasRoom() const {
  const uint64_t queued = queued_bytes_ + RoundUpToBlock(filling_.used);
  const uint64_t room = rolling_ ? 0 : room_;
  const uint64_t reserve = RoundUpToBlock(options_.max_edit_bytes + kFrameHeaderBytes) +
                           RoundUpToBlock(options_.max_batch_bytes);
  if (queued + reserve <= room) return true;
  // A batch does not span segments, so up to half of each may stay unused.
  const uint64_t usable = (options_.segment_bytes - kJournalBlockBytes) / 2;
  const uint64_t segments_needed = queued <= room / 2 ? 1 : 2 + queued / usable;
  return static_cast<uint64_t>(pool_->ready()) >= segments_needed;
}

void FileJournal::Run() {
  SetThreadName("journal");
  while (true) {
    Batch batch;
    {
      MutexLock lock(mu_);
      while (full_.empty() && filling_.used == 0) {
        if (stopping_) return;
        idle_ = true;
        wake_.Wait(mu_);
      }
      idle_ = false;
      batch = NextBatch();
    }
    if (absl::Status status = Write(batch); !status.ok()) return Fail(std::move(status));
    Finish(std::move(batch));
  }
}

absl::Status FileJournal::Write(Batch& batch) {
  const uint64_t bytes = RoundUpToBlock(batch.used);
  // A segment that holds nothing yet begins with this batch as it is.
  const bool rolls = batch.begins_segment && current_.offset > kJournalBlockBytes;
  if (rolls || bytes > current_.bytes - current_.offset) return WriteFirst(batch);
  SealBatch(batch.frames(), batch.used, current_.epoch, run_);
  CRASH_POINT("journal_before_write");
  if (const absl::Status status =
          current_.file->WriteAt(current_.offset, batch.frames().first(bytes));
      !status.ok()) {
    return absl::Status(status.code(),
                        absl::StrCat("journal: writing the edits up to ", ToInt(batch.last),
                                     " at offset ", current_.offset, " of ", current_.path,
                                     " failed, nothing is accepted any more: ", status.message()));
  }
  CRASH_POINT("journal_after_write");
  current_.offset += bytes;
  return absl::OkStatus();
}

absl::Status FileJournal::WriteFirst(Batch& batch) {
  bool waited = false;
  ASSIGN_OR_RETURN(PreparedSegment next, pool_->Take(waited));
  const TxId first{ToInt(batch.last) + 1 - batch.count};
  SegmentHeader header{.state = SegmentHeader::State::kLive,
                       .segment_bytes = options_.segment_bytes,
                       .first = first,
                       .epoch = absl::Uniform<uint64_t>(random_),
                       .created = clock_.Now(),
                       .cluster_id = options_.cluster_id};
  EncodeSegmentHeader(header, batch.buffer.span().first<kJournalBlockBytes>());
  const uint64_t bytes =
      kJournalBlockBytes + SealBatch(batch.frames(), batch.used, header.epoch, run_);
  CRASH_POINT("journal_before_switch");
  if (const absl::Status status = next.file->WriteAt(0, batch.buffer.span().first(bytes));
      !status.ok()) {
    return absl::Status(
        status.code(),
        absl::StrCat("journal: beginning segment ", next.path, " with edit ", ToInt(first),
                     " failed, nothing is accepted any more: ", status.message()));
  }
  CRASH_POINT("journal_after_switch");
  pool_->WentLive(next.path, first);
  current_ = {.path = std::move(next.path),
              .file = std::move(next.file),
              .bytes = options_.segment_bytes,
              .epoch = header.epoch,
              .offset = bytes};
  MutexLock lock(mu_);
  ++stats_.segment_switches;
  stats_.segment_waits += waited ? 1 : 0;
  return absl::OkStatus();
}

void FileJournal::Finish(Batch batch) {
  {
    MutexLock lock(mu_);
    durable_.store(ToInt(batch.last), std::memory_order_release);
    const uint64_t bytes = RoundUpToBlock(batch.used);
    queued_bytes_ -= bytes;
    room_ = current_.bytes - current_.offset;
    if (batch.begins_segment) rolling_ = false;
    ++stats_.batches;
    stats_.edits += batch.count;
    stats_.bytes_written += bytes;
    if (free_buffers_.size() < kFreeBuffers &&
        batch.capacity() == RoundUpToBlock(options_.max_batch_bytes)) {
      free_buffers_.push_back(std::move(batch.buffer));
    }
    if (pool_->failing()) UpdateReady();
    if (waiters_ > 0) durable_grew_.NotifyAll();
  }
  listeners_.Call();
}

void FileJournal::Fail(absl::Status reason) {
  LOG_ERROR("{}", reason);
  std::function<void(absl::Status)> on_failure;
  {
    MutexLock lock(mu_);
    failure_ = reason;
    full_.clear();
    filling_.used = 0;
    UpdateReady();
    if (!stopping_) on_failure = on_failure_;  // its owner may be gone already
    durable_grew_.NotifyAll();
  }
  if (on_failure) on_failure(reason);
}

}  // namespace cairn::namenode
