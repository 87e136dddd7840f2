#include "wire/transfer/checksum.h"

#include <vector>

#include "common/testing/status_matchers.h"
#include "wire/transfer/big_endian.h"

namespace cairn::transfer {
namespace {

using ::testing::Eq;

std::vector<std::byte> Pattern(size_t size) {
  std::vector<std::byte> data(size);
  for (size_t i = 0; i < size; ++i) data[i] = static_cast<std::byte>(i * 131 + i / 256);
  return data;
}

std::vector<std::byte> ChecksumsOf(const DataChecksum& checksum,
                                   const std::vector<std::byte>& data) {
  std::vector<std::byte> out(checksum.ChecksumBytes(data.size()));
  checksum.Compute(data, out);
  return out;
}

TEST(DataChecksumTest, ChecksumsAreBigEndianCrcsOfEachChunk) {
  const absl::string_view text = "123456789";
  const auto data = std::as_bytes(std::span(text.data(), text.size()));
  std::array<std::byte, 4> out;
  DataChecksum(ChecksumType::kCrc32c, 512).Compute(data, out);
  EXPECT_EQ(LoadBig32(out.data()), 0xE3069283u);
  DataChecksum(ChecksumType::kCrc32, 512).Compute(data, out);
  EXPECT_EQ(LoadBig32(out.data()), 0xCBF43926u);
}

TEST(DataChecksumTest, AFlippedBitIsFoundInItsChunk) {
  for (const ChecksumType type : {ChecksumType::kCrc32, ChecksumType::kCrc32c}) {
    const DataChecksum checksum(type, 512);
    for (const size_t size : {1u, 511u, 512u, 513u, 300'000u}) {
      std::vector<std::byte> data = Pattern(size);
      const std::vector<std::byte> sums = ChecksumsOf(checksum, data);
      EXPECT_THAT(checksum.FindMismatch(data, sums), Eq(std::nullopt)) << size;
      data.back() ^= std::byte{1};
      EXPECT_THAT(checksum.FindMismatch(data, sums), Eq((size - 1) / 512 * 512)) << size;
    }
  }
}

TEST(DataChecksumTest, NullHasNoChecksumsAndFindsNothing) {
  const DataChecksum checksum(ChecksumType::kNull, 512);
  EXPECT_EQ(checksum.ChecksumBytes(100'000), 0u);
  EXPECT_THAT(checksum.FindMismatch(Pattern(1000), {}), Eq(std::nullopt));
}

TEST(DataChecksumTest, CountsAndRoundingHoldAtTheChunkEdges) {
  const DataChecksum checksum;
  EXPECT_EQ(checksum.ChunkCount(0), 0u);
  EXPECT_EQ(checksum.ChunkCount(512), 1u);
  EXPECT_EQ(checksum.ChunkCount(513), 2u);
  EXPECT_EQ(checksum.RoundDown(1023), 512u);
  EXPECT_EQ(checksum.RoundUp(1023), 1024u);
  EXPECT_EQ(checksum.RoundUp(1024), 1024u);
}

TEST(DataChecksumTest, WhatTheWireMaySayIsChecked) {
  const auto refused = StatusIs(absl::StatusCode::kInvalidArgument);
  EXPECT_OK(DataChecksum::Create(2, 512));
  EXPECT_THAT(DataChecksum::Create(3, 512), refused);
  EXPECT_THAT(DataChecksum::Create(2, 0), refused);
  EXPECT_THAT(DataChecksum::Create(2, kMaxBytesPerChecksum + 1), refused);
  EXPECT_OK(CheckChecksumCount(DataChecksum(), 513, 8));
  EXPECT_THAT(CheckChecksumCount(DataChecksum(), 513, 4), refused);
  EXPECT_THAT(CheckChecksumCount(DataChecksum(), 0, 4), refused);
}

}  // namespace
}  // namespace cairn::transfer
