#include "common/crc32c.h"

#include <isa-l/crc.h>

#include <algorithm>
#include <array>

#include "common/check.h"

namespace cairn {
namespace {

constexpr uint32_t kCastagnoli = 0x82F63B78;  // both reflected: bit 31 is x^0
constexpr uint32_t kZlib = 0xEDB88320;

// a * b modulo the polynomial.
template <uint32_t kPolynomial>
constexpr uint32_t Multiply(uint32_t a, uint32_t b) {
  uint32_t product = 0;
  for (uint32_t bit = uint32_t{1} << 31; bit != 0; bit >>= 1) {
    if ((a & bit) != 0) product ^= b;
    b = (b & 1) != 0 ? (b >> 1) ^ kPolynomial : b >> 1;  // b times x
  }
  return product;
}

// Entry k is x^(8 * 2^k): what to multiply by for 2^k zero bytes.
template <uint32_t kPolynomial>
constexpr std::array<uint32_t, 64> MakeShifts() {
  std::array<uint32_t, 64> shifts{};
  uint32_t power = uint32_t{1} << 30;  // x
  for (int i = 0; i < 3; ++i) power = Multiply<kPolynomial>(power, power);
  for (uint32_t& shift : shifts) {
    shift = power;
    power = Multiply<kPolynomial>(power, power);
  }
  return shifts;
}

template <uint32_t kPolynomial>
uint32_t Combine(uint32_t crc_a, uint32_t crc_b, uint64_t length_of_b) {
  static constexpr std::array<uint32_t, 64> kShifts = MakeShifts<kPolynomial>();
  // The inversions before and after of both CRCs cancel out (zlib's crc32_combine).
  for (size_t k = 0; length_of_b != 0; ++k, length_of_b >>= 1) {
    if ((length_of_b & 1) != 0) crc_a = Multiply<kPolynomial>(kShifts[k], crc_a);
  }
  return crc_a ^ crc_b;
}

template <typename Crc>
void Chunks(std::span<const std::byte> data, size_t chunk_bytes, uint32_t* out, Crc crc) {
  CHECK(chunk_bytes > 0);
  for (size_t offset = 0; offset < data.size(); offset += chunk_bytes) {
    *out++ = crc(data.subspan(offset, std::min(chunk_bytes, data.size() - offset)));
  }
}

}  // namespace

uint32_t Crc32cExtend(uint32_t crc, std::span<const std::byte> data) {
  constexpr size_t kMaxRun = size_t{1} << 30;  // ISA-L takes the length as an int
  // It takes no const pointer either, but only reads. It does not invert the CRC.
  auto* bytes = reinterpret_cast<unsigned char*>(const_cast<std::byte*>(data.data()));
  size_t left = data.size();
  uint32_t state = ~crc;
  while (left > 0) {
    const size_t run = std::min(left, kMaxRun);
    state = crc32_iscsi(bytes, static_cast<int>(run), state);
    bytes += run;
    left -= run;
  }
  return ~state;
}

uint32_t Crc32c(std::span<const std::byte> data) { return Crc32cExtend(0, data); }

void Crc32cChunks(std::span<const std::byte> data, size_t chunk_bytes, uint32_t* out) {
  Chunks(data, chunk_bytes, out, Crc32c);
}

uint32_t Crc32cCombine(uint32_t crc_a, uint32_t crc_b, uint64_t length_of_b) {
  return Combine<kCastagnoli>(crc_a, crc_b, length_of_b);
}

uint32_t Crc32Extend(uint32_t crc, std::span<const std::byte> data) {
  if (data.empty()) return crc;
  return crc32_gzip_refl(crc, reinterpret_cast<const unsigned char*>(data.data()), data.size());
}

uint32_t Crc32(std::span<const std::byte> data) { return Crc32Extend(0, data); }

void Crc32Chunks(std::span<const std::byte> data, size_t chunk_bytes, uint32_t* out) {
  Chunks(data, chunk_bytes, out, Crc32);
}

uint32_t Crc32Combine(uint32_t crc_a, uint32_t crc_b, uint64_t length_of_b) {
  return Combine<kZlib>(crc_a, crc_b, length_of_b);
}

}  // namespace cairn
