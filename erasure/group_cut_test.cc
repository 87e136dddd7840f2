#include "erasure/group_cut.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cstddef>
#include <cstring>
#include <random>
#include <vector>

#include "common/testing/status_matchers.h"
#include "erasure/coder.h"

namespace cairn::erasure {
namespace {

using ::testing::ElementsAre;

constexpr uint32_t kCell = 1024;
constexpr uint64_t kGone = kMissingUnit;
const Schema kSchema = {.codec = Codec::kReedSolomon, .data_units = 3, .parity_units = 2};
const Layout kLayout(kSchema, kCell);
constexpr uint64_t kStripe = 3 * kCell;

GroupCut Plan(const std::vector<uint64_t>& units, uint64_t acknowledged = 0) {
  const absl::StatusOr<GroupCut> cut = PlanGroupCut(kLayout, units, acknowledged);
  EXPECT_OK(cut);
  return cut.value_or(GroupCut{.bytes = 0, .keep = std::vector<bool>(5)});
}

TEST(GroupCutTest, WholeStripesAreKeptInAllThatHaveThem) {
  const GroupCut cut = Plan({kCell, kGone, kCell / 2, kCell, 2 * kCell});
  EXPECT_EQ(cut.bytes, kStripe);
  EXPECT_THAT(cut.keep, ElementsAre(true, false, false, true, true));
}

TEST(GroupCutTest, TheStripeAfterThemIsGivenUp) {
  const GroupCut cut = Plan({2 * kCell, 3 * kCell / 2, kCell, 2 * kCell, kCell});
  EXPECT_EQ(cut.bytes, kStripe);
  EXPECT_THAT(cut.keep, ElementsAre(true, true, true, true, true));
}

TEST(GroupCutTest, AShortStripeIsNotTakenForAWholeOne) {
  // A stripe, a cell and ten bytes, all written: parity has two whole cells.
  EXPECT_EQ(Plan({2 * kCell, kCell + 10, kCell, 2 * kCell, 2 * kCell}).bytes, kStripe);
  EXPECT_EQ(Plan({kCell, 10, 0, kCell, kCell}).bytes, kCell + 10);
  EXPECT_EQ(Plan({kCell, kGone, 0, kCell, kCell}).bytes, kCell);
  EXPECT_EQ(Plan({kGone, kGone, kCell, kCell, kCell}).bytes, kStripe);
  // Unit 0 goes on behind it.
  EXPECT_EQ(Plan({kCell + 1, kGone, 0, kCell, kCell}).bytes, kStripe);
}

TEST(GroupCutTest, OfAGroupWithoutAWholeStripeTheDataUnitsAreKeptAndNoParity) {
  const GroupCut cut = Plan({kCell, kCell / 2, 7, kCell, 0});
  EXPECT_EQ(cut.bytes, kCell + kCell / 2);
  EXPECT_THAT(cut.keep, ElementsAre(true, true, false, false, false));
  EXPECT_EQ(Plan({kCell / 2, kCell, kCell, 0, 0}).bytes, kCell / 2);
  EXPECT_EQ(Plan({kGone, kCell, kCell, 0, 0}).bytes, 0u);
  EXPECT_EQ(Plan({0, 0, 0, 0, 0}).bytes, 0u);
}

TEST(GroupCutTest, WithFewerUnitsThanDataNothingIsSaid) {
  EXPECT_THAT(PlanGroupCut(kLayout, {kCell, kGone, kGone, kGone, kCell}, 0),
              StatusIs(absl::StatusCode::kDataLoss));
}

TEST(GroupCutTest, WhatWasAcknowledgedIsKeptByAnyKUnitsWithTheirPart) {
  const uint64_t bytes = kStripe + kCell + 10;
  const std::vector<uint64_t> whole = {2 * kCell, kCell + 10, kCell, 2 * kCell, 2 * kCell};
  for (size_t a = 0; a < whole.size(); ++a) {
    for (size_t b = 0; b < a; ++b) {
      std::vector<uint64_t> left = whole;
      left[a] = left[b] = kGone;
      EXPECT_EQ(Plan(left, bytes).bytes, bytes) << a << " " << b;
      for (size_t c = 0; c < b; ++c) {
        std::vector<uint64_t> few = left;
        --few[c];
        EXPECT_THAT(PlanGroupCut(kLayout, few, bytes), StatusIs(absl::StatusCode::kDataLoss))
            << a << " " << b << " " << c;
      }
    }
  }
}

TEST(GroupCutTest, ParityOfAnotherEndOfTheStripeIsNotKept) {
  const uint64_t bytes = 10;
  const GroupCut cut = Plan({10, 0, 0, 10, 500}, bytes);
  EXPECT_EQ(cut.bytes, bytes);
  EXPECT_THAT(cut.keep, ElementsAre(true, false, false, true, false));
  EXPECT_THAT(PlanGroupCut(kLayout, {kGone, 0, 0, 500, 500}, bytes),
              StatusIs(absl::StatusCode::kDataLoss));
}

TEST(GroupCutTest, WholeStripesBehindTheFlushAreKeptToo) {
  EXPECT_EQ(Plan({2 * kCell, 2 * kCell, 2 * kCell, kCell, kCell}, kStripe + 7).bytes, 2 * kStripe);
}

using Bytes = std::vector<std::byte>;

// The units of a group with `data`, as its writer makes them.
std::vector<Bytes> UnitsOf(const Bytes& data, const Layout& layout, const Coder& coder) {
  const uint64_t columns = layout.UnitBytes(data.size(), 0);
  std::vector<Bytes> units(layout.units(), Bytes(columns));
  layout.ForEachPiece(0, data.size(), [&](const Layout::Piece& piece) {
    std::memcpy(units[piece.place.unit].data() + piece.place.offset, data.data() + piece.at,
                piece.bytes);
  });
  std::vector<const std::byte*> in;
  std::vector<std::byte*> out;
  for (Bytes& unit : units) {
    if (in.size() < layout.data_units()) {
      in.push_back(unit.data());
    } else {
      out.push_back(unit.data());
    }
  }
  coder.Encode(in, out, columns);
  for (uint32_t unit = 0; unit < layout.units(); ++unit) {
    units[unit].resize(layout.UnitBytes(data.size(), unit));
  }
  return units;
}

// The part that each unit has of the group after the cut, padded to the longest; empty: it is lost.
std::vector<Bytes> PartsOf(const std::vector<Bytes>& units, const GroupCut& cut,
                           const Layout& layout) {
  std::vector<Bytes> parts(units.size());
  for (uint32_t unit = 0; unit < units.size(); ++unit) {
    const uint64_t bytes = layout.UnitBytes(cut.bytes, unit);
    if (bytes != 0 && !cut.keep[unit]) continue;
    EXPECT_GE(units[unit].size(), bytes) << "of unit " << unit << ", which is kept";
    parts[unit] = units[unit];
    parts[unit].resize(bytes);
    parts[unit].resize(layout.UnitBytes(cut.bytes, 0));
  }
  return parts;
}

// Where k `parts` are left without the `lost` ones, a bit for each, they give `data` back.
void ExpectGives(const std::vector<Bytes>& parts, uint32_t lost, const std::vector<Bytes>& data,
                 const Coder& coder) {
  const size_t columns = data[0].size();
  std::vector<const std::byte*> in(parts.size(), nullptr);
  std::vector<uint32_t> wanted;
  uint32_t count = 0;
  for (uint32_t unit = 0; unit < parts.size(); ++unit) {
    if (!parts[unit].empty() && (lost & 1u << unit) == 0) {
      in[unit] = parts[unit].data();
      ++count;
    } else if (unit < coder.schema().data_units) {
      wanted.push_back(unit);
    }
  }
  if (count < coder.schema().data_units && lost != 0) return;
  std::vector<Bytes> computed(wanted.size(), Bytes(columns));
  std::vector<std::byte*> out;
  for (Bytes& bytes : computed) out.push_back(bytes.data());
  ASSERT_OK(coder.Rebuild(in, wanted, out, columns));
  for (size_t i = 0; i < wanted.size(); ++i) {
    ASSERT_EQ(std::memcmp(computed[i].data(), data[wanted[i]].data(), columns), 0)
        << "unit " << wanted[i] << " without " << lost;
  }
}

// What is kept of units that end in `left`, without any m of them, gives what it is to give.
void ExpectAllGive(const std::vector<Bytes>& left, const GroupCut& cut, const Bytes& data,
                   const Layout& layout, const Coder& coder) {
  ASSERT_LE(cut.bytes, data.size());
  if (cut.bytes == 0) return;
  const std::vector<Bytes> parts = PartsOf(left, cut, layout);
  std::vector<Bytes> expected(layout.data_units(), Bytes(layout.UnitBytes(cut.bytes, 0)));
  layout.ForEachPiece(0, cut.bytes, [&](const Layout::Piece& piece) {
    std::memcpy(expected[piece.place.unit].data() + piece.place.offset, data.data() + piece.at,
                piece.bytes);
  });
  for (uint32_t lost = 0; lost < 1u << layout.units(); ++lost) {
    if (std::popcount(lost) > static_cast<int>(coder.schema().parity_units)) continue;
    ExpectGives(parts, lost, expected, coder);
    if (testing::Test::HasFatalFailure()) return;
  }
}

// Ends `unit` anywhere, or takes it away. Returns how long it is then.
uint64_t Hurt(Bytes& unit, std::mt19937& random) {
  const bool gone = random() % 4 == 0;
  unit.resize(gone ? 0 : random() % (unit.size() + 1));
  return gone ? kGone : unit.size();
}

// Groups of random lengths, whose units end anywhere; after a flush at most m of them.
void CutRandomGroups(const Schema& schema) {
  const Layout layout(schema, kCell);
  const auto coder = Coder::Create(schema);
  ASSERT_OK(coder);
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    SCOPED_TRACE(round);
    Bytes data(1 + random() % (4 * layout.stripe_bytes()));
    for (std::byte& byte : data) byte = static_cast<std::byte>(random());
    std::vector<Bytes> left = UnitsOf(data, layout, **coder);
    const bool flushed = random() % 2 == 0;
    uint32_t hurt = flushed ? 0 : UINT32_MAX;
    for (uint32_t i = 0; i < schema.parity_units; ++i) hurt |= 1u << random() % schema.units();
    std::vector<uint64_t> lengths;
    for (uint32_t unit = 0; unit < schema.units(); ++unit) {
      const bool is_hurt = (hurt & 1u << unit) != 0;
      lengths.push_back(is_hurt ? Hurt(left[unit], random) : left[unit].size());
    }
    const absl::StatusOr<GroupCut> cut = PlanGroupCut(layout, lengths, flushed ? data.size() : 0);
    if (!cut.ok()) {
      ASSERT_FALSE(flushed) << cut.status();
      continue;
    }
    if (flushed) {
      ASSERT_EQ(cut->bytes, data.size());
    }
    ExpectAllGive(left, *cut, data, layout, **coder);
    if (testing::Test::HasFailure()) return;
  }
}

TEST(GroupCutTest, WhateverIsKeptGivesTheRightBytes) { CutRandomGroups(kSchema); }

TEST(GroupCutTest, AndWithSixDataUnitsAndThreeOfParity) {
  CutRandomGroups({.codec = Codec::kReedSolomon, .data_units = 6, .parity_units = 3});
}

}  // namespace
}  // namespace cairn::erasure
