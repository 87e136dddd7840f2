#include "fuse/stage/staged_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/crc32c.h"
#include "common/status_macros.h"

namespace cairn::fuse {
namespace {

constexpr uint64_t kPiece = StagedFile::kPieceBytes;

off_t PlaceOf(uint32_t slot) { return static_cast<off_t>(slot * kPiece); }

absl::Status WriteAll(int fd, std::span<const std::byte> data, off_t at) {
  while (!data.empty()) {
    const ssize_t bytes = ::pwrite(fd, data.data(), data.size(), at);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0) {
      const bool full = errno == ENOSPC || errno == EDQUOT;
      absl::Status status = absl::ErrnoToStatus(errno, "the stage's disk");
      return full ? absl::ResourceExhaustedError(status.message()) : status;
    }
    data = data.subspan(static_cast<size_t>(bytes));
    at += bytes;
  }
  return absl::OkStatus();
}

absl::Status ReadAll(int fd, std::span<std::byte> out, off_t at) {
  while (!out.empty()) {
    const ssize_t bytes = ::pread(fd, out.data(), out.size(), at);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0) return absl::ErrnoToStatus(errno, "the stage's disk");
    if (bytes == 0) return absl::DataLossError("the staged file is too short");
    out = out.subspan(static_cast<size_t>(bytes));
    at += bytes;
  }
  return absl::OkStatus();
}

void Clear(std::span<std::byte> bytes) { std::fill(bytes.begin(), bytes.end(), std::byte{0}); }

}  // namespace

StagedFile::StagedFile(StageArea& area, int fd, ReadBase base, uint64_t base_length)
    : area_(area),
      fd_(fd),
      base_(std::move(base)),
      base_length_(base_length),
      intact_(base_length),
      length_(base_length) {}

StagedFile::~StagedFile() {
  area_.Release(pieces_.size() * kPiece);
  ::close(fd_);
}

bool StagedFile::IsChanged() const {
  return !pieces_.empty() || intact_ != base_length_ || length_ != base_length_;
}

ChangedBytes StagedFile::changed() const {
  ChangedBytes changed{.intact = intact_, .length = length_};
  for (const auto& [index, piece] : pieces_) {
    const uint64_t begin = index * kPiece;
    const uint64_t end = std::min(begin + kPiece, length_);
    if (!changed.ranges.empty() && changed.ranges.back().end == begin) {
      changed.ranges.back().end = end;
    } else {
      changed.ranges.push_back({begin, end});
    }
  }
  return changed;
}

absl::Status StagedFile::LoadStaged(const Piece& piece, std::span<std::byte> out) const {
  RETURN_IF_ERROR(ReadAll(fd_, out, PlaceOf(piece.slot)));
  if (Crc32c(out) == piece.crc) return absl::OkStatus();
  return absl::DataLossError("a staged piece is not what was written: its disk is failing");
}

absl::Status StagedFile::Load(uint64_t index, std::span<std::byte> out) const {
  if (const auto found = pieces_.find(index); found != pieces_.end()) {
    return LoadStaged(found->second, out);
  }
  const uint64_t begin = index * kPiece;
  const uint64_t intact = std::min(begin + kPiece, std::max(begin, intact_)) - begin;
  Clear(out.subspan(intact));
  return intact == 0 ? absl::OkStatus() : base_(begin, out.first(intact));
}

absl::Status StagedFile::Store(uint64_t index, std::span<const std::byte> data) {
  uint32_t slot = slots_;
  if (!free_slots_.empty()) slot = free_slots_.back();
  RETURN_IF_ERROR(WriteAll(fd_, data, PlaceOf(slot)));
  if (slot == slots_) {
    ++slots_;
  } else {
    free_slots_.pop_back();
  }
  const auto [place, added] = pieces_.try_emplace(index);
  if (!added) free_slots_.push_back(place->second.slot);
  place->second = {.slot = slot, .crc = Crc32c(data)};
  return absl::OkStatus();
}

