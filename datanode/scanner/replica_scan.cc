#include "datanode/scanner/replica_scan.h"

#include <fcntl.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "datanode/volume/replica_files.h"

namespace cairn::datanode {
namespace {

using transfer::DataChecksum;

absl::Status Mismatch(uint64_t offset) {
  return absl::DataLossError(
      absl::StrCat("the chunk at offset ", offset, " does not match its checksum"));
}

// Compares data[0, size), which are bytes from `offset` on.
absl::Status Compare(const ReplicaReader& reader, uint64_t offset,
                     std::span<const std::byte> data) {
  const DataChecksum& checksum = reader.checksum;
  if (checksum.checksum_size() == 0) return absl::OkStatus();
  const uint64_t end = offset + data.size();
  const uint64_t full_end = std::min(end, checksum.RoundDown(reader.info.length));
  if (full_end > offset) {
    const auto full = data.first(static_cast<size_t>(full_end - offset));
    ASSIGN_OR_RETURN(const std::vector<std::byte> crcs,
                     ReadChecksums(*reader.meta, checksum, offset, full_end));
    if (const auto bad = checksum.FindMismatch(full, crcs)) return Mismatch(offset + *bad);
  }
  if (full_end == end || !reader.tail_crc.has_value()) return absl::OkStatus();
  const uint64_t tail = std::max(full_end, offset);
  if (checksum.Of(data.subspan(static_cast<size_t>(tail - offset))) == *reader.tail_crc) {
    return absl::OkStatus();
  }
  return Mismatch(tail);
}

// kCancelled: `pace` said so.
absl::Status ReadAndCompare(const ReplicaReader& reader, uint64_t step, std::span<std::byte> buffer,
                            const std::function<bool(uint64_t)>& pace, uint64_t& bytes) {
  for (uint64_t offset = 0; offset < reader.info.length; offset += step) {
    const auto wanted = static_cast<size_t>(std::min<uint64_t>(step, reader.info.length - offset));
    // Whole blocks are asked for, as O_DIRECT wants it; the file ends where it ends.
    ASSIGN_OR_RETURN(const size_t count, reader.data->ReadAt(offset, buffer));
    bytes += std::min(count, wanted);
    if (count < wanted) {
      return absl::DataLossError(absl::StrCat("its data file ends at ", offset + count));
    }
    RETURN_IF_ERROR(Compare(reader, offset, buffer.first(wanted)));
    if (!pace(wanted)) return absl::CancelledError("");
  }
  return absl::OkStatus();
}

absl::Status ScanOnce(ReplicaStore& store, BlockId block, std::span<std::byte> buffer,
                      const std::function<bool(uint64_t)>& pace, ReplicaInfo& info,
                      uint64_t& bytes) {
  ASSIGN_OR_RETURN(ReplicaReader reader,
                   store.OpenForRead(block, GenerationStamp{0}, ReadMode::kDirect));
  if (reader.open != nullptr) return absl::CancelledError("");  // being written
  const uint64_t chunk = reader.checksum.bytes_per_checksum();
  uint64_t step = buffer.size();
  if (step % chunk != 0) {  // no piece is both whole chunks and whole blocks of the disk
    step = step / chunk * chunk;
    ASSIGN_OR_RETURN(reader, store.OpenForRead(block, GenerationStamp{0}));
    if (reader.open != nullptr) return absl::CancelledError("");
  }
  info = reader.info;
  absl::Status status = ReadAndCompare(reader, step, buffer, pace, bytes);
  if (step != buffer.size() && reader.data->fd() >= 0) {
    (void)::posix_fadvise(reader.data->fd(), 0, 0, POSIX_FADV_DONTNEED);
  }
  return status;
}

}  // namespace

ScanResult ScanReplica(ReplicaStore& store, BlockId block, BufferPool::Buffer& buffer,
                       const std::function<bool(uint64_t bytes)>& pace) {
  ScanResult result;
  const auto before = store.Find(block);
  if (!before.has_value() || before->state != ReplicaState::kFinalized) return result;
  ReplicaInfo info = *before;
  absl::Status status = ScanOnce(store, block, buffer.span(), pace, info, result.bytes);
  if (absl::IsDataLoss(status) && store.Find(block) == info) {
    // An append may have raced with the reading; it does not do so twice without leaving a trace.
    LOG_WARN("{}: {}; looking again", NameOf(block), status);
    status = ScanOnce(store, block, buffer.span(), pace, info, result.bytes);
    if (absl::IsDataLoss(status)) store.ReadFailed(info, status);
  }
  const auto after = store.Find(block);
  if (status.ok()) {
    result.verdict = ScanVerdict::kGood;
  } else if (after.has_value() && after->state == ReplicaState::kCorrupt) {
    result.verdict = ScanVerdict::kBad;  // by this scan, or by the opening of its files
  }
  return result;
}

}  // namespace cairn::datanode
