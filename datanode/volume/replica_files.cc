#include "datanode/volume/replica_files.h"

#include <algorithm>
#include <array>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "datanode/volume/tail_file.h"
#include "datanode/volume/volume.h"
#include "wire/transfer/big_endian.h"
#include "wire/transfer/meta_file.h"

namespace cairn::datanode {
namespace {

using transfer::DataChecksum;
using transfer::LoadBig32;
using transfer::MetaFileBytes;
using transfer::MetaOffset;
using transfer::StoreBig32;

constexpr size_t kScanBytes = size_t{1} << 20;

absl::Status TooShort(absl::string_view what, uint64_t have, uint64_t want) {
  return absl::DataLossError(absl::StrCat(what, " file holds ", have, " bytes of ", want));
}

absl::Status ReadFully(File& file, absl::string_view what, uint64_t offset,
                       std::span<std::byte> out) {
  ASSIGN_OR_RETURN(const size_t count, file.ReadAt(offset, out));
  if (count != out.size()) return TooShort(what, offset + count, offset + out.size());
  return absl::OkStatus();
}

// Bytes from the start whose full chunks match the stored CRCs; always a multiple of the chunk.
absl::StatusOr<uint64_t> MatchingChunks(File& data, File& meta, const DataChecksum& checksum,
                                        uint64_t data_size, uint64_t crc_count) {
  const uint64_t chunk = checksum.bytes_per_checksum();
  const uint64_t end = std::min(data_size / chunk, crc_count) * chunk;
  const uint64_t step = std::max<uint64_t>(kScanBytes / chunk, 1) * chunk;
  std::vector<std::byte> buffer(static_cast<size_t>(std::min(step, end)));
  for (uint64_t offset = 0; offset < end; offset += step) {
    const auto piece = std::span(buffer).first(static_cast<size_t>(std::min(step, end - offset)));
    RETURN_IF_ERROR(ReadFully(data, "data", offset, piece));
    ASSIGN_OR_RETURN(const std::vector<std::byte> crcs,
                     ReadChecksums(meta, checksum, offset, offset + piece.size()));
    if (const auto bad = checksum.FindMismatch(piece, crcs)) return offset + *bad;
  }
  return end;
}

// The longest prefix of `chunk` with this CRC; 0 for none.
uint64_t LongestWithCrc(const DataChecksum& checksum, std::span<const std::byte> chunk,
                        uint32_t wanted) {
  uint64_t longest = 0;
  uint32_t crc = 0;
  for (size_t i = 0; i < chunk.size(); ++i) {
    crc = checksum.Extend(crc, chunk.subspan(i, 1));
    if (crc == wanted) longest = i + 1;
  }
  return longest;
}

// How much was on stable media, as far as records tell: no power cut explains that it does not fit.
uint64_t SyncedBytes(const std::vector<TailRecord>& records) {
  uint64_t synced = 0;
  for (const TailRecord& record : records) {
    synced = std::max(synced, record.length);
  }
  return synced;
}

// A power cut took the header, which the first sync would have kept: nothing was ever synced.
absl::Status BeginAnew(File& data, File& meta) {
  RETURN_IF_ERROR(data.Truncate(0));
  RETURN_IF_ERROR(meta.Truncate(0));
  std::array<std::byte, transfer::kMetaHeaderBytes> header;
  transfer::EncodeMetaHeader(DataChecksum(), header);
  return meta.WriteAt(0, header);
}

// A full disk is no want of descriptors or memory, and does not pass by itself.
absl::Status OfAWrite(const absl::Status& status) {
  if (!absl::IsResourceExhausted(status)) return status;
  return absl::FailedPreconditionError(status.message());
}

// The longest length in a tail record that ends inside `chunk`, which begins at `offset`, and whose
// CRC matches; 0 for none.
uint64_t LongestInTail(const std::vector<TailRecord>& records, const DataChecksum& checksum,
                       uint64_t offset, std::span<const std::byte> chunk) {
  uint64_t longest = 0;
  for (const TailRecord& record : records) {
    if (record.bytes_per_checksum != checksum.bytes_per_checksum() || record.length <= offset ||
        record.length - offset > chunk.size() ||
        checksum.RoundDown(record.length) == record.length) {
      continue;
    }
    const auto covered = chunk.first(static_cast<size_t>(record.length - offset));
    if (checksum.Of(covered) == record.chunk_crc) longest = std::max(longest, record.length);
  }
  return longest;
}

}  // namespace

ReplicaPaths PathsIn(const std::string& directory, BlockId block, GenerationStamp stamp) {
  return {.data = absl::StrCat(directory, "/", DataFileName(block)),
          .meta = absl::StrCat(directory, "/", MetaFileName(block, stamp)),
          .tail = absl::StrCat(directory, "/", TailFileName(block))};
}

absl::StatusOr<DataChecksum> ReadMetaHeader(File& meta) {
  std::array<std::byte, transfer::kMetaHeaderBytes> header;
  RETURN_IF_ERROR(ReadFully(meta, "meta", 0, header));
  return transfer::DecodeMetaHeader(header);
}

absl::StatusOr<std::vector<std::byte>> ReadChecksums(File& meta, const DataChecksum& checksum,
                                                     uint64_t from, uint64_t to) {
  std::vector<std::byte> out(static_cast<size_t>(checksum.ChecksumBytes(to - from)));
  RETURN_IF_ERROR(ReadFully(meta, "meta", MetaOffset(checksum, from), out));
  return out;
}

absl::StatusOr<uint32_t> CrcOfRange(File& data, const DataChecksum& checksum, uint64_t from,
                                    uint64_t to) {
  std::vector<std::byte> bytes(static_cast<size_t>(to - from));
  RETURN_IF_ERROR(ReadFully(data, "data", from, bytes));
  return checksum.Of(bytes);
}

absl::StatusOr<std::optional<uint32_t>> VerifiedTailCrc(File& data, File& meta,
                                                        const DataChecksum& checksum, uint64_t keep,
                                                        uint64_t have, bool interrupted) {
  const uint64_t start = checksum.RoundDown(keep);
  if (start == keep || checksum.checksum_size() == 0) return std::nullopt;
  const uint64_t chunk_end = start + checksum.bytes_per_checksum();
  uint64_t end = std::min(have, chunk_end);
  if (interrupted) {
    ASSIGN_OR_RETURN(const uint64_t size, data.Size());
    end = std::max(end, std::min(size, chunk_end));
  }
  std::vector<std::byte> chunk(static_cast<size_t>(end - start));
  RETURN_IF_ERROR(ReadFully(data, "data", start, chunk));
  ASSIGN_OR_RETURN(const std::vector<std::byte> stored,
                   ReadChecksums(meta, checksum, start, start + 1));
  const uint32_t wanted = LoadBig32(stored.data());
  const auto kept = std::span<const std::byte>(chunk).first(static_cast<size_t>(keep - start));
  const auto old = std::span<const std::byte>(chunk).first(
      static_cast<size_t>(std::min(have, chunk_end) - start));
  const bool good = checksum.Of(old) == wanted ||
                    (interrupted && LongestWithCrc(checksum, chunk, wanted) >= kept.size());
  if (!good) {
    return absl::DataLossError(
        absl::StrCat("the chunk at offset ", start, " does not match its checksum"));
  }
  return checksum.Of(kept);
}

absl::Status VerifyChunks(File& data, File& meta, const DataChecksum& checksum, uint64_t end) {
  if (checksum.checksum_size() == 0) return absl::OkStatus();
  ASSIGN_OR_RETURN(const uint64_t good,
                   MatchingChunks(data, meta, checksum, end, end / checksum.bytes_per_checksum()));
  if (good == end) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat("the chunk at offset ", good, " does not match its checksum"));
}

