#include "fuse/open_file.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/clock.h"
#include "common/fs_error.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "fuse/paths.h"

namespace cairn::fuse {
namespace {

constexpr size_t kZeroBytes = 1 << 20;
// A cut inside a block is the work of the datanodes; the namenode tells when it is done.
constexpr absl::Duration kCutPatience = absl::Seconds(60);
constexpr absl::Duration kFirstPause = absl::Milliseconds(5);
constexpr absl::Duration kLongestPause = absl::Milliseconds(250);

absl::Status OnlyAtTheEnd(const std::string& path, uint64_t offset, uint64_t end) {
  return absl::UnimplementedError(absl::StrCat(path, ": a write at ", offset, ", the file ends at ",
                                               end, ": files are written at their end only"));
}

// The namenode takes the caller for the file's writer. All that write it here do so by one stream;
// if there is none, this is what is left of one that failed while the namenode was away: Cairn's
// words, and Apache HDFS's.
bool IsLeaseOfOurs(const absl::Status& status) {
  return GetFsError(status) == FsError::kAlreadyBeingCreated &&
         (absl::StrContains(status.message(), "is currently owned by itself") ||
          absl::StrContains(status.message(), "is already the current lease holder"));
}

}  // namespace

OpenFile::OpenFile(uint64_t inode) : inode_(inode), path_(PathOf(inode)) {}

void OpenFile::NoteWritten() {
  const uint64_t length = stream_->position();
  NoteTold(length);
  MutexLock lock(written_mu_);
  written_ = {.length = length, .modified = SystemClock().Now()};
}

void OpenFile::NoteClosed() {
  MutexLock lock(written_mu_);
  written_.reset();
}

std::optional<OpenFile::Written> OpenFile::written() const {
  MutexLock lock(written_mu_);
  return written_;
}

void OpenFile::NoteTold(uint64_t length) {
  uint64_t before = told();
  while (before < length && !told_.compare_exchange_weak(before, length)) {
  }
}

void OpenFile::Adopt(std::unique_ptr<client::OutputStream> stream) {
  MutexLock lock(mu_);
  stream_ = std::move(stream);
  readable_ = stream_->position();
  fresh_ = true;
  NoteWritten();
}

absl::Status OpenFile::OpenStream(client::FileSystem& fs) {
  absl::StatusOr<std::unique_ptr<client::OutputStream>> stream = fs.Append(path_);
  if (IsLeaseOfOurs(stream.status())) {
    ASSIGN_OR_RETURN(const bool closed, fs.RecoverLease(path_));
    if (closed) stream = fs.Append(path_);
  }
  ASSIGN_OR_RETURN(stream_, std::move(stream));
  readable_ = stream_->position();
  NoteWritten();
  return absl::OkStatus();
}

absl::Status OpenFile::Fail(absl::Status status) {
  LOG_ERROR("inode {}: writing failed: {}", inode_, status);
  error_ = status;
  stream_ = nullptr;
  // Readers may have got bytes that the namenode will not count as part of the file.
  cuts_.fetch_add(1, std::memory_order_release);
  NoteClosed();
  return status;
}

absl::Status OpenFile::Write(client::FileSystem& fs, Place place, std::span<const std::byte> data,
                             bool sync, const Interrupted& interrupted) {
  MutexLock lock(mu_);
  if (!error_.ok()) return error_;
  if (stream_ == nullptr) RETURN_IF_ERROR(OpenStream(fs));
  const uint64_t end = stream_->position();
  if (!place.at_end && place.offset != end) {
    if (place.offset < end || place.offset - end > kMaxGapBytes) {
      return OnlyAtTheEnd(path_, place.offset, end);
    }
    RETURN_IF_ERROR(Fill(place.offset - end, interrupted));
  }
  absl::Status status = stream_->Write(data);
  if (status.ok() && sync) status = stream_->Hsync();
  if (!status.ok()) return Fail(std::move(status));
  if (sync) readable_ = stream_->position();
  fresh_ = false;
  NoteWritten();
  return absl::OkStatus();
}

absl::Status OpenFile::Fill(uint64_t bytes, const Interrupted& interrupted) {
  static const std::vector<std::byte> zeros(kZeroBytes);
  fresh_ = false;
  while (bytes > 0) {
    if (interrupted()) return absl::CancelledError(absl::StrCat(path_, ": interrupted"));
    const auto piece = std::span(zeros).first(std::min<uint64_t>(bytes, zeros.size()));
    if (absl::Status status = stream_->Write(piece); !status.ok()) return Fail(std::move(status));
    bytes -= piece.size();
    NoteWritten();
  }
  return absl::OkStatus();
}

absl::Status OpenFile::Sync() {
  MutexLock lock(mu_);
  if (!error_.ok()) return error_;
  // Without a stream the file is complete, which its datanodes make durable.
  if (stream_ == nullptr) return absl::OkStatus();
  if (absl::Status status = stream_->Hsync(); !status.ok()) return Fail(std::move(status));
  readable_ = stream_->position();
  return absl::OkStatus();
}

absl::Status OpenFile::MakeReadable(uint64_t end) {
  MutexLock lock(mu_);
  if (stream_ == nullptr) return absl::OkStatus();  // an error is not the reader's
  if (std::min(end, stream_->position()) <= readable_) return absl::OkStatus();
  if (absl::Status status = stream_->Hflush(); !status.ok()) return Fail(std::move(status));
  readable_ = stream_->position();
  return absl::OkStatus();
}

absl::Status OpenFile::Complete(Reason reason) {
  MutexLock lock(mu_);
  if (reason == Reason::kDescriptorClosed && fresh_ && error_.ok()) return absl::OkStatus();
  return DoComplete();
}

absl::Status OpenFile::DoComplete() {
  if (!error_.ok()) return error_;
  if (stream_ == nullptr) return absl::OkStatus();
  fresh_ = false;
  if (absl::Status status = stream_->Close(); !status.ok()) return Fail(std::move(status));
  stream_ = nullptr;
  NoteClosed();
  return absl::OkStatus();
}

absl::Status OpenFile::Truncate(client::FileSystem& fs, uint64_t length,
                                const Interrupted& interrupted) {
  MutexLock lock(mu_);
  if (!error_.ok()) return error_;
  uint64_t end = 0;
  if (stream_ != nullptr) {
    end = stream_->position();
  } else {
    ASSIGN_OR_RETURN(const client::FileStatus status, fs.Stat(path_));
    end = status.length;
  }
  if (length == end) return absl::OkStatus();
  if (length < end) return Cut(fs, length, interrupted);
  if (length - end > kMaxGapBytes) return OnlyAtTheEnd(path_, length, end);
  if (stream_ == nullptr) RETURN_IF_ERROR(OpenStream(fs));
  // Another client may have added to the file since.
  end = stream_->position();
  return length > end ? Fill(length - end, interrupted) : absl::OkStatus();
}

absl::Status OpenFile::Cut(client::FileSystem& fs, uint64_t length,
                           const Interrupted& interrupted) {
  RETURN_IF_ERROR(DoComplete());
  ASSIGN_OR_RETURN(bool done, fs.Truncate(path_, length));
  cuts_.fetch_add(1, std::memory_order_release);
  const absl::Duration deadline = SystemClock().Monotonic() + kCutPatience;
  absl::Duration pause = kFirstPause;
  while (!done) {
    if (interrupted()) return absl::CancelledError(absl::StrCat(path_, ": interrupted"));
    if (SystemClock().Monotonic() >= deadline) {
      return absl::UnavailableError(absl::StrCat(path_, ": the datanodes do not cut the block"));
    }
    absl::SleepFor(pause);
    pause = std::min(pause * 2, kLongestPause);
    ASSIGN_OR_RETURN(done, fs.IsFileClosed(path_));
  }
  return absl::OkStatus();
}

absl::Status OpenFile::SetTimes(client::FileSystem& fs, std::optional<absl::Time> modified,
                                std::optional<absl::Time> accessed) {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(DoComplete());
  return fs.SetTimes(path_, modified, accessed);
}

void OpenFile::GiveUp(client::FileSystem& fs) {
  MutexLock lock(mu_);
  if (error_.ok()) return;
  error_ = absl::OkStatus();
  const absl::StatusOr<bool> closed = fs.RecoverLease(path_);
  if (!closed.ok() && !absl::IsNotFound(closed.status())) {
    LOG_WARN("inode {}: its lease is left to run out: {}", inode_, closed.status());
  }
}

}  // namespace cairn::fuse
