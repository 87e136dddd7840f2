#include "wire/transfer/block_checksum.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "common/crc32c.h"
#include "common/testing/status_matchers.h"
#include "wire/transfer/big_endian.h"

namespace cairn::transfer {
namespace {

std::vector<std::byte> Pattern(size_t size) {
  std::vector<std::byte> data(size);
  for (size_t i = 0; i < size; ++i) data[i] = static_cast<std::byte>(i * 7 + i / 251);
  return data;
}

std::vector<std::byte> ChecksumsOf(const std::vector<std::byte>& data) {
  std::vector<std::byte> out(DataChecksum().ChecksumBytes(data.size()));
  DataChecksum().Compute(data, out);
  return out;
}

std::string Hex(const Md5Digest& digest) {
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest.data()), digest.size()));
}

uint32_t CrcAt(const std::string& bytes, size_t index) {
  return LoadBig32(reinterpret_cast<const std::byte*>(bytes.data()) + 4 * index);
}

// What HDFS prints for every empty file: the MD5 of 32 zero bytes.
TEST(BlockChecksumTest, EmptyFileHasTheKnownMd5) {
  EXPECT_EQ(Hex(Md5OfMd5s({})), "70bc8f4b72a86921468bf8e8441dce51");
}

TEST(BlockChecksumTest, Md5OfMd5sHashesTheZeroPaddingOfHadoopsBuffer) {
  const std::vector<Md5Digest> three(3, Md5({}));
  std::vector<std::byte> padded(64);
  for (size_t i = 0; i < 3; ++i) std::copy(three[i].begin(), three[i].end(), &padded[16 * i]);
  EXPECT_EQ(Md5OfMd5s(three), Md5(padded));
}

TEST(BlockChecksumTest, Md5OfCrcsDoesNotDependOnThePieces) {
  const std::vector<std::byte> crcs = ChecksumsOf(Pattern(5000));
  const auto whole = NewMd5OfCrcs();
  whole->Add(crcs);
  const auto pieces = NewMd5OfCrcs();
  pieces->Add(std::span(crcs).first(4));
  pieces->Add(std::span(crcs).subspan(4));
  const Md5Digest expected = Md5(crcs);
  EXPECT_EQ(whole->Finish(),
            std::string(reinterpret_cast<const char*>(expected.data()), expected.size()));
  EXPECT_EQ(pieces->Finish(),
            std::string(reinterpret_cast<const char*>(expected.data()), expected.size()));
}

TEST(BlockChecksumTest, CompositeCrcIsTheCrcOfTheBytes) {
  for (const size_t size : {0u, 1u, 512u, 513u, 100'001u}) {
    const std::vector<std::byte> data = Pattern(size);
    ASSERT_OK_AND_ASSIGN(const auto composite, NewCompositeCrc(DataChecksum(), size, 0));
    composite->Add(ChecksumsOf(data));
    const std::string bytes = composite->Finish();
    ASSERT_EQ(bytes.size(), 4u);
    EXPECT_EQ(CrcAt(bytes, 0), Crc32c(data)) << size;
  }
}

TEST(BlockChecksumTest, StripesGetOneCrcEach) {
  const std::vector<std::byte> data = Pattern(2500);
  ASSERT_OK_AND_ASSIGN(const auto composite, NewCompositeCrc(DataChecksum(), data.size(), 1024));
  composite->Add(ChecksumsOf(data));
  const std::string bytes = composite->Finish();
  ASSERT_EQ(bytes.size(), 12u);
  EXPECT_EQ(CrcAt(bytes, 0), Crc32c(std::span(data).first(1024)));
  EXPECT_EQ(CrcAt(bytes, 1), Crc32c(std::span(data).subspan(1024, 1024)));
  EXPECT_EQ(CrcAt(bytes, 2), Crc32c(std::span(data).subspan(2048)));
}

TEST(BlockChecksumTest, StripesThatNobodyMayAskForAreRefused) {
  const auto refused = StatusIs(absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(NewCompositeCrc(DataChecksum(), 1000, 1000).status(), refused);
  EXPECT_THAT(NewCompositeCrc(DataChecksum(), uint64_t{1} << 40, 512).status(), refused);
  EXPECT_THAT(NewCompositeCrc(DataChecksum(ChecksumType::kNull, 512), 10, 0).status(), refused);
}

// Cells of 1 KiB go to two units in turn; whatever is covered, the CRC is that of the bytes.
TEST(BlockChecksumTest, CrcsOfCellsGiveThatOfTheGroup) {
  for (const size_t size : {1u, 1023u, 1024u, 1025u, 2048u, 2049u, 5000u}) {
    const std::vector<std::byte> data = Pattern(size);
    std::vector<std::string> units(2);
    for (size_t cell = 0; cell * 1024 < size; ++cell) {
      const auto bytes =
          std::span(data).subspan(cell * 1024, std::min<size_t>(1024, size - cell * 1024));
      std::byte crc[4];
      StoreBig32(Crc32c(bytes), crc);
      units[cell % 2].append(reinterpret_cast<const char*>(crc), sizeof(crc));
    }
    EXPECT_THAT(CompositeGroupCrc(ChecksumType::kCrc32c, units, 1024, size),
                IsOkAndHolds(Crc32c(data)))
        << size;
    const uint64_t beyond = (size + 1023) / 1024 * 1024 + 1;
    EXPECT_THAT(CompositeGroupCrc(ChecksumType::kCrc32c, units, 1024, beyond),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

TEST(BlockChecksumTest, UnitsWithoutCoveredBytesDoNotCountInAGroupsMd5) {
  const Md5Digest one = Md5({});
  const std::string text(reinterpret_cast<const char*>(one.data()), one.size());
  const std::vector<Md5Digest> two(2, one);
  EXPECT_EQ(Md5OfGroup(std::vector<std::string>{text, text, ""}), Md5OfMd5s(two));
}

TEST(BlockChecksumTest, FileChecksumsCombineTheirBlocks) {
  const std::vector<std::byte> data = Pattern(3000);
  const BlockCrc blocks[] = {{Crc32c(std::span(data).first(2048)), 2048},
                             {Crc32c(std::span(data).subspan(2048)), 952}};
  EXPECT_EQ(CompositeFileCrc(ChecksumType::kCrc32c, blocks), Crc32c(data));
  EXPECT_EQ(Md5AlgorithmName(DataChecksum(), 0), "MD5-of-0MD5-of-512CRC32C");
  EXPECT_EQ(absl::BytesToHexString(SerializeMd5FileChecksum(DataChecksum(), 262144, Md5({}))),
            "00000200"
            "0000000000040000"
            "d41d8cd98f00b204e9800998ecf8427e");
}

}  // namespace
}  // namespace cairn::transfer
