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
  return absl::UnimplementedError(
      absl::StrCat(path, ": a write at ", offset, ", the file ends at ", end, ": not at its end"));
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

OpenFile::OpenFile(uint64_t inode, const Surroundings& around)
    : inode_(inode), path_(PathOf(inode)), around_(around) {}

void OpenFile::NoteWritten(uint64_t length) {
  NoteTold(length);
  MutexLock lock(written_mu_);
  written_ = {.length = length, .modified = SystemClock().Now()};
  writes_.fetch_add(1, std::memory_order_release);
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

void OpenFile::NoteFound(const client::ContentsId& contents) {
  MutexLock lock(written_mu_);
  if (found_.has_value() && *found_ != contents) cuts_.fetch_add(1, std::memory_order_release);
  found_ = contents;
}

void OpenFile::Adopt(std::unique_ptr<client::OutputStream> stream) {
  MutexLock lock(mu_);
  stream_ = std::move(stream);
  readable_ = stream_->position();
  fresh_ = true;
  NoteWritten(stream_->position());
}

absl::Status OpenFile::OpenStream(client::FileSystem& fs) {
  absl::StatusOr<std::unique_ptr<client::OutputStream>> stream = fs.Append(path_);
  if (IsLeaseOfOurs(stream.status())) {
    ASSIGN_OR_RETURN(const bool closed, fs.RecoverLease(path_));
    if (closed) stream = fs.Append(path_);
  }
  ASSIGN_OR_RETURN(stream_, std::move(stream));
  readable_ = stream_->position();
  NoteWritten(stream_->position());
  return absl::OkStatus();
}

absl::Status OpenFile::Fail(absl::Status status) {
  LOG_ERROR("inode {}: writing failed: {}", inode_, status);
  error_ = status;
  // A change holds no lease: whoever does may be another client.
  lease_left_ = stream_ != nullptr;
  stream_ = nullptr;
  readable_ = 0;
  change_ = nullptr;
  last_end_.reset();
  // Readers may have got bytes that the namenode will not count as part of the file.
  cuts_.fetch_add(1, std::memory_order_release);
  NoteClosed();
  around_.forget_pages(inode_);
  return status;
}

absl::Status OpenFile::Write(const ClientPtr& fs, Place place, std::span<const std::byte> data,
                             bool sync, const Interrupted& interrupted) {
  MutexLock lock(mu_);
  if (!error_.ok()) return error_;
  absl::Status status = WriteTo(fs, place, data, sync, interrupted);
  return place.mapped && !status.ok() && error_.ok() ? Fail(std::move(status)) : status;
}

absl::Status OpenFile::WriteTo(const ClientPtr& fs, Place place, std::span<const std::byte> data,
                               bool sync, const Interrupted& interrupted) {
  if (change_ == nullptr) RETURN_IF_ERROR(Prepare(fs, place, interrupted));
  if (change_ != nullptr) return WriteStaged(place, data, sync);
  absl::Status status = stream_->Write(data);
  if (status.ok() && sync) status = stream_->Hsync();
  if (!status.ok()) return Fail(std::move(status));
  if (sync) readable_ = stream_->position();
  fresh_ = false;
  NoteWritten(stream_->position());
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> OpenFile::EndOf(client::FileSystem& fs) {
  if (change_ != nullptr) return change_->staged().length();
  if (stream_ != nullptr) return stream_->position();
  ASSIGN_OR_RETURN(const client::FileStatus status, fs.Stat(path_));
  return status.length;
}

absl::Status OpenFile::Prepare(const ClientPtr& fs, Place place, const Interrupted& interrupted) {
  if (stream_ == nullptr && !place.at_end) {
    if (!last_end_.has_value()) {
      ASSIGN_OR_RETURN(last_end_, EndOf(*fs));
    }
    if (place.offset < *last_end_) return BeginChange(fs, place.offset, *last_end_);
  }
  if (stream_ == nullptr) RETURN_IF_ERROR(OpenStream(*fs));
  const uint64_t end = stream_->position();
  if (place.at_end || place.offset == end) return absl::OkStatus();
  if (place.offset < end) return BeginChange(fs, place.offset, end);
  if (place.offset - end > kMaxGapBytes) return OnlyAtTheEnd(path_, place.offset, end);
  return Fill(place.offset - end, interrupted);
}

absl::Status OpenFile::BeginChange(const ClientPtr& fs, uint64_t offset, uint64_t end) {
  if (around_.stage == nullptr) return OnlyAtTheEnd(path_, offset, end);
  // A later fsync is to make all durable, also what is only completed here.
  if (stream_ != nullptr) {
    if (absl::Status status = stream_->Hsync(); !status.ok()) return Fail(std::move(status));
  }
  RETURN_IF_ERROR(DoComplete());
  absl::StatusOr<std::unique_ptr<InPlace>> change = InPlace::Begin(fs, inode_, *around_.stage);
  if (GetFsError(change.status()) == FsError::kAlreadyBeingCreated) {
    // It may be what a stream of ours has left, which opening another one takes away.
    RETURN_IF_ERROR(OpenStream(*fs));
    RETURN_IF_ERROR(DoComplete());
    change = InPlace::Begin(fs, inode_, *around_.stage);
  }
  ASSIGN_OR_RETURN(change_, std::move(change));
  return absl::OkStatus();
}

absl::Status OpenFile::WriteStaged(Place place, std::span<const std::byte> data, bool sync) {
  StagedFile& staged = change_->staged();
  const uint64_t offset = place.at_end ? staged.length() : place.offset;
  if (offset > staged.length() && offset - staged.length() > kMaxGapBytes) {
    return OnlyAtTheEnd(path_, offset, staged.length());
  }
  absl::Status status = staged.Write(offset, data);
  // Its pieces are whole ones; which of them were taken, a program cannot know.
  if (absl::IsDataLoss(status)) return Fail(std::move(status));
  NoteWritten(staged.length());
  RETURN_IF_ERROR(status);
  return sync ? WriteBack(/*sync=*/true) : absl::OkStatus();
}

void OpenFile::ReadFrom(std::shared_ptr<const InPlace> change) {
  MutexLock lock(written_mu_);
  written_back_ = std::move(change);
}

absl::Status OpenFile::WriteBack(bool sync) {
  const uint64_t length = change_->staged().length();
  if (change_->staged().IsChanged()) {
    ReadFrom(change_);
    absl::Status status = change_->WriteBack(sync);
    // Before readers are told to look again: who looks must not find bytes that are lost.
    ReadFrom(nullptr);
    if (!status.ok()) return Fail(std::move(status));
    // Blocks that readers know of are gone.
    cuts_.fetch_add(1, std::memory_order_release);
  }
  change_ = nullptr;
  last_end_ = length;
  NoteClosed();
  return absl::OkStatus();
}

bool OpenFile::IsFlushed(uint64_t end) const {
  const uint64_t readable = readable_;
  if (readable == 0 || end <= readable) return readable != 0;
  // Requests of the kernel reach beyond the end.
  const std::optional<Written> told = written();
  return told.has_value() && told->length <= readable;
}

absl::StatusOr<std::optional<size_t>> OpenFile::ReadStaged(uint64_t offset,
                                                           std::span<std::byte> out) {
  if (IsFlushed(offset + out.size())) return std::nullopt;
  std::shared_ptr<const InPlace> written_back;
  {
    MutexLock lock(written_mu_);
    written_back = written_back_;
  }
  if (written_back != nullptr) {
    const absl::StatusOr<size_t> bytes = written_back->staged().Read(offset, out);
    if (bytes.ok()) return *bytes;
    // The file may have its new blocks already, and the namenode's answer that it has them be on
    // its way: the old ones are gone then. After it the cluster, or the next change, has the bytes.
  }
  MutexLock lock(mu_);
  if (change_ == nullptr) return std::nullopt;
  return change_->staged().Read(offset, out);
}

absl::Status OpenFile::Fill(uint64_t bytes, const Interrupted& interrupted) {
  static const std::vector<std::byte> zeros(kZeroBytes);
  fresh_ = false;
  while (bytes > 0) {
    if (interrupted()) return absl::CancelledError(absl::StrCat(path_, ": interrupted"));
    const auto piece = std::span(zeros).first(std::min<uint64_t>(bytes, zeros.size()));
    if (absl::Status status = stream_->Write(piece); !status.ok()) return Fail(std::move(status));
    bytes -= piece.size();
    NoteWritten(stream_->position());
  }
  return absl::OkStatus();
}

absl::Status OpenFile::Sync() {
  MutexLock lock(mu_);
  if (!error_.ok()) return error_;
  if (change_ != nullptr) return WriteBack(/*sync=*/true);
  // Without a stream the file is complete, which its datanodes make durable.
  if (stream_ == nullptr) return absl::OkStatus();
  if (absl::Status status = stream_->Hsync(); !status.ok()) return Fail(std::move(status));
  readable_ = stream_->position();
  return absl::OkStatus();
}

absl::Status OpenFile::MakeReadable(uint64_t end) {
  if (IsFlushed(end)) return absl::OkStatus();
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
  if (change_ != nullptr) return WriteBack(/*sync=*/false);
  if (stream_ == nullptr) return absl::OkStatus();
  fresh_ = false;
  const uint64_t length = stream_->position();
  if (absl::Status status = stream_->Close(); !status.ok()) return Fail(std::move(status));
  stream_ = nullptr;
  readable_ = 0;
  last_end_ = length;
  NoteClosed();
  return absl::OkStatus();
}

absl::Status OpenFile::Truncate(const ClientPtr& fs, uint64_t length,
                                const Interrupted& interrupted) {
  MutexLock lock(mu_);
  if (!error_.ok()) return error_;
  const bool drops = change_ != nullptr && length == 0;
  if (drops) {
    // Nothing of what is staged is left, and what comes is written from the beginning to the end.
    change_ = nullptr;
    cuts_.fetch_add(1, std::memory_order_release);
    NoteClosed();
  }
  absl::Status status = TruncateTo(fs, length, interrupted);
  // What was staged had been taken, and must not look as if it were saved.
  return drops && !status.ok() && error_.ok() ? Fail(std::move(status)) : status;
}

absl::Status OpenFile::Extend(const ClientPtr& fs, uint64_t length,
                              const Interrupted& interrupted) {
  MutexLock lock(mu_);
  if (!error_.ok()) return error_;
  ASSIGN_OR_RETURN(const uint64_t end, EndOf(*fs));
  return length > end ? TruncateTo(fs, length, interrupted) : absl::OkStatus();
}

absl::Status OpenFile::TruncateTo(const ClientPtr& fs, uint64_t length,
                                  const Interrupted& interrupted) {
  ASSIGN_OR_RETURN(uint64_t end, EndOf(*fs));
  if (length > end && length - end > kMaxGapBytes) return OnlyAtTheEnd(path_, length, end);
  if (change_ != nullptr) {
    RETURN_IF_ERROR(change_->staged().Truncate(length));
    cuts_.fetch_add(1, std::memory_order_release);
    NoteWritten(length);
    return absl::OkStatus();
  }
  if (stream_ == nullptr) last_end_ = length;
  if (length == end) return absl::OkStatus();
  if (length < end) return Cut(*fs, length, interrupted);
  if (stream_ == nullptr) RETURN_IF_ERROR(OpenStream(*fs));
  // Another client may have added to the file since.
  end = stream_->position();
  return length > end ? Fill(length - end, interrupted) : absl::OkStatus();
}

absl::Status OpenFile::Cut(client::FileSystem& fs, uint64_t length,
                           const Interrupted& interrupted) {
  RETURN_IF_ERROR(DoComplete());
  ASSIGN_OR_RETURN(bool done, fs.Truncate(path_, length));
  last_end_ = length;
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
    // An erasure-coded file has what is cut until then: so have readers that were made meanwhile.
    if (done) cuts_.fetch_add(1, std::memory_order_release);
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
  if (!std::exchange(lease_left_, false)) return;
  const absl::StatusOr<bool> closed = fs.RecoverLease(path_);
  if (!closed.ok() && !absl::IsNotFound(closed.status())) {
    LOG_WARN("inode {}: its lease is left to run out: {}", inode_, closed.status());
  }
}

}  // namespace cairn::fuse
