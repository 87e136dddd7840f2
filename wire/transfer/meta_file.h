// wire/transfer/meta_file.h - the checksum file beside each replica, in HDFS's format.
//
//   offset  bytes   field
//   0       2, BE   version 1
//   2       1       checksum type
//   3       4, BE   bytes per checksum
//   7       4n, BE  CRC of each chunk
//
// Clients that read by passed descriptor parse it too, hence HDFS's own layout. docs/formats/
// replica.md has a worked example.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/status/statusor.h"
#include "wire/transfer/checksum.h"

namespace cairn::transfer {

inline constexpr size_t kMetaHeaderBytes = 7;
inline constexpr uint16_t kMetaVersion = 1;

void EncodeMetaHeader(const DataChecksum& checksum, std::span<std::byte, kMetaHeaderBytes> out);

// kDataLoss: shorter than the header, or a type or chunk size that no writer produces.
// kUnimplemented: another version.
absl::StatusOr<DataChecksum> DecodeMetaHeader(std::span<const std::byte> in);

// Size of the meta file of a replica of `data_bytes`.
inline uint64_t MetaFileBytes(const DataChecksum& checksum, uint64_t data_bytes) {
  return kMetaHeaderBytes + checksum.ChecksumBytes(data_bytes);
}

// Where in the meta file the CRC of the chunk that holds `data_offset` is.
inline uint64_t MetaOffset(const DataChecksum& checksum, uint64_t data_offset) {
  return kMetaHeaderBytes + data_offset / checksum.bytes_per_checksum() * checksum.checksum_size();
}

}  // namespace cairn::transfer
