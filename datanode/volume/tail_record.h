// datanode/volume/tail_record.h - how much of a replica in rbw/ is on stable media, and the
// checksum of its partial last chunk, kept where nothing overwrites it.
//
// Each hsync writes a record into `blk_<id>.tail`, in one of two slots 4096 bytes apart by turns:
// the record of the last hsync is never touched by the next. So does whoever opens a finalized
// replica again. A record has two uses:
//
// - hsync may leave a last chunk that is not full. The next bytes change that chunk's CRC in the
//   meta file, in place; a power cut may then keep the new CRC and the old data, or the other way
//   round, and the synced bytes would no longer verify. Recovery takes the record of the longer
//   length whose chunk verifies. The bytes of the chunk itself are only ever rewritten with the
//   same values. Such a record is synced before hsync returns.
// - At a start, bytes that do not match their checksums are what a write left that was interrupted,
//   or rot. Below the length of a record it is rot.
//
//   offset  bytes    field                           slot 0 at 0, slot 1 at 4096
//   0       4        magic "CTR1"
//   4       4, BE    CRC of the partial last chunk's bytes; 0 at a chunk boundary
//   8       8, BE    block id
//   16      8, BE    sequence; its lowest bit is the slot
//   24      8, BE    length of the replica, above 0; the chunk begins at the boundary below
//   32      4, BE    bytes per checksum
//   36      4, BE    CRC32C of bytes 0-35
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "common/ids.h"

namespace cairn::datanode {

inline constexpr size_t kTailRecordBytes = 40;
inline constexpr uint64_t kTailSlotBytes = 4096;

struct TailRecord {
  BlockId block{};
  uint64_t sequence = 0;
  uint64_t length = 0;
  uint32_t bytes_per_checksum = 0;
  uint32_t chunk_crc = 0;
  friend bool operator==(const TailRecord&, const TailRecord&) = default;
};

inline uint64_t TailSlotOffset(uint64_t sequence) { return (sequence & 1) * kTailSlotBytes; }

std::array<std::byte, kTailRecordBytes> EncodeTailRecord(const TailRecord& record);
// Nothing: not a record, or a torn one.
std::optional<TailRecord> DecodeTailRecord(std::span<const std::byte> in);

}  // namespace cairn::datanode