absl::Status VerifyWhole(File& data, File& meta) {
  ASSIGN_OR_RETURN(const DataChecksum checksum, ReadMetaHeader(meta));
  ASSIGN_OR_RETURN(const uint64_t length, data.Size());
  ASSIGN_OR_RETURN(const uint64_t meta_size, meta.Size());
  const uint64_t wanted = MetaFileBytes(checksum, length);
  if (meta_size != wanted) {
    return absl::DataLossError(
        absl::StrCat("the meta file has ", meta_size, " bytes, where the data call for ", wanted));
  }
  RETURN_IF_ERROR(VerifyChunks(data, meta, checksum, checksum.RoundDown(length)));
  return VerifiedTailCrc(data, meta, checksum, length, length, /*interrupted=*/false).status();
}

absl::Status CutFiles(File& data, File& meta, const DataChecksum& checksum, uint64_t length,
                      std::optional<uint32_t> tail_crc) {
  ASSIGN_OR_RETURN(const uint64_t have, data.Size());
  if (have < length) return TooShort("data", have, length);
  ASSIGN_OR_RETURN(const uint64_t meta_size, meta.Size());
  const uint64_t wanted = MetaFileBytes(checksum, length);
  if (meta_size < wanted) return TooShort("meta", meta_size, wanted);
  if (tail_crc.has_value()) {
    std::array<std::byte, 4> bytes;
    StoreBig32(*tail_crc, bytes.data());
    RETURN_IF_ERROR(meta.WriteAt(MetaOffset(checksum, checksum.RoundDown(length)), bytes));
  }
  RETURN_IF_ERROR(data.Truncate(length));  // at the same length it frees what was reserved beyond
  if (meta_size > wanted) RETURN_IF_ERROR(meta.Truncate(wanted));
  return absl::OkStatus();
}

