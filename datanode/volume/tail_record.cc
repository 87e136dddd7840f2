#include "datanode/volume/tail_record.h"

#include <cstring>

#include "common/crc32c.h"
#include "wire/transfer/big_endian.h"

namespace cairn::datanode {
namespace {

using transfer::LoadBig32;
using transfer::StoreBig32;
using transfer::StoreBig64;

constexpr char kMagic[] = "CTR1";
constexpr size_t kCrcOffset = 36;

uint64_t LoadBig64(const std::byte* in) {
  return (uint64_t{LoadBig32(in)} << 32) | LoadBig32(in + 4);
}

}  // namespace

std::array<std::byte, kTailRecordBytes> EncodeTailRecord(const TailRecord& record) {
  std::array<std::byte, kTailRecordBytes> out;
  std::memcpy(out.data(), kMagic, 4);
  StoreBig32(record.chunk_crc, &out[4]);
  StoreBig64(ToInt(record.block), &out[8]);
  StoreBig64(record.sequence, &out[16]);
  StoreBig64(record.length, &out[24]);
  StoreBig32(record.bytes_per_checksum, &out[32]);
  StoreBig32(Crc32c(std::span(out).first(kCrcOffset)), &out[kCrcOffset]);
  return out;
}

std::optional<TailRecord> DecodeTailRecord(std::span<const std::byte> in) {
  if (in.size() < kTailRecordBytes || std::memcmp(in.data(), kMagic, 4) != 0 ||
      LoadBig32(&in[kCrcOffset]) != Crc32c(in.first(kCrcOffset))) {
    return std::nullopt;
  }
  return TailRecord{.block = BlockId{LoadBig64(&in[8])},
                    .sequence = LoadBig64(&in[16]),
                    .length = LoadBig64(&in[24]),
                    .bytes_per_checksum = LoadBig32(&in[32]),
                    .chunk_crc = LoadBig32(&in[4])};
}

}  // namespace cairn::datanode
