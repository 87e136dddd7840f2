#include "datanode/rebuild/least_rate.h"

#include <gtest/gtest.h>

namespace cairn::datanode {
namespace {

constexpr size_t kPiece = 1000;

class LeastRateTest : public ::testing::Test {
 protected:
  // Pieces that such a peer moves before it is given up, at most 1000.
  int PiecesAt(absl::Duration each) {
    for (int piece = 0; piece < 1000; ++piece) {
      if (each > rate_.LimitFor(kPiece)) return piece;
      rate_.Moved(kPiece, each);
    }
    return 1000;
  }

  LeastRate rate_{/*bytes_per_second=*/kPiece, /*patience=*/absl::Seconds(10)};
};

TEST_F(LeastRateTest, APeerThatKeepsTheRateIsWaitedForForEver) {
  EXPECT_EQ(PiecesAt(absl::Seconds(1)), 1000);
}

TEST_F(LeastRateTest, ASlowerPeerUsesThePatienceUp) {
  EXPECT_EQ(PiecesAt(absl::Seconds(2)), 10);
  EXPECT_EQ(rate_.LimitFor(0), absl::ZeroDuration());
}

TEST_F(LeastRateTest, OneStallIsForgivenAndSoonForgotten) {
  EXPECT_EQ(rate_.LimitFor(kPiece), absl::Seconds(11));
  rate_.Moved(kPiece, absl::Seconds(11));
  EXPECT_EQ(rate_.LimitFor(kPiece), absl::Seconds(1));
  for (int piece = 0; piece < 20; ++piece) rate_.Moved(kPiece, absl::ZeroDuration());
  EXPECT_EQ(rate_.LimitFor(kPiece), absl::Seconds(11)) << "no more than the whole store";
}

// This process may have been stopped.
TEST_F(LeastRateTest, AWaitThatWasTooLongAndEndedAllTheSameLeavesNoDebt) {
  rate_.Moved(kPiece, absl::Hours(1));
  EXPECT_EQ(rate_.LimitFor(kPiece), absl::Seconds(1));
}

}  // namespace
}  // namespace cairn::datanode
