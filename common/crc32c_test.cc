#include "common/crc32c.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string_view>
#include <vector>

namespace cairn {
namespace {

using ::testing::ElementsAre;

std::span<const std::byte> Bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::vector<std::byte> RandomBytes(std::mt19937_64& random, size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::byte& b : bytes) b = static_cast<std::byte>(random());
  return bytes;
}

TEST(Crc32cTest, MatchesThePublishedCheckValues) {
  EXPECT_EQ(Crc32c(Bytes("123456789")), 0xE3069283u);
  EXPECT_EQ(Crc32(Bytes("123456789")), 0xCBF43926u);
  EXPECT_EQ(Crc32c({}), 0u);
  EXPECT_EQ(Crc32({}), 0u);
  const std::vector<std::byte> zeros(32);  // RFC 3720, B.4
  EXPECT_EQ(Crc32c(zeros), 0x8A9136AAu);
}

TEST(Crc32cTest, ChunksAreTheCrcOfEachRunAndTheLastMayBeShort) {
  uint32_t crcs[3];
  Crc32cChunks(Bytes("abcdefg"), 3, crcs);
  EXPECT_THAT(crcs, ElementsAre(Crc32c(Bytes("abc")), Crc32c(Bytes("def")), Crc32c(Bytes("g"))));
  Crc32Chunks(Bytes("abcdefg"), 3, crcs);
  EXPECT_THAT(crcs, ElementsAre(Crc32(Bytes("abc")), Crc32(Bytes("def")), Crc32(Bytes("g"))));
}

TEST(Crc32cTest, ExtendingAndCombiningGiveTheCrcOfTheWhole) {
  constexpr uint64_t kSeed = 42;
  std::mt19937_64 random(kSeed);
  for (int round = 0; round < 500; ++round) {
    const std::vector<std::byte> whole = RandomBytes(random, random() % 3000);
    const size_t cut = random() % (whole.size() + 1);
    const auto a = std::span(whole).first(cut);
    const auto b = std::span(whole).subspan(cut);
    SCOPED_TRACE(testing::Message() << "seed " << kSeed << " round " << round << " cut " << cut);
    ASSERT_EQ(Crc32cExtend(Crc32c(a), b), Crc32c(whole));
    ASSERT_EQ(Crc32cCombine(Crc32c(a), Crc32c(b), b.size()), Crc32c(whole));
    ASSERT_EQ(Crc32Extend(Crc32(a), b), Crc32(whole));
    ASSERT_EQ(Crc32Combine(Crc32(a), Crc32(b), b.size()), Crc32(whole));
  }
}

// Lengths beyond 4 GiB reach the upper half of the table; combining in two steps must agree with
// one.
TEST(Crc32cTest, CombiningIsAssociativeForHugeLengths) {
  const uint32_t a = 0x12345678, b = 0x9abcdef0, c = 0x0badcafe;
  for (const uint64_t length :
       {uint64_t{1} << 31, uint64_t{1} << 32, (uint64_t{1} << 40) + 12345}) {
    EXPECT_EQ(Crc32cCombine(Crc32cCombine(a, b, length), c, length),
              Crc32cCombine(a, Crc32cCombine(b, c, length), 2 * length));
    EXPECT_EQ(Crc32Combine(Crc32Combine(a, b, length), c, length),
              Crc32Combine(a, Crc32Combine(b, c, length), 2 * length));
  }
}

}  // namespace
}  // namespace cairn
