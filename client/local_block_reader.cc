#include "client/local_block_reader.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "wire/transfer/meta_file.h"

namespace cairn::client {
namespace {

// With its checksums it fits a core's second-level cache.
constexpr size_t kPieceBytes = size_t{256} << 10;
constexpr uint64_t kBufferBytes = uint64_t{64} << 10;

absl::Status ReadAt(int fd, uint64_t offset, std::span<std::byte> out, const char* what) {
  while (!out.empty()) {
    const ssize_t count = ::pread(fd, out.data(), out.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return absl::UnavailableError(absl::StrCat(what, ": ", std::strerror(errno)));
    if (count == 0) {
      return absl::UnavailableError(absl::StrCat(what, " ends at ", offset, " now"));
    }
    offset += static_cast<size_t>(count);
    out = out.subspan(static_cast<size_t>(count));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<const LocalReplica>> LocalReplica::Open(int data, int meta) {
  std::shared_ptr<LocalReplica> replica(new LocalReplica(data, meta));
  std::array<std::byte, transfer::kMetaHeaderBytes> header;
  RETURN_IF_ERROR(ReadAt(meta, 0, header, "the meta file"));
  ASSIGN_OR_RETURN(replica->checksum_, transfer::DecodeMetaHeader(header));
  struct stat found {};
  if (::fstat(data, &found) != 0 || !S_ISREG(found.st_mode)) {
    return absl::UnavailableError("what came is no data file");
  }
  replica->length_ = static_cast<uint64_t>(found.st_size);
  return replica;
}

LocalReplica::~LocalReplica() {
  ::close(data_);
  ::close(meta_);
}

absl::Status LocalReplica::ReadData(uint64_t offset, std::span<std::byte> out) const {
  return ReadAt(data_, offset, out, "the replica's data");
}

absl::Status LocalReplica::ReadVerified(uint64_t offset, std::span<std::byte> out,
                                        std::vector<std::byte>& crcs) const {
  if (checksum_.checksum_size() == 0) return ReadData(offset, out);
  const size_t step =
      std::max<size_t>(checksum_.RoundDown(kPieceBytes), checksum_.bytes_per_checksum());
  while (!out.empty()) {
    const std::span<std::byte> piece = out.first(std::min(step, out.size()));
    RETURN_IF_ERROR(ReadData(offset, piece));
    crcs.resize(checksum_.ChecksumBytes(piece.size()));
    RETURN_IF_ERROR(
        ReadAt(meta_, transfer::MetaOffset(checksum_, offset), crcs, "the replica's meta file"));
    if (const auto bad = checksum_.FindMismatch(piece, crcs)) {
      return absl::DataLossError(
          absl::StrCat("checksum error at offset ", offset + *bad, " of the block, read locally"));
    }
    offset += piece.size();
    out = out.subspan(piece.size());
  }
  return absl::OkStatus();
}

LocalBlockReader::LocalBlockReader(std::shared_ptr<const LocalReplica> replica, uint64_t offset,
                                   uint64_t length, bool verify)
    : replica_(std::move(replica)), end_(offset + length), verify_(verify), position_(offset) {}

absl::StatusOr<size_t> LocalBlockReader::Read(std::span<std::byte> out) {
  out = out.first(std::min<uint64_t>(out.size(), end_ - position_));
  if (out.empty()) return 0;
  if (!verify_) {
    RETURN_IF_ERROR(replica_->ReadData(position_, out));
    position_ += out.size();
    return out.size();
  }
  const transfer::DataChecksum& checksum = replica_->checksum();
  if (buffered_.empty() && checksum.RoundDown(position_) == position_) {
    // Whole chunks, the last of which may end with the data.
    const bool to_the_end = position_ + out.size() == replica_->length();
    const std::span<std::byte> whole = to_the_end ? out : out.first(checksum.RoundDown(out.size()));
    const bool all = whole.size() == end_ - position_;
    if (!whole.empty() && (all || whole.size() >= kBufferBytes)) {
      RETURN_IF_ERROR(replica_->ReadVerified(position_, whole, crcs_));
      position_ += whole.size();
      return whole.size();
    }
  }
  if (buffered_.empty()) RETURN_IF_ERROR(FillBuffer());
  const size_t bytes = std::min(out.size(), buffered_.size());
  std::memcpy(out.data(), buffered_.data(), bytes);
  buffered_ = buffered_.subspan(bytes);
  position_ += bytes;
  return bytes;
}

absl::Status LocalBlockReader::FillBuffer() {
  const transfer::DataChecksum& checksum = replica_->checksum();
  const uint64_t from = checksum.RoundDown(position_);
  const uint64_t wanted = std::min(end_, std::max(from + kBufferBytes, position_ + 1));
  const uint64_t to = std::min(checksum.RoundUp(wanted), replica_->length());
  buffer_.resize(to - from);
  RETURN_IF_ERROR(replica_->ReadVerified(from, buffer_, crcs_));
  buffered_ = std::span<const std::byte>(buffer_).subspan(position_ - from);
  buffered_ = buffered_.first(std::min<uint64_t>(buffered_.size(), end_ - position_));
  return absl::OkStatus();
}

}  // namespace cairn::client
