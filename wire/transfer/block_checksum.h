// wire/transfer/block_checksum.h - checksums of whole blocks and files, from the CRCs of chunks.
//
// A datanode answers BLOCK_CHECKSUM from the CRCs that it stores; the client combines the blocks'
// answers into the file's checksum. Two kinds: MD5CRC, which depends on the chunk and block sizes,
// and COMPOSITE_CRC, which depends on the bytes alone.
// Sources: Apache Hadoop's FileChecksumHelper, BlockChecksumHelper and CrcComposer, as described by
// their outputs; CRC combination after M. Adler's zlib.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "wire/transfer/checksum.h"
#include "wire/transfer/op.h"

namespace cairn::transfer {

using Md5Digest = std::array<std::byte, 16>;

Md5Digest Md5(std::span<const std::byte> data);

// What a block's checksum is made of: big-endian chunk CRCs in order, in any number of pieces.
// When the covered bytes end inside a stored chunk, the caller recomputes that chunk's CRC over the
// covered part and adds it as the last.
class BlockChecksummer {
 public:
  virtual ~BlockChecksummer() = default;
  // `crcs` are of chunks that are all full, except that the block's very last may be short.
  virtual void Add(std::span<const std::byte> crcs) = 0;
  // Bytes for OpBlockChecksumResponseProto.blockChecksum. Once.
  virtual std::string Finish() = 0;
};

// 16 bytes: MD5 over the CRCs.
std::unique_ptr<BlockChecksummer> NewMd5OfCrcs();

// As many CRCs of stripes are in one answer at most.
inline constexpr uint64_t kMaxStripes = kMaxReplyBytes / 8;

// 4 bytes BE: the CRC of the covered bytes; with stripe_bytes > 0, one for each run of that many.
// kInvalidArgument: a stripe that is no multiple of the chunk, more stripes than a reply holds, or
// type NULL.
absl::StatusOr<std::unique_ptr<BlockChecksummer>> NewCompositeCrc(const DataChecksum& checksum,
                                                                  uint64_t covered_bytes,
                                                                  uint64_t stripe_bytes);

// ---- Of a block group ----

// COMPOSITE_CRC: of the first `covered_bytes`, from what NewCompositeCrc, with a cell as the
// stripe, says of each data unit, by number. kInvalidArgument: of some cell no CRC is there.
absl::StatusOr<uint32_t> CompositeGroupCrc(ChecksumType type, std::span<const std::string> units,
                                           uint64_t cell_bytes, uint64_t covered_bytes);
// MD5CRC: Md5OfMd5s of what NewMd5OfCrcs says of the data units, by number; "" of those that have
// none of the covered bytes. Each has 16 bytes, or none.
Md5Digest Md5OfGroup(std::span<const std::string> units);

// ---- Of a file: the client's part ----

// MD5-of-MD5. Hadoop hashes its whole buffer: 32 * 2^k bytes, whatever of it is used, the rest
// zeros. That is part of the value by now.
Md5Digest Md5OfMd5s(std::span<const Md5Digest> blocks);

// "MD5-of-0MD5-of-512CRC32C". `crcs_per_block` is 0 for files of one block or none.
std::string Md5AlgorithmName(const DataChecksum& checksum, uint64_t crcs_per_block);

// 4 BE bytes per checksum, 8 BE CRCs per block, the digest: 28 bytes.
std::string SerializeMd5FileChecksum(const DataChecksum& checksum, uint64_t crcs_per_block,
                                     const Md5Digest& digest);

struct BlockCrc {
  uint32_t crc = 0;
  uint64_t length_bytes = 0;
};

// CRC of the whole file, from those of its blocks in order; 0 for none.
uint32_t CompositeFileCrc(ChecksumType type, std::span<const BlockCrc> blocks);

}  // namespace cairn::transfer
