#include "common/random_bytes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace cairn {
namespace {

// More than one call of the kernel's gives when a signal comes between.
TEST(RandomBytesTest, AllOfThemAreDrawn) {
  std::vector<std::byte> bytes(64 << 10);
  FillRandom(bytes);
  const std::span last = std::span(bytes).last(32);
  EXPECT_FALSE(std::all_of(last.begin(), last.end(), [](std::byte b) { return b == std::byte{}; }));
  FillRandom({});
}

}  // namespace
}  // namespace cairn
