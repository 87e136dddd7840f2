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

}  // namespace
}  // namespace cairn::load