void StagedFile::Drop(Pieces::iterator piece) {
  // Its room is the stage's again, on the disk as well. A file system that cannot do so has it
  // taken by later pieces, or when the file goes.
  (void)::fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PlaceOf(piece->second.slot),
                    static_cast<off_t>(kPiece));
  // Below the one that a write before has left, which is the next to be taken.
  const auto last = free_slots_.empty() ? free_slots_.end() : std::prev(free_slots_.end());
  free_slots_.insert(last, piece->second.slot);
  pieces_.erase(piece);
  area_.Release(kPiece);
}

absl::Status StagedFile::WritePiece(uint64_t index, size_t begin, std::span<const std::byte> data) {
  std::vector<std::byte> bytes(kPiece);
  const uint64_t end = index * kPiece + begin + data.size();
  const bool covers = begin == 0 && (data.size() == kPiece || end >= length_);
  if (!covers) RETURN_IF_ERROR(Load(index, bytes));
  std::copy(data.begin(), data.end(), bytes.begin() + static_cast<ptrdiff_t>(begin));
  RETURN_IF_ERROR(Store(index, bytes));
  length_ = std::max(length_, end);
  return absl::OkStatus();
}

absl::Status StagedFile::Write(uint64_t offset, std::span<const std::byte> data) {
  if (data.empty()) return absl::OkStatus();
  // Room for all first: of a write that is refused for want of it nothing is taken.
  uint64_t room = 0;
  for (uint64_t index = offset / kPiece; index <= (offset + data.size() - 1) / kPiece; ++index) {
    if (!pieces_.contains(index)) room += kPiece;
  }
  RETURN_IF_ERROR(area_.Reserve(room));
  while (!data.empty()) {
    const uint64_t index = offset / kPiece;
    const size_t begin = offset % kPiece;
    const size_t bytes = std::min<size_t>(kPiece - begin, data.size());
    const bool more_room = !pieces_.contains(index);
    if (absl::Status status = WritePiece(index, begin, data.first(bytes)); !status.ok()) {
      area_.Release(room);
      return status;
    }
    if (more_room) room -= kPiece;
    offset += bytes;
    data = data.subspan(bytes);
  }
  return absl::OkStatus();
}

absl::Status StagedFile::Truncate(uint64_t length) {
  if (length < length_) {
    const auto cut = pieces_.find(length / kPiece);
    if (cut != pieces_.end() && length % kPiece != 0) {
      // Bytes behind the end are zeros, should the file grow again.
      std::vector<std::byte> bytes(kPiece);
      RETURN_IF_ERROR(LoadStaged(cut->second, bytes));
      Clear(std::span(bytes).subspan(length % kPiece));
      RETURN_IF_ERROR(Store(cut->first, bytes));
    }
    const uint64_t kept = (length + kPiece - 1) / kPiece;
    for (auto piece = pieces_.lower_bound(kept); piece != pieces_.end();) Drop(piece++);
    intact_ = std::min(intact_, length);
  }
  length_ = length;
  return absl::OkStatus();
}

absl::StatusOr<size_t> StagedFile::Read(uint64_t offset, std::span<std::byte> out) const {
  if (offset >= length_) return 0;
  out = out.first(std::min<uint64_t>(out.size(), length_ - offset));
  std::vector<std::byte> bytes;
  for (size_t done = 0; done < out.size();) {
    const uint64_t at = offset + done;
    const auto next = pieces_.lower_bound(at / kPiece);
    std::span<std::byte> rest = out.subspan(done);
    if (next != pieces_.end() && next->first == at / kPiece) {
      bytes.resize(kPiece);
      RETURN_IF_ERROR(LoadStaged(next->second, bytes));
      const size_t begin = at % kPiece;
      const size_t count = std::min<size_t>(kPiece - begin, rest.size());
      std::copy_n(bytes.begin() + static_cast<ptrdiff_t>(begin), count, rest.begin());
      done += count;
      continue;
    }
    // Up to the next piece: the base's bytes, then zeros.
    if (next != pieces_.end()) {
      rest = rest.first(std::min<uint64_t>(rest.size(), next->first * kPiece - at));
    }
    const size_t intact = std::min<uint64_t>(rest.size(), std::max(at, intact_) - at);
    if (intact > 0) RETURN_IF_ERROR(base_(at, rest.first(intact)));
    Clear(rest.subspan(intact));
    done += rest.size();
  }
  return out.size();
}

}  // namespace cairn::fuse
