#include "wire/transfer/checksum.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/crc32c.h"
#include "common/status_macros.h"
#include "wire/transfer/big_endian.h"

namespace cairn::transfer {
namespace {

constexpr size_t kBatchChunks = 256;  // CRCs computed at a time, on the stack

// Calls visit(index of the first chunk, CRCs) for each batch; stops when it returns false.
template <typename Visit>
void ForEachBatch(const DataChecksum& checksum, std::span<const std::byte> data, Visit visit) {
  const size_t chunk = checksum.bytes_per_checksum();
  std::array<uint32_t, kBatchChunks> crcs;
  size_t first = 0;
  while (!data.empty()) {
    const std::span<const std::byte> batch =
        data.first(std::min(data.size(), kBatchChunks * chunk));
    if (checksum.type() == ChecksumType::kCrc32c) {
      Crc32cChunks(batch, chunk, crcs.data());
    } else {
      Crc32Chunks(batch, chunk, crcs.data());
    }
    const size_t count = static_cast<size_t>(checksum.ChunkCount(batch.size()));
    if (!visit(first, std::span<const uint32_t>(crcs.data(), count))) return;
    first += count;
    data = data.subspan(batch.size());
  }
}

}  // namespace

DataChecksum::DataChecksum(ChecksumType type, uint32_t bytes_per_checksum)
    : type_(type), bytes_per_checksum_(bytes_per_checksum) {
  CHECK(bytes_per_checksum > 0 && bytes_per_checksum <= kMaxBytesPerChecksum);
}

absl::StatusOr<DataChecksum> DataChecksum::Create(uint32_t type, uint32_t bytes_per_checksum) {
  if (type > static_cast<uint32_t>(ChecksumType::kCrc32c)) {
    return absl::InvalidArgumentError(absl::StrCat("checksum type ", type, " is not known"));
  }
  if (bytes_per_checksum == 0 || bytes_per_checksum > kMaxBytesPerChecksum) {
    return absl::InvalidArgumentError(absl::StrCat("bytes per checksum ", bytes_per_checksum,
                                                   ": not in 1..", kMaxBytesPerChecksum));
  }
  return DataChecksum(static_cast<ChecksumType>(type), bytes_per_checksum);
}

absl::StatusOr<DataChecksum> DataChecksum::FromProto(const hdfs::ChecksumProto& proto) {
  return Create(static_cast<uint32_t>(proto.type()), proto.bytesperchecksum());
}

hdfs::ChecksumProto DataChecksum::ToProto() const {
  hdfs::ChecksumProto proto;
  proto.set_type(static_cast<hdfs::ChecksumTypeProto>(type_));
  proto.set_bytesperchecksum(bytes_per_checksum_);
  return proto;
}

uint32_t DataChecksum::Extend(uint32_t crc, std::span<const std::byte> data) const {
  CHECK(type_ != ChecksumType::kNull);
  return type_ == ChecksumType::kCrc32c ? Crc32cExtend(crc, data) : Crc32Extend(crc, data);
}

uint32_t DataChecksum::Combine(uint32_t crc_a, uint32_t crc_b, uint64_t length_of_b) const {
  CHECK(type_ != ChecksumType::kNull);
  return type_ == ChecksumType::kCrc32c ? Crc32cCombine(crc_a, crc_b, length_of_b)
                                        : Crc32Combine(crc_a, crc_b, length_of_b);
}

void DataChecksum::Compute(std::span<const std::byte> data, std::span<std::byte> out) const {
  CHECK_EQ(out.size(), ChecksumBytes(data.size()));
  if (type_ == ChecksumType::kNull) return;
  ForEachBatch(*this, data, [&](size_t first, std::span<const uint32_t> crcs) {
    for (size_t i = 0; i < crcs.size(); ++i) StoreBig32(crcs[i], &out[(first + i) * 4]);
    return true;
  });
}

std::optional<size_t> DataChecksum::FindMismatch(std::span<const std::byte> data,
                                                 std::span<const std::byte> checksums) const {
  CHECK_EQ(checksums.size(), ChecksumBytes(data.size()));
  std::optional<size_t> bad;
  if (type_ == ChecksumType::kNull) return bad;
  ForEachBatch(*this, data, [&](size_t first, std::span<const uint32_t> crcs) {
    for (size_t i = 0; i < crcs.size(); ++i) {
      if (LoadBig32(&checksums[(first + i) * 4]) != crcs[i]) {
        bad = (first + i) * bytes_per_checksum_;
        return false;
      }
    }
    return true;
  });
  return bad;
}

absl::Status CheckChecksumCount(const DataChecksum& checksum, uint32_t data_bytes,
                                uint32_t checksum_bytes) {
  const uint64_t expected = checksum.ChecksumBytes(data_bytes);
  if (checksum_bytes == expected) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("packet with ", data_bytes, " data bytes has ",
                                                 checksum_bytes, " checksum bytes, expected ",
                                                 expected));
}

}  // namespace cairn::transfer
