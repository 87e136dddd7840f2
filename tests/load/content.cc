#include "tests/load/content.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace cairn::load {
namespace {

// The finalizer of SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number
// generators", OOPSLA 2014.
uint64_t Mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

}  // namespace

void FillContent(uint64_t id, uint64_t offset, std::span<std::byte> out) {
  const uint64_t seed = Mix(id);
  size_t done = 0;
  while (done < out.size()) {
    const uint64_t at = offset + done;
    const uint64_t word = Mix(seed ^ (at / 8));
    const size_t skip = at % 8;
    const size_t count = std::min<size_t>(8 - skip, out.size() - done);
    std::memcpy(out.data() + done, reinterpret_cast<const char*>(&word) + skip, count);
    done += count;
  }
}

std::optional<uint64_t> FirstDifference(uint64_t id, uint64_t offset,
                                        std::span<const std::byte> data) {
  std::vector<std::byte> expected(data.size());
  FillContent(id, offset, expected);
  const auto [seen, wanted] = std::mismatch(data.begin(), data.end(), expected.begin());
  if (seen == data.end()) return std::nullopt;
  return offset + static_cast<uint64_t>(seen - data.begin());
}

}  // namespace cairn::load
