// Groups whose units lie in memory: what is read of them, and what is found.
#include "client/unit_comparison.h"

#include "absl/strings/str_cat.h"
#include "client/testing/striped_reader_fixture.h"

namespace cairn::client {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;
using ::testing::SizeIs;

constexpr uint64_t kCell = 1024;
constexpr uint64_t kStripe = 3 * kCell;

class UnitComparisonTest : public StripedBlockReaderTest {
 protected:
  // In pieces that end anywhere.
  absl::StatusOr<UnitComparison> Compare() {
    MemoryUnits units(memory_);
    return CompareUnits(*striping_, data_.size(), units, clock_, /*piece_bytes=*/1000);
  }
  void Spoil(uint32_t unit, size_t at) { memory_.units[unit][at] ^= 0x41; }
  std::vector<uint32_t> Lost(const UnitComparison& found) {
    std::vector<uint32_t> lost;
    for (const LostUnit& unit : found.lost) lost.push_back(unit.unit);
    return lost;
  }
};

TEST_F(UnitComparisonTest, GroupsOfEveryLengthAgreeAndEachUnitIsReadOnce) {
  for (const size_t bytes : {uint64_t{1}, uint64_t{100}, kCell, kCell + 1, 2 * kCell, kStripe - 1,
                             kStripe, kStripe + 1, 4 * kStripe - 7, 4 * kStripe}) {
    SCOPED_TRACE(bytes);
    MakeGroup(SmallCells(3, 2), bytes);
    ASSERT_OK_AND_ASSIGN(const UnitComparison found, Compare());
    EXPECT_EQ(found.differ_at, std::nullopt);
    EXPECT_EQ(found.unit_bytes, memory_.units[0].size());
    EXPECT_EQ(found.compared_bytes, found.unit_bytes);
    EXPECT_THAT(found.lost, IsEmpty());
    std::vector<Opened> all;
    for (uint32_t unit = 0; unit < 5; ++unit) {
      if (!memory_.units[unit].empty()) all.push_back({unit, 0, memory_.units[unit].size()});
    }
    EXPECT_EQ(memory_.opened, all);
    EXPECT_EQ(memory_.finished, static_cast<int>(all.size()));
  }
}

// First and last bytes of units that end at different places, in a group whose last stripe is not
// whole.
TEST_F(UnitComparisonTest, OneWrongByteIsFoundAndItsUnitNamed) {
  for (const size_t bytes : {uint64_t{5}, kCell + 100, 2 * kStripe + kCell + 9}) {
    for (uint32_t unit = 0; unit < 5; ++unit) {
      MakeGroup(SmallCells(3, 2), bytes);
      const size_t length = memory_.units[unit].size();
      if (length == 0) continue;
      for (const size_t at : {size_t{0}, length / 2, length - 1}) {
        SCOPED_TRACE(absl::StrCat(bytes, " bytes, unit ", unit, " at ", at));
        MakeGroup(SmallCells(3, 2), bytes);
        Spoil(unit, at);
        ASSERT_OK_AND_ASSIGN(const UnitComparison found, Compare());
        EXPECT_THAT(found.differ_at, Optional(at));
        EXPECT_THAT(found.wrong, Optional(unit));
      }
    }
  }
}

TEST_F(UnitComparisonTest, BesideALostUnitAWrongOneIsFoundAndNotNamed) {
  MakeGroup(SmallCells(3, 2), 2 * kStripe);
  Lose(4);
  Spoil(1, 1500);
  ASSERT_OK_AND_ASSIGN(const UnitComparison found, Compare());
  EXPECT_THAT(Lost(found), ElementsAre(4u));
  EXPECT_EQ(found.compared_bytes, 2 * kCell);
  EXPECT_THAT(found.differ_at, Optional(1500u));
  EXPECT_EQ(found.wrong, std::nullopt);
}

TEST_F(UnitComparisonTest, WhereNoSpareUnitIsLeftNothingIsCompared) {
  MakeGroup(SmallCells(3, 2), 2 * kStripe);
  Lose(4);
  Lose(0);
  Spoil(1, 1500);
  ASSERT_OK_AND_ASSIGN(const UnitComparison found, Compare());
  EXPECT_THAT(Lost(found), ElementsAre(0u, 4u));
  EXPECT_EQ(found.compared_bytes, 0u);
  EXPECT_EQ(found.differ_at, std::nullopt);
}

// Unit 1 has 100 bytes. What follows is known, though the unit is lost: zeros.
TEST_F(UnitComparisonTest, ZerosBehindTheEndOfALostUnitAreCompared) {
  MakeGroup(SmallCells(3, 2), kCell + 100);
  Lose(1);
  Lose(3);
  ASSERT_OK_AND_ASSIGN(const UnitComparison found, Compare());
  EXPECT_EQ(found.compared_bytes, kCell - 100);
  EXPECT_EQ(found.differ_at, std::nullopt);
  Spoil(0, 500);
  ASSERT_OK_AND_ASSIGN(const UnitComparison spoilt, Compare());
  EXPECT_THAT(spoilt.differ_at, Optional(500u));
  EXPECT_EQ(spoilt.wrong, std::nullopt);
}

// Parity of a group whose unit 1 goes on for one byte: without the zero there all others agree.
TEST_F(UnitComparisonTest, NobodyIsNamedForZerosBehindItsEnd) {
  MakeGroup(SmallCells(3, 2), kCell + 100);
  const std::vector<std::string> longer = MakeUnits(SmallCells(3, 2), data_ + "!");
  memory_.units[3] = longer[3];
  memory_.units[4] = longer[4];
  ASSERT_OK_AND_ASSIGN(const UnitComparison found, Compare());
  EXPECT_THAT(found.differ_at, Optional(100u));
  EXPECT_EQ(found.wrong, std::nullopt);
}

// Behind its end nothing of it is missing, and there two units are spare.
TEST_F(UnitComparisonTest, ZerosOfALostUnitHelpToNameTheWrongOne) {
  MakeGroup(SmallCells(3, 2), kCell + 100);
  Lose(1);
  Spoil(4, 50);
  ASSERT_OK_AND_ASSIGN(const UnitComparison unsure, Compare());
  EXPECT_EQ(unsure.wrong, std::nullopt);
  Spoil(4, 500);
  ASSERT_OK_AND_ASSIGN(const UnitComparison found, Compare());
  EXPECT_THAT(found.differ_at, Optional(50u));
  EXPECT_THAT(found.wrong, Optional(4u));
}

TEST_F(UnitComparisonTest, AUnitIsComparedAsFarAsItCanBeRead) {
  MakeGroup(SmallCells(3, 2), 4 * kStripe);
  memory_.troubles[0] = {.from = 1300, .status = absl::DataLossError("bad")};
  memory_.troubles[2] = {.from = 2500, .ends = true};
  ASSERT_OK_AND_ASSIGN(const UnitComparison found, Compare());
  EXPECT_THAT(Lost(found), ElementsAre(0u, 2u));
  EXPECT_TRUE(absl::IsDataLoss(found.lost[0].why));
  EXPECT_TRUE(absl::IsUnavailable(found.lost[1].why));
  EXPECT_EQ(found.compared_bytes, 2000u);  // whole pieces, those before the second one was lost
  // All of the others has been read.
  EXPECT_EQ(memory_.finished, 3);
}

TEST_F(UnitComparisonTest, AnotherReplicaGoesOnWhereOneFails) {
  MakeGroup(SmallCells(3, 2), 4 * kStripe);
  memory_.troubles[2] = {.from = 1300, .has_other = true};
  ASSERT_OK_AND_ASSIGN(const UnitComparison found, Compare());
  EXPECT_THAT(found.lost, IsEmpty());
  EXPECT_EQ(found.compared_bytes, 4 * kCell);
  EXPECT_EQ(found.differ_at, std::nullopt);
  EXPECT_EQ(memory_.opened.back(), (Opened{2, 1300, 4 * kCell}));
}

TEST_F(UnitComparisonTest, UnitsThatAreWrongInDifferentPlacesAreNotNamed) {
  MakeGroup(SmallCells(3, 2), 4 * kStripe);
  Spoil(3, 200);
  Spoil(1, 3000);
  ASSERT_OK_AND_ASSIGN(const UnitComparison found, Compare());
  EXPECT_THAT(found.differ_at, Optional(200u));
  EXPECT_EQ(found.wrong, std::nullopt);
}

// Whoever is wrong there is so here: the others agree without him.
TEST_F(UnitComparisonTest, AUnitThatWasNamedStaysSoWhereAnotherOneIsLost) {
  MakeGroup(SmallCells(3, 2), 4 * kStripe);
  Spoil(1, 200);
  memory_.troubles[4] = {.from = 1300};
  Spoil(1, 3000);
  ASSERT_OK_AND_ASSIGN(const UnitComparison found, Compare());
  EXPECT_THAT(found.wrong, Optional(1u));
}

TEST_F(UnitComparisonTest, WithXorAWrongUnitIsFoundAndNotNamed) {
  erasure::Policy policy = SmallCells(2, 1);
  policy.schema.codec = erasure::Codec::kXor;
  MakeGroup(policy, 2 * kCell);
  Spoil(0, 7);
  ASSERT_OK_AND_ASSIGN(const UnitComparison found, Compare());
  EXPECT_THAT(found.differ_at, Optional(7u));
  EXPECT_EQ(found.wrong, std::nullopt);
}

TEST_F(UnitComparisonTest, TokensThatAreNotTakenEndIt) {
  MakeGroup(SmallCells(3, 2), kStripe);
  Lose(2, absl::UnauthenticatedError("expired"));
  EXPECT_THAT(Compare().status(), StatusIs(absl::StatusCode::kUnauthenticated, ::testing::_));
  EXPECT_THAT(memory_.failures, SizeIs(0));
}

}  // namespace
}  // namespace cairn::client
