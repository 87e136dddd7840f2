// wire/transfer/big_endian.h - integers as the data transfer protocol and meta files store them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace cairn::transfer {

inline uint16_t LoadBig16(const std::byte* in) {
  return static_cast<uint16_t>((std::to_integer<uint32_t>(in[0]) << 8) |
                               std::to_integer<uint32_t>(in[1]));
}

inline uint32_t LoadBig32(const std::byte* in) {
  return (uint32_t{LoadBig16(in)} << 16) | LoadBig16(in + 2);
}

inline void StoreBig16(uint16_t value, std::byte* out) {
  out[0] = static_cast<std::byte>(value >> 8);
  out[1] = static_cast<std::byte>(value);
}

inline void StoreBig32(uint32_t value, std::byte* out) {
  StoreBig16(static_cast<uint16_t>(value >> 16), out);
  StoreBig16(static_cast<uint16_t>(value), out + 2);
}

inline void StoreBig64(uint64_t value, std::byte* out) {
  StoreBig32(static_cast<uint32_t>(value >> 32), out);
  StoreBig32(static_cast<uint32_t>(value), out + 4);
}

}  // namespace cairn::transfer
