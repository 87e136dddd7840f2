#include "fuse/read_stream.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "common/status_macros.h"

namespace cairn::fuse {

ReadStream::ReadStream(std::unique_ptr<client::InputStream> in) : in_(std::move(in)) {}

absl::StatusOr<size_t> ReadStream::Read(uint64_t offset, std::span<std::byte> out) {
  size_t done = 0;
  {
    MutexLock lock(mu_);
    done = TakeKept(offset, out);
    const bool at_end = offset + done >= in_->length();
    if (done < out.size() && !at_end) {
      ASSIGN_OR_RETURN(const bool follows, Follows(offset + done));
      if (follows) {
        ASSIGN_OR_RETURN(const size_t bytes, in_->ReadFully(out.subspan(done)));
        streaming_ = true;
        return done + bytes;
      }
    }
    if (done == out.size() || at_end) return done;
    streaming_ = false;
    last_end_ = offset + out.size();
  }
  ASSIGN_OR_RETURN(const size_t bytes, in_->ReadAt(offset + done, out.subspan(done)));
  return done + bytes;
}

absl::StatusOr<uint64_t> ReadStream::RefreshLength() {
  const std::optional<client::ContentsId> before = in_->contents();
  ASSIGN_OR_RETURN(const uint64_t length, in_->RefreshLength());
  if (!client::OnlyGrew(before, in_->contents())) {
    MutexLock lock(mu_);
    kept_.clear();
    kept_bytes_ = 0;
  }
  return length;
}

absl::StatusOr<bool> ReadStream::Follows(uint64_t offset) {
  const uint64_t position = in_->position();
  if (offset == position) return true;
  if (offset > position && offset - position <= kAheadBytes && streaming_) {
    RETURN_IF_ERROR(KeepUpTo(offset));
    // Not there if the file has been found shorter meanwhile, by whoever asked for its length.
    return in_->position() == offset;
  }
  // Two reads in a row elsewhere: the reader has moved there.
  if (streaming_ || offset != last_end_) return false;
  kept_.clear();
  kept_bytes_ = 0;
  RETURN_IF_ERROR(in_->Seek(offset));
  return true;
}

absl::Status ReadStream::KeepUpTo(uint64_t offset) {
  Piece piece{.offset = in_->position()};
  piece.bytes.resize(offset - piece.offset);
  ASSIGN_OR_RETURN(const size_t bytes, in_->ReadFully(piece.bytes));
  piece.bytes.resize(bytes);
  kept_bytes_ += bytes;
  kept_.push_back(std::move(piece));
  while (kept_bytes_ > kKeepBytes) {
    kept_bytes_ -= kept_.front().bytes.size();
    kept_.pop_front();
  }
  return absl::OkStatus();
}

size_t ReadStream::TakeKept(uint64_t offset, std::span<std::byte> out) {
  size_t done = 0;
  for (auto piece = kept_.begin(); piece != kept_.end() && done < out.size();) {
    const uint64_t at = offset + done;
    const uint64_t end = piece->offset + piece->bytes.size();
    if (at < piece->offset || at >= end) {
      ++piece;
      continue;
    }
    const size_t bytes = std::min<uint64_t>(end - at, out.size() - done);
    std::memcpy(out.data() + done, piece->bytes.data() + (at - piece->offset), bytes);
    done += bytes;
    // The kernel asks for a byte once. What is needed again all the same is read again.
    if (at + bytes == end) {
      kept_bytes_ -= piece->bytes.size();
      kept_.erase(piece);
    }
    piece = kept_.begin();
  }
  return done;
}

}  // namespace cairn::fuse
