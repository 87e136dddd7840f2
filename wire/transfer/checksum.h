// wire/transfer/checksum.h - checksums of a block's chunks, as packets and meta files carry them.
//
// A chunk is bytes_per_checksum bytes of the block, counted from its start; the last may be short.
// Each has a 4-byte big-endian CRC; type NULL has none. Immutable value, thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "absl/status/statusor.h"
#include "proto/hdfs/data_transfer.pb.h"

namespace cairn::transfer {

// Values are those of wire and meta file.
enum class ChecksumType : uint8_t { kNull = 0, kCrc32 = 1, kCrc32c = 2 };

inline constexpr uint32_t kDefaultBytesPerChecksum = 512;
inline constexpr uint32_t kMaxBytesPerChecksum = uint32_t{8} << 20;  // must fit a packet
// Of a replica that is about to be created. A datanode keeps the checksums of a buffer of 1 MiB
// beside it, outside the pool of these: with smaller chunks they would be a large part of it.
inline constexpr uint32_t kMinBytesPerNewChecksum = 64;
inline constexpr uint32_t kMaxBytesPerNewChecksum = uint32_t{1} << 20;

class DataChecksum {
 public:
  DataChecksum() = default;                                      // CRC32C of 512 bytes
  DataChecksum(ChecksumType type, uint32_t bytes_per_checksum);  // CHECKs what Create refuses

  // kInvalidArgument: an unknown type, or bytes_per_checksum of 0 or above the maximum.
  static absl::StatusOr<DataChecksum> Create(uint32_t type, uint32_t bytes_per_checksum);
  static absl::StatusOr<DataChecksum> FromProto(const hdfs::ChecksumProto& proto);
  hdfs::ChecksumProto ToProto() const;

  ChecksumType type() const { return type_; }
  uint32_t bytes_per_checksum() const { return bytes_per_checksum_; }
  // Bytes of one checksum: 4, or 0 for NULL.
  size_t checksum_size() const { return type_ == ChecksumType::kNull ? 0 : 4; }
  // Chunks that `data_bytes` touch when they begin at a chunk boundary.
  uint64_t ChunkCount(uint64_t data_bytes) const {
    return data_bytes / bytes_per_checksum_ + (data_bytes % bytes_per_checksum_ != 0 ? 1 : 0);
  }
  uint64_t ChecksumBytes(uint64_t data_bytes) const {
    return ChunkCount(data_bytes) * checksum_size();
  }
  uint64_t RoundDown(uint64_t offset) const { return offset - offset % bytes_per_checksum_; }
  uint64_t RoundUp(uint64_t offset) const { return ChunkCount(offset) * bytes_per_checksum_; }

  // CRC of one run of bytes. Not for NULL.
  uint32_t Of(std::span<const std::byte> data) const { return Extend(0, data); }
  uint32_t Extend(uint32_t crc, std::span<const std::byte> data) const;
  // CRC of A followed by B.
  uint32_t Combine(uint32_t crc_a, uint32_t crc_b, uint64_t length_of_b) const;

  // Writes the checksums of `data`, which begins at a chunk boundary, to `out`, which holds
  // ChecksumBytes(data.size()). Nothing for NULL.
  void Compute(std::span<const std::byte> data, std::span<std::byte> out) const;
  // Offset in `data` of the first chunk that does not match; nullopt if all do, always for NULL.
  std::optional<size_t> FindMismatch(std::span<const std::byte> data,
                                     std::span<const std::byte> checksums) const;

  friend bool operator==(const DataChecksum&, const DataChecksum&) = default;

 private:
  ChecksumType type_ = ChecksumType::kCrc32c;
  uint32_t bytes_per_checksum_ = kDefaultBytesPerChecksum;
};

// A packet's checksums are all there: one for each started chunk of its data, or none when it has
// no data. kInvalidArgument otherwise.
absl::Status CheckChecksumCount(const DataChecksum& checksum, uint32_t data_bytes,
                                uint32_t checksum_bytes);

}  // namespace cairn::transfer
