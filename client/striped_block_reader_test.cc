#include "client/striped_block_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/testing/striped_reader_fixture.h"

namespace cairn::client {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;

constexpr uint32_t kCell = 1024;

TEST_F(StripedBlockReaderTest, AHealthyGroupIsReadFromTheDataUnitsThatARangeTouches) {
  MakeGroup(SmallCells(3, 2), 10 * 3 * kCell + 1500);
  for (int i = 0; i < 200; ++i) {
    const uint64_t offset = random_() % data_.size();
    const uint64_t length = 1 + random_() % (data_.size() - offset);
    std::vector<Opened> expected;
    const auto extents = striping_->layout().UnitExtents(offset, length);
    for (uint32_t unit = 0; unit < 3; ++unit) {
      const auto [begin, end] = extents[unit];
      if (begin < end) expected.push_back({unit, begin, end});
    }
    memory_.opened.clear();
    memory_.finished = 0;
    {
      ASSERT_OK_AND_ASSIGN(const auto reader, Open(offset, length));
      ASSERT_EQ(memory_.opened, expected) << "before the first byte is read";
    }
    memory_.opened.clear();
    ASSERT_THAT(ReadRange(offset, length), IsOkAndHolds(data_.substr(offset, length)));
    ASSERT_EQ(memory_.opened, expected);
    ASSERT_EQ(memory_.finished, static_cast<int>(expected.size()));
  }
}

// One unit is lost from the start, and another ends at any place of its stream.
TEST_F(StripedBlockReaderTest, AUnitMayFailAnywhereInItsStream) {
  for (uint32_t first = 0; first < 5; ++first) {
    for (uint32_t second = 0; second < 5; ++second) {
      for (const uint64_t from : {1u, 700u, 1023u, 1024u, 1700u, 3 * kCell, 4 * kCell + 1}) {
        MakeGroup(SmallCells(3, 2), 4 * 3 * kCell + 2 * kCell + 500);
        Lose(first);
        memory_.troubles[second] = {.from = from, .status = absl::DataLossError("rotten")};
        ExpectReadable(absl::StrCat("lost ", first, ", ", second, " from ", from));
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST_F(StripedBlockReaderTest, MoreLossesThanThePolicyAllowsAreAnErrorThatNamesThem) {
  MakeGroup(SmallCells(3, 2), 5 * 3 * kCell);
  Lose(0, absl::UnavailableError("node-0 hung up"));
  Lose(2, absl::DataLossError("checksum error"));
  memory_.troubles[4] = {.from = 2 * kCell, .status = absl::UnavailableError("node-4 is silent")};
  EXPECT_THAT(
      ReadRange(0, data_.size()),
      StatusIs(absl::StatusCode::kUnavailable,
               AllOf(HasSubstr("block group -1008: too many units are lost"),
                     HasSubstr("unit 0 (node-0 hung up)"), HasSubstr("unit 2 (checksum error)"),
                     HasSubstr("unit 4 (node-4 is silent)"), Not(HasSubstr("unit 1")),
                     Not(HasSubstr("unit 3")))));
  EXPECT_EQ(delivered_, 2 * 3 * kCell) << "what could still be computed";
}

TEST_F(StripedBlockReaderTest, WhereOnlyChecksumsAreBadTheErrorSaysDataLoss) {
  MakeGroup(SmallCells(3, 2), 5 * 3 * kCell);
  for (const uint32_t unit : {1u, 3u, 4u}) Lose(unit, absl::DataLossError("checksum error"));
  EXPECT_THAT(ReadRange(0, data_.size()), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(delivered_, 0u);
}

TEST_F(StripedBlockReaderTest, WhatARangeDoesNotTouchMayBeLost) {
  MakeGroup(SmallCells(3, 2), 3 * kCell);
  for (const uint32_t unit : {0u, 2u, 3u, 4u}) Lose(unit);
  EXPECT_THAT(ReadRange(kCell + 10, 500), IsOkAndHolds(data_.substr(kCell + 10, 500)));
  EXPECT_THAT(memory_.failures, IsEmpty());
}

// The cells that a short group does not have are known: zeros.
TEST_F(StripedBlockReaderTest, AGroupOfOneCellNeedsOneUnit) {
  MakeGroup(SmallCells(3, 2), 100);
  Lose(0);
  Lose(3);
  EXPECT_THAT(ReadRange(0, 100), IsOkAndHolds(data_));
  EXPECT_THAT(memory_.opened, ElementsAre(Opened{0, 0, 100}, Opened{3, 0, 100}, Opened{4, 0, 100}));
}

TEST_F(StripedBlockReaderTest, APieceOfALostCellCostsTheSameColumnsOfOtherUnits) {
  MakeGroup(SmallCells(3, 2), 4 * 3 * kCell);
  Lose(1);
  const uint64_t offset = 2 * 3 * kCell + kCell + 200;
  EXPECT_THAT(ReadRange(offset, 100), IsOkAndHolds(data_.substr(offset, 100)));
  const uint64_t begin = 2 * kCell + 200, end = begin + 100;
  EXPECT_THAT(memory_.opened, ElementsAre(Opened{1, begin, end}, Opened{0, begin, end},
                                          Opened{2, begin, end}, Opened{3, begin, end}));
}

TEST_F(StripedBlockReaderTest, AShortRangeOverACellsEdgeDoesNotReadAllColumns) {
  MakeGroup(SmallCells(3, 2), 4 * 3 * kCell);
  Lose(1);
  EXPECT_THAT(ReadRange(kCell - 50, 100), IsOkAndHolds(data_.substr(kCell - 50, 100)));
  EXPECT_THAT(memory_.opened, ElementsAre(Opened{0, kCell - 50, kCell}, Opened{1, 0, 50},
                                          Opened{0, 0, 50}, Opened{2, 0, 50}, Opened{3, 0, 50}));
}

TEST_F(StripedBlockReaderTest, AReadFromTheStartOpensOneUnitInPlaceOfALostOne) {
  MakeGroup(SmallCells(3, 2), 10 * 3 * kCell);
  Lose(1);
  EXPECT_THAT(ReadRange(0, data_.size()), IsOkAndHolds(data_));
  const uint64_t end = 10 * kCell;
  EXPECT_THAT(memory_.opened, ElementsAre(Opened{0, 0, end}, Opened{1, 0, end}, Opened{2, 0, end},
                                          Opened{3, 0, end}));
  EXPECT_EQ(memory_.finished, 3);
}

TEST_F(StripedBlockReaderTest, AUnitThatHasFailedIsNotAskedAgain) {
  MakeGroup(SmallCells(3, 2), 10 * 3 * kCell);
  memory_.troubles[1] = {.from = 3 * kCell + 100};
  EXPECT_THAT(ReadRange(0, data_.size()), IsOkAndHolds(data_));
  EXPECT_THAT(memory_.failures, ElementsAre(Pair(1u, StatusIs(absl::StatusCode::kUnavailable))));
  EXPECT_EQ(std::count_if(memory_.opened.begin(), memory_.opened.end(),
                          [](const Opened& opened) { return opened.unit == 1; }),
            1);
}

TEST_F(StripedBlockReaderTest, AnotherReplicaOfAUnitIsReadInItsPlace) {
  MakeGroup(SmallCells(3, 2), 10 * 3 * kCell);
  memory_.troubles[1] = {.from = 3 * kCell + 100, .has_other = true};
  memory_.troubles[2] = {.from = 0, .has_other = true};
  EXPECT_THAT(ReadRange(0, data_.size()), IsOkAndHolds(data_));
  EXPECT_EQ(memory_.failures.size(), 2u);
  EXPECT_EQ(memory_.opened.size(), 5u);
  EXPECT_TRUE(std::none_of(memory_.opened.begin(), memory_.opened.end(),
                           [](const Opened& opened) { return opened.unit >= 3; }));
}

TEST_F(StripedBlockReaderTest, AUnitThatWasHeldBackIsRecalledBeforeTooManyAreLost) {
  for (const bool is_needed : {false, true}) {
    MakeGroup(SmallCells(3, 2), 10 * 3 * kCell);
    for (const uint32_t unit : {0u, 3u}) memory_.troubles[unit] = {.is_held_back = true};
    if (is_needed) Lose(4);
    EXPECT_THAT(ReadRange(0, data_.size()), IsOkAndHolds(data_));
    EXPECT_EQ(memory_.recalled, is_needed ? std::vector<uint32_t>{0} : std::vector<uint32_t>{});
  }
}

TEST_F(StripedBlockReaderTest, AndBeforeTheReaderGivesUpAStripeThatIsBeingWritten) {
  being_written_ = true;
  MakeGroup(SmallCells(3, 2), 2 * 3 * kCell - 1);
  memory_.troubles[1] = {.is_held_back = true};
  EXPECT_THAT(ReadRange(0, data_.size()), IsOkAndHolds(data_));
  EXPECT_THAT(memory_.recalled, ElementsAre(1u));
}

TEST_F(StripedBlockReaderTest, WhatIsSaidOfEachLostUnitIsCut) {
  MakeGroup(SmallCells(3, 2), 3 * kCell);
  for (const uint32_t unit : {0u, 1u, 2u}) {
    Lose(unit, absl::UnavailableError(absl::StrCat("began ", std::string(100'000, 'x'))));
  }
  const absl::Status status = ReadRange(0, kCell).status();
  EXPECT_THAT(status.message(), HasSubstr("unit 2 (began xx"));
  EXPECT_LT(status.message().size(), 1100u);
}

// Old tokens are no fault of a unit.
TEST_F(StripedBlockReaderTest, ATokenThatIsNotTakenEndsTheReader) {
  MakeGroup(SmallCells(3, 2), 3 * kCell);
  Lose(2, absl::UnauthenticatedError("old"));
  EXPECT_THAT(Open(0, 3 * kCell).status(), StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_THAT(memory_.failures, IsEmpty());

  Lose(0);
  EXPECT_THAT(ReadRange(0, kCell), StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_EQ(memory_.failures.size(), 1u) << "of unit 0";
}

TEST_F(StripedBlockReaderTest, AStreamThatEndsEarlyHasFailed) {
  MakeGroup(SmallCells(3, 2), 3 * kCell);
  memory_.troubles[1] = {.from = 100, .ends = true};
  EXPECT_THAT(ReadRange(0, data_.size()), IsOkAndHolds(data_));
  EXPECT_THAT(memory_.failures, ElementsAre(Pair(1u, StatusIs(absl::StatusCode::kUnavailable))));
}

// Local are bytes that a unit's files gave, whether they came by way of a window or not.
TEST_F(StripedBlockReaderTest, ItIsToldWhichBytesCameFromFiles) {
  MakeGroup(SmallCells(3, 2), 4 * 3 * kCell + kCell + 500);
  const auto count = [&](uint32_t unit) { return memory_.units[unit].size(); };
  memory_.local = {0, 2, 3};
  ASSERT_THAT(ReadRange(0, data_.size()), IsOkAndHolds(data_));
  EXPECT_EQ(local_, count(0) + count(2));
  ASSERT_THAT(ReadRange(kCell + 10, 500), IsOkAndHolds(data_.substr(kCell + 10, 500)));
  EXPECT_EQ(local_, 0u);

  memory_.local.insert(1);
  Lose(2);
  ASSERT_THAT(ReadRange(0, data_.size()), IsOkAndHolds(data_));
  EXPECT_EQ(local_, count(0) + count(1)) << "what was computed is not local";

  memory_.local = {0, 1};
  memory_.troubles[1] = {.from = kCell + 700, .has_other = true};
  ASSERT_THAT(ReadRange(0, data_.size()), IsOkAndHolds(data_));
  EXPECT_EQ(local_, count(0) + kCell) << "the cell that failed was read anew, elsewhere";
}

// The last stripe's parity may be of bytes that are not known here, or not be there.
TEST_F(StripedBlockReaderTest, OfAGroupBeingWrittenOnlyWholeStripesAreComputed) {
  being_written_ = true;
  MakeGroup(SmallCells(3, 2), 2 * 3 * kCell);
  Lose(1);
  EXPECT_THAT(ReadRange(0, data_.size()), IsOkAndHolds(data_));

  MakeGroup(SmallCells(3, 2), 2 * 3 * kCell - 1);
  Lose(1);
  EXPECT_THAT(
      ReadRange(0, data_.size()),
      StatusIs(absl::StatusCode::kUnavailable,
               AllOf(HasSubstr("-1008"), HasSubstr("being written"), HasSubstr("unit 1 (gone)"))));
  EXPECT_EQ(delivered_, 3 * kCell + kCell);
  EXPECT_THAT(ReadRange(5 * kCell, kCell - 1), IsOkAndHolds(data_.substr(5 * kCell)));
}

}  // namespace
}  // namespace cairn::client
