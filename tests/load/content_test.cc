#include "tests/load/content.h"

#include <vector>

#include "gtest/gtest.h"

namespace cairn::load {
namespace {

TEST(ContentTest, APieceEqualsThatPartOfTheWhole) {
  std::vector<std::byte> whole(1000);
  FillContent(7, 0, whole);
  for (const size_t offset : {0, 1, 7, 8, 9, 511}) {
    std::vector<std::byte> piece(100);
    FillContent(7, offset, piece);
    EXPECT_TRUE(std::equal(piece.begin(), piece.end(), whole.begin() + offset)) << offset;
  }
}

TEST(ContentTest, FindsTheFirstWrongByte) {
  std::vector<std::byte> data(100);
  FillContent(7, 50, data);
  EXPECT_EQ(FirstDifference(7, 50, data), std::nullopt);
  data[33] ^= std::byte{1};
  EXPECT_EQ(FirstDifference(7, 50, data), 83);
}

TEST(ContentTest, ContentOfAnotherFileIsWrongAtOnce) {
  std::vector<std::byte> data(100);
  FillContent(8, 0, data);
  EXPECT_TRUE(FirstDifference(7, 0, data).has_value());
}

std::vector<std::byte> Bytes(const FileContent& content, uint64_t offset, size_t count) {
  std::vector<std::byte> bytes(count);
  content.Fill(offset, bytes);
  return bytes;
}

std::vector<std::byte> Bytes(uint64_t id, uint64_t offset, size_t count) {
  std::vector<std::byte> bytes(count);
  FillContent(id, offset, bytes);
  return bytes;
}

TEST(FileContentTest, JoinedContentsBeginWithTheirFirstByte) {
  FileContent content(7);
  content.Join(100, FileContent(8));
  content.Join(150, FileContent(9));
  EXPECT_EQ(Bytes(content, 0, 100), Bytes(7, 0, 100));
  EXPECT_EQ(Bytes(content, 100, 50), Bytes(8, 0, 50));
  EXPECT_EQ(Bytes(content, 150, 1000), Bytes(9, 0, 1000));
  const std::vector<std::byte> across = Bytes(content, 90, 80);
  EXPECT_EQ(across[9], Bytes(7, 99, 1)[0]);
  EXPECT_EQ(across[10], Bytes(8, 0, 1)[0]);
  EXPECT_EQ(across[59], Bytes(8, 49, 1)[0]);
  EXPECT_EQ(across[60], Bytes(9, 0, 1)[0]);
}

TEST(FileContentTest, FindsTheFirstWrongByteOfAnyPiece) {
  FileContent content(7);
  content.Join(100, FileContent(8));
  for (const size_t at : {0, 20, 49, 50, 51, 99}) {
    std::vector<std::byte> data = Bytes(content, 50, 100);
    EXPECT_EQ(content.FirstDifference(50, data), std::nullopt);
    data[at] ^= std::byte{1};
    data[99] ^= std::byte{2};
    EXPECT_EQ(content.FirstDifference(50, data), 50 + at);
  }
  EXPECT_EQ(FileContent(7).FirstDifference(0, Bytes(content, 0, 200)), 100u);
}

TEST(FileContentTest, WhatIsCutOffGoesOnWithThePieceItEndsIn) {
  FileContent content(7);
  content.Join(100, FileContent(8));
  content.Cut(120);
  EXPECT_EQ(Bytes(content, 100, 50), Bytes(8, 0, 50));
  content.Cut(100);
  EXPECT_EQ(content, FileContent(7));
  content.Cut(0);
  EXPECT_EQ(content, FileContent(7));
  content.Join(0, FileContent(9));
  EXPECT_EQ(content, FileContent(9));
}

}  // namespace
}  // namespace cairn::load
