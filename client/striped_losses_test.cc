// What each system policy makes good, over small cells: every loss it allows, and not one unit
// more.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/testing/striped_reader_fixture.h"
#include "erasure/policy.h"

namespace cairn::client {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Pair;

constexpr uint32_t kCell = 1024;
constexpr uint64_t kChunk = 512;  // bytes under one checksum

std::vector<erasure::Policy> SmallPolicies() {
  std::vector<erasure::Policy> policies = {SmallCells(1, 1)};
  for (erasure::Policy policy : erasure::SystemPolicies()) {
    policy.cell_bytes = kCell;
    policy.name = erasure::ComposeName(policy.schema, kCell);
    policies.push_back(std::move(policy));
  }
  return policies;
}

// Its last stripe is short, and ends inside a cell.
size_t UnevenLength(const erasure::Schema& schema) {
  return (2 * schema.data_units + 5) * kCell + 7;
}

// Lengths of groups at whose edges something changes.
std::vector<size_t> Lengths(const erasure::Schema& schema) {
  const size_t uneven = UnevenLength(schema);
  if (schema.units() > 9) return {uneven};  // the sets of its units are a thousand and more
  const size_t stripe = schema.data_units * kCell;
  return {1,      kCell - 1,  kCell,      kCell + 1,          stripe - 1,
          stripe, stripe + 1, 3 * stripe, 4 * stripe + kCell, uneven};
}

// Sets of `least` to `most` units, a bit for each.
std::vector<uint32_t> SetsOfUnits(const erasure::Schema& schema, uint32_t least, uint32_t most) {
  std::vector<uint32_t> sets;
  for (uint32_t set = 0; set < 1u << schema.units(); ++set) {
    const auto count = static_cast<uint32_t>(std::popcount(set));
    if (count >= least && count <= most) sets.push_back(set);
  }
  return sets;
}

std::vector<uint32_t> SetsOfOneTooMany(const erasure::Schema& schema) {
  return SetsOfUnits(schema, schema.parity_units + 1, schema.parity_units + 1);
}

class StripedLossesTest : public StripedBlockReaderTest {
 protected:
  // The `lost` units end at `from`, all others are sound.
  void LoseSet(uint32_t lost, uint64_t from = 0) {
    memory_.troubles.clear();
    memory_.failures.clear();
    memory_.opened.clear();
    for (uint32_t unit = 0; unit < memory_.units.size(); ++unit) {
      if ((lost & 1u << unit) != 0) memory_.troubles[unit] = {.from = from};
    }
  }

  // Of a short group some units have none.
  uint32_t UnitsWithBytes() const {
    uint32_t set = 0;
    for (uint32_t unit = 0; unit < memory_.units.size(); ++unit) {
      if (!memory_.units[unit].empty()) set |= 1u << unit;
    }
    return set;
  }

  void ExpectTooManyLost(uint64_t offset) {
    EXPECT_THAT(ReadRange(offset, data_.size() - offset),
                StatusIs(absl::StatusCode::kUnavailable,
                         HasSubstr("block group -1008: too many units are lost")));
  }
};

TEST_F(StripedLossesTest, EveryLossThatThePolicyAllowsIsMadeGood) {
  for (const erasure::Policy& policy : SmallPolicies()) {
    for (const size_t bytes : Lengths(policy.schema)) {
      MakeGroup(policy, bytes);
      for (const uint32_t lost : SetsOfUnits(policy.schema, 0, policy.schema.parity_units)) {
        LoseSet(lost);
        ExpectReadable(absl::StrCat(policy.name, ", ", bytes, " bytes, lost ", lost));
        if (HasFailure()) return;
      }
    }
  }
}

// Units without bytes do not count: they are known to be zeros.
TEST_F(StripedLossesTest, OneLossMoreIsAnErrorAndNothingOfALostCellIsDelivered) {
  for (const erasure::Policy& policy : SmallPolicies()) {
    const int parity = static_cast<int>(policy.schema.parity_units);
    for (const size_t bytes : Lengths(policy.schema)) {
      MakeGroup(policy, bytes);
      for (const uint32_t lost : SetsOfOneTooMany(policy.schema)) {
        const std::string what = absl::StrCat(policy.name, ", ", bytes, " bytes, lost ", lost);
        SCOPED_TRACE(what);
        LoseSet(lost);
        if (std::popcount(lost & UnitsWithBytes()) <= parity) {
          ExpectReadable(what);
        } else {
          const uint64_t first_lost = static_cast<uint64_t>(std::countr_zero(lost)) * kCell;
          ExpectTooManyLost(0);
          EXPECT_LE(delivered_, first_lost);
          ExpectTooManyLost(first_lost);
          EXPECT_EQ(delivered_, 0u);
        }
        if (HasFailure()) return;
      }
    }
  }
}

// All of them end at the same place of the second stripe.
TEST_F(StripedLossesTest, WhatComesBeforeTheFirstLostByteIsDelivered) {
  constexpr uint64_t kFrom = kCell + 100;
  for (const erasure::Policy& policy : SmallPolicies()) {
    MakeGroup(policy, UnevenLength(policy.schema));
    for (const uint32_t lost : SetsOfOneTooMany(policy.schema)) {
      SCOPED_TRACE(absl::StrCat(policy.name, ", lost ", lost));
      LoseSet(lost, kFrom);
      ExpectTooManyLost(0);
      const auto first = static_cast<uint32_t>(std::countr_zero(lost));
      EXPECT_EQ(delivered_, striping_->layout().OffsetOf({.unit = first, .offset = kFrom}));
      if (HasFailure()) return;
    }
  }
}

// Its stream gives nothing of the chunk whose checksum does not match.
TEST_F(StripedLossesTest, AFlippedByteInAnyUnitIsMadeGoodBesidesTwoLostUnits) {
  const erasure::Policy policy = SmallCells(6, 3);
  MakeGroup(policy, UnevenLength(policy.schema));
  const std::vector<std::string> sound = memory_.units;
  for (uint32_t flipped = 0; flipped < policy.schema.units(); ++flipped) {
    for (const uint32_t lost : SetsOfUnits(policy.schema, 2, 2)) {
      if ((lost & 1u << flipped) != 0) continue;
      for (const uint64_t at : {600u, kCell + 100, 2 * kCell + 3}) {
        LoseSet(lost);
        memory_.units = sound;
        memory_.units[flipped][at] ^= 1;
        memory_.troubles[flipped] = {.from = at / kChunk * kChunk,
                                     .status = absl::DataLossError("checksum error")};
        ExpectReadable(absl::StrCat("byte ", at, " of ", flipped, " flipped, lost ", lost));
        if (flipped < policy.schema.data_units) {
          EXPECT_THAT(memory_.failures,
                      Contains(Pair(flipped, StatusIs(absl::StatusCode::kDataLoss))));
        }
        if (HasFailure()) return;
      }
    }
  }
}

}  // namespace
}  // namespace cairn::client
