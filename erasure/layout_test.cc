#include "erasure/layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "common/testing/status_matchers.h"

namespace cairn::erasure {
namespace {

using ::testing::ElementsAre;

constexpr uint32_t kCell = 1024;

Layout Of(uint32_t data, uint32_t parity) {
  return Layout({.data_units = data, .parity_units = parity}, kCell);
}

// Where each byte of a group goes, dealt out one at a time.
struct Model {
  Model(uint64_t bytes, uint32_t data, uint32_t parity) : unit_bytes(data + parity) {
    for (uint64_t offset = 0; offset < bytes; ++offset) {
      const uint32_t unit = static_cast<uint32_t>(offset / kCell) % data;
      places.push_back({unit, unit_bytes[unit]++});
    }
    for (uint32_t unit = data; unit < data + parity; ++unit) unit_bytes[unit] = unit_bytes[0];
  }
  std::vector<Layout::Place> places;
  std::vector<uint64_t> unit_bytes;
};

TEST(LayoutTest, EachByteLiesWhereDealingThemOutPutsIt) {
  for (const auto& [data, parity] : {std::pair(6u, 3u), {3u, 2u}, {1u, 1u}, {10u, 4u}}) {
    const Layout layout = Of(data, parity);
    const uint64_t stripe = layout.stripe_bytes();
    for (const uint64_t bytes :
         {uint64_t{0}, uint64_t{1}, uint64_t{kCell - 1}, uint64_t{kCell}, uint64_t{kCell + 1},
          stripe - 1, stripe, stripe + 1, 2 * stripe + kCell + 7, 3 * stripe}) {
      const Model model(bytes, data, parity);
      for (uint64_t offset = 0; offset < bytes; ++offset) {
        ASSERT_EQ(layout.PlaceOf(offset), model.places[offset]) << offset;
        ASSERT_EQ(layout.OffsetOf(model.places[offset]), offset);
      }
      for (uint32_t unit = 0; unit < layout.units(); ++unit) {
        EXPECT_EQ(layout.UnitBytes(bytes, unit), model.unit_bytes[unit]) << bytes << " " << unit;
      }
      EXPECT_EQ(layout.UnitsNeeded(bytes),
                std::count_if(model.unit_bytes.begin(), model.unit_bytes.begin() + data,
                              [](uint64_t held) { return held > 0; }))
          << bytes;
    }
  }
}

TEST(LayoutTest, ARangeIsItsPiecesInOrder) {
  std::mt19937 random(1);
  const Layout layout = Of(3, 2);
  const Model model(5 * layout.stripe_bytes(), 3, 2);
  for (int round = 0; round < 300; ++round) {
    const uint64_t offset = random() % model.places.size();
    const uint64_t bytes = random() % (model.places.size() - offset + 1);
    uint64_t next = 0;
    std::map<uint32_t, Layout::Extent> extents;
    layout.ForEachPiece(offset, bytes, [&](const Layout::Piece& piece) {
      ASSERT_EQ(piece.at, next);
      ASSERT_GT(piece.bytes, 0u);
      for (uint64_t i = 0; i < piece.bytes; ++i) {
        const Layout::Place byte = {piece.place.unit, piece.place.offset + i};
        ASSERT_EQ(byte, model.places[offset + next + i]);
        auto [extent, first] =
            extents.try_emplace(byte.unit, Layout::Extent{byte.offset, byte.offset + 1});
        if (first) continue;
        ASSERT_EQ(extent->second.end, byte.offset) << "a gap in unit " << byte.unit;
        ++extent->second.end;
      }
      next += piece.bytes;
    });
    ASSERT_EQ(next, bytes);
    const std::vector<Layout::Extent> found = layout.UnitExtents(offset, bytes);
    for (uint32_t unit = 0; unit < 3; ++unit) {
      if (extents.count(unit) == 0) {
        EXPECT_EQ(found[unit].begin, found[unit].end) << unit;
      } else {
        EXPECT_EQ(found[unit], extents[unit]) << unit;
      }
    }
  }
}

TEST(LayoutTest, WorkedExample) {
  const Layout layout = Of(3, 2);
  // Of the second stripe the first cell is whole, the second has 10 bytes, the third none.
  const uint64_t bytes = 4 * kCell + 10;
  std::vector<uint64_t> units;
  for (uint32_t unit = 0; unit < 5; ++unit) units.push_back(layout.UnitBytes(bytes, unit));
  EXPECT_THAT(units, ElementsAre(2 * kCell, kCell + 10, kCell, 2 * kCell, 2 * kCell));
}

TEST(LayoutTest, LargeGroupsDoNotOverflow) {
  const Layout layout({.data_units = 10, .parity_units = 4}, 1 << 20);
  const uint64_t bytes = (uint64_t{1} << 62) + 12345;
  uint64_t sum = 0;
  for (uint32_t unit = 0; unit < 10; ++unit) sum += layout.UnitBytes(bytes, unit);
  EXPECT_EQ(sum, bytes);
  EXPECT_EQ(layout.OffsetOf(layout.PlaceOf(bytes - 1)), bytes - 1);
}

}  // namespace
}  // namespace cairn::erasure