absl::Status RewriteFiles(File& data, File& meta, const DataChecksum& checksum, uint64_t length) {
  RETURN_IF_ERROR(VerifyChunks(data, meta, checksum, checksum.RoundDown(length)));
  std::vector<std::byte> buffer(kScanBytes);
  const auto rewrite = [&](File& file, absl::string_view what, uint64_t end) -> absl::Status {
    for (uint64_t offset = 0; offset < end; offset += kScanBytes) {
      const auto piece = std::span(buffer).first(
          static_cast<size_t>(std::min<uint64_t>(kScanBytes, end - offset)));
      RETURN_IF_ERROR(ReadFully(file, what, offset, piece));
      RETURN_IF_ERROR(file.WriteAt(offset, piece));
    }
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(rewrite(data, "data", length));
  return rewrite(meta, "meta", MetaFileBytes(checksum, length));
}

absl::StatusOr<RecoveredPrefix> RecoverPrefix(FileSystem& fs, const ReplicaPaths& paths,
                                              BlockId block) {
  ASSIGN_OR_RETURN(const std::unique_ptr<File> data, fs.Open(paths.data, {.write = true}));
  ASSIGN_OR_RETURN(const std::unique_ptr<File> meta, fs.Open(paths.meta, {.write = true}));
  ASSIGN_OR_RETURN(const uint64_t data_size, data->Size());
  ASSIGN_OR_RETURN(const uint64_t meta_size, meta->Size());
  ASSIGN_OR_RETURN(const std::vector<TailRecord> records, ReadTailRecords(fs, paths.tail, block));
  const uint64_t synced = SyncedBytes(records);
  const RecoveredPrefix damaged{.length = data_size, .damaged = true};
  std::array<std::byte, transfer::kMetaHeaderBytes> header{};
  if (meta_size >= header.size()) RETURN_IF_ERROR(ReadFully(*meta, "meta", 0, header));
  const absl::StatusOr<DataChecksum> parsed = transfer::DecodeMetaHeader(header);
  if (!parsed.ok()) {
    if (synced > 0) return damaged;
    // Zeros are what was never written; anything else was, and has rotted since.
    const bool written = std::any_of(header.begin(), header.end(),
                                     [](std::byte byte) { return byte != std::byte{0}; });
    if (written) return parsed.status();
    RETURN_IF_ERROR(OfAWrite(BeginAnew(*data, *meta)));
    return RecoveredPrefix{};
  }
  const DataChecksum checksum = *parsed;
  if (checksum.checksum_size() == 0) {
    const bool has_sums = meta_size > header.size();  // and a header that has rotted
    if (synced > data_size || (has_sums && synced > 0)) return damaged;
    if (has_sums) return absl::DataLossError("checksums follow a header that tells of none");
    return RecoveredPrefix{.length = data_size};
  }
  const uint64_t crc_count = (meta_size - transfer::kMetaHeaderBytes) / checksum.checksum_size();

  ASSIGN_OR_RETURN(uint64_t length, MatchingChunks(*data, *meta, checksum, data_size, crc_count));
  const uint64_t chunk_start = length;
  const uint64_t chunk_end =
      std::min<uint64_t>(data_size, chunk_start + checksum.bytes_per_checksum());
  std::optional<uint32_t> tail_crc;
  if (chunk_end > chunk_start) {
    std::vector<std::byte> chunk(static_cast<size_t>(chunk_end - chunk_start));
    RETURN_IF_ERROR(ReadFully(*data, "data", chunk_start, chunk));
    if (chunk_start / checksum.bytes_per_checksum() < crc_count) {
      ASSIGN_OR_RETURN(const std::vector<std::byte> crc,
                       ReadChecksums(*meta, checksum, chunk_start, chunk_start + 1));
      length += LongestWithCrc(checksum, chunk, LoadBig32(crc.data()));
    }
    length = std::max(length, LongestInTail(records, checksum, chunk_start, chunk));
    if (checksum.RoundDown(length) != length) {
      tail_crc = checksum.Of(std::span(chunk).first(static_cast<size_t>(length - chunk_start)));
    }
  }
  if (synced > length) return damaged;
  // A synced tail may have lost its place in a meta file that never grew to it.
  const uint64_t wanted = MetaFileBytes(checksum, length);
  if (meta_size < wanted) RETURN_IF_ERROR(OfAWrite(meta->Truncate(wanted)));
  RETURN_IF_ERROR(OfAWrite(CutFiles(*data, *meta, checksum, length, tail_crc)));
  return RecoveredPrefix{.length = length};
}

}  // namespace cairn::datanode
