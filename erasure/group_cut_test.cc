#include "erasure/group_cut.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
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

// A group as its writer makes it: `bytes` of data, whose last stripe may be short.
std::vector<std::vector<std::byte>> UnitsOf(const std::vector<std::byte>& data,
                                            const Coder& coder) {
  std::vector<std::vector<std::byte>> units(5);
  const size_t stripes = (data.size() + kStripe - 1) / kStripe;
  for (size_t stripe = 0; stripe < stripes; ++stripe) {
    std::vector<std::vector<std::byte>> cells(5, std::vector<std::byte>(kCell));
    for (size_t i = 0; i < kStripe && stripe * kStripe + i < data.size(); ++i) {
      cells[i / kCell][i % kCell] = data[stripe * kStripe + i];
    }
    const std::byte* in[] = {cells[0].data(), cells[1].data(), cells[2].data()};
    std::byte* out[] = {cells[3].data(), cells[4].data()};
    coder.Encode(in, out, kCell);
    for (size_t unit = 0; unit < 5; ++unit) {
      const uint64_t end = kLayout.UnitBytes(
          std::min<uint64_t>(data.size(), (stripe + 1) * kStripe), static_cast<uint32_t>(unit));
      const size_t count = end - std::min<uint64_t>(end, stripe * kCell);
      units[unit].insert(units[unit].end(), cells[unit].begin(),
                         cells[unit].begin() + static_cast<std::ptrdiff_t>(count));
    }
  }
  return units;
}

// Every k of the units that were kept, cut to their parts, give back the bytes.
void ExpectGives(const std::vector<std::vector<std::byte>>& units, const GroupCut& cut,
                 const std::vector<std::byte>& data, const Coder& coder) {
  ASSERT_LE(cut.bytes, data.size());
  for (uint32_t lost_a = 0; lost_a < 5; ++lost_a) {
    for (uint32_t lost_b = 0; lost_b <= lost_a; ++lost_b) {
      const uint64_t columns = kLayout.UnitBytes(cut.bytes, 0);
      std::vector<std::vector<std::byte>> there(5);
      std::vector<const std::byte*> in(5, nullptr);
      std::vector<uint32_t> wanted;
      uint32_t count = 0;
      for (uint32_t unit = 0; unit < 5; ++unit) {
        const uint64_t part = kLayout.UnitBytes(cut.bytes, unit);
        const bool lost = unit == lost_a || unit == lost_b;
        if (part == 0 || (cut.keep[unit] && !lost)) {
          there[unit].assign(units[unit].begin(),
                             units[unit].begin() + static_cast<std::ptrdiff_t>(part));
          there[unit].resize(columns);
          in[unit] = there[unit].data();
          ++count;
        } else if (unit < 3) {
          wanted.push_back(unit);
        }
      }
      if (count < 3) continue;
      std::vector<std::vector<std::byte>> out(wanted.size(), std::vector<std::byte>(columns));
      std::vector<std::byte*> outs;
      for (auto& buffer : out) outs.push_back(buffer.data());
      ASSERT_OK(coder.Rebuild(in, wanted, outs, columns));
      for (size_t i = 0; i < wanted.size(); ++i) there[wanted[i]] = out[i];
      for (uint64_t offset = 0; offset < cut.bytes; offset += 61) {
        const Layout::Place place = kLayout.PlaceOf(offset);
        ASSERT_EQ(there[place.unit][place.offset], data[offset])
            << offset << " without " << lost_a << ", " << lost_b;
      }
    }
  }
}

TEST(GroupCutTest, WhateverIsKeptGivesTheRightBytes) {
  const auto coder = Coder::Create(kSchema);
  ASSERT_OK(coder);
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    std::vector<std::byte> data(1 + random() % (4 * kStripe));
    for (std::byte& byte : data) byte = static_cast<std::byte>(random());
    const auto units = UnitsOf(data, **coder);
    const bool flushed = random() % 2 == 0;
    std::vector<uint64_t> lengths;
    int hurt = 0;
    for (const auto& unit : units) {
      const bool spared = flushed && ++hurt > 2;  // an acknowledged flush reached all of them
      lengths.push_back(spared              ? unit.size()
                        : random() % 4 == 0 ? kGone
                                            : random() % (unit.size() + 1));
    }
    const absl::StatusOr<GroupCut> cut = PlanGroupCut(kLayout, lengths, flushed ? data.size() : 0);
    if (!cut.ok()) {
      ASSERT_FALSE(flushed) << cut.status();
      continue;
    }
    if (flushed) {
      ASSERT_EQ(cut->bytes, data.size());
    }
    ExpectGives(units, *cut, data, **coder);
  }
}

}  // namespace
}  // namespace cairn::erasure
