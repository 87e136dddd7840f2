// tests/load/content.h - bytes that say where they belong, so that a wrong, stale or foreign byte
// is recognized for what it is.
//
// Byte n of the file with content id c is byte n%8 (little-endian) of a mix of c and n/8.
// Pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace cairn::load {

// Fills `out` with the bytes of content `id` from `offset` on.
void FillContent(uint64_t id, uint64_t offset, std::span<std::byte> out);

// The first offset (of the file) at which `data` differs from content `id`.
std::optional<uint64_t> FirstDifference(uint64_t id, uint64_t offset,
                                        std::span<const std::byte> data);

}  // namespace cairn::load
