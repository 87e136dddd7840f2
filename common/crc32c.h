// common/crc32c.h - the checksums of HDFS: CRC32C (Castagnoli, the default) and CRC32 (zlib's).
//
// Values are as everybody prints them: Crc32c("123456789") is 0xE3069283, Crc32 of it 0xCBF43926,
// and of nothing 0. Computed by ISA-L with the CPU's instructions. Combining is polynomial
// arithmetic over GF(2): appending n zero bytes multiplies by x^(8n) modulo the polynomial (M.
// Adler's crc32_combine in zlib; Hadoop's CrcUtil, for COMPOSITE_CRC). Thread-safe: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace cairn {

uint32_t Crc32c(std::span<const std::byte> data);
// The CRC of A followed by `data`, given `crc` of A; 0 to begin with.
uint32_t Crc32cExtend(uint32_t crc, std::span<const std::byte> data);
// out[i] becomes the CRC of the i-th run of `chunk_bytes` (> 0); the last run may be short. `out`
// holds ceil(data.size() / chunk_bytes) values, in host byte order.
void Crc32cChunks(std::span<const std::byte> data, size_t chunk_bytes, uint32_t* out);
// The CRC of A followed by B, from the CRCs of both and B's length. 64 steps at most.
uint32_t Crc32cCombine(uint32_t crc_a, uint32_t crc_b, uint64_t length_of_b);

// The same four with zlib's polynomial, for clients that ask for CRC32.
uint32_t Crc32(std::span<const std::byte> data);
uint32_t Crc32Extend(uint32_t crc, std::span<const std::byte> data);
void Crc32Chunks(std::span<const std::byte> data, size_t chunk_bytes, uint32_t* out);
uint32_t Crc32Combine(uint32_t crc_a, uint32_t crc_b, uint64_t length_of_b);

}  // namespace cairn
