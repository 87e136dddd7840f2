#include "erasure/find_wrong_unit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace cairn::erasure {
namespace {

constexpr Schema kSixThree{Codec::kReedSolomon, 6, 3};
constexpr uint32_t kSeed = 20'240'611;

// A group of random bytes, some of whose units are gone and others spoilt.
class Group {
 public:
  Group(const Schema& schema, size_t bytes, uint32_t seed = kSeed)
      : random_(seed),
        bytes_(bytes),
        coder_(*Coder::Create(schema)),
        units_(schema.units(), std::vector<std::byte>(bytes)),
        held_(schema.units(), bytes),
        there_((1u << schema.units()) - 1) {
    for (uint32_t unit = 0; unit < schema.data_units; ++unit) {
      for (std::byte& byte : units_[unit]) byte = static_cast<std::byte>(random_());
    }
    Encode();
  }

  // The data unit ends after `held` bytes.
  void Shorten(uint32_t unit, size_t held) {
    held_[unit] = held;
    std::fill(units_[unit].begin() + static_cast<std::ptrdiff_t>(held), units_[unit].end(),
              std::byte{0});
    Encode();
  }
  void Lose(uint32_t units) { there_ &= ~units; }  // a bit for each
  void Add(uint32_t unit, size_t offset, uint8_t error) {
    units_[unit][offset] ^= static_cast<std::byte>(error);
  }
  // Some error, somewhere.
  void Spoil(uint32_t unit) { Add(unit, random_() % bytes_, RandomError()); }
  uint8_t RandomError() { return static_cast<uint8_t>(1 + random_() % 255); }

  UnitFinding Find() const {
    std::vector<UnitPiece> pieces(units_.size());
    for (uint32_t unit = 0; unit < units_.size(); ++unit) {
      if ((there_ & 1u << unit) == 0) continue;
      pieces[unit] = {.bytes = units_[unit].data(), .held = held_[unit]};
    }
    return FindWrongUnit(*coder_, pieces, bytes_);
  }
  bool Agrees() const { return Find().agreement == Agreement::kAgree; }
  // nullopt: nobody.
  std::optional<uint32_t> Named() const {
    const UnitFinding found = Find();
    if (found.agreement != Agreement::kOneIsWrong) return std::nullopt;
    return found.unit;
  }

  std::vector<uint32_t> there() const {
    std::vector<uint32_t> numbers;
    for (uint32_t unit = 0; unit < units_.size(); ++unit) {
      if ((there_ & 1u << unit) != 0) numbers.push_back(unit);
    }
    return numbers;
  }
  uint32_t there_bits() const { return there_; }
  uint32_t spare() const {
    return static_cast<uint32_t>(std::popcount(there_)) - coder_->schema().data_units;
  }

 private:
  void Encode() {
    std::vector<const std::byte*> data;
    std::vector<std::byte*> parity;
    for (uint32_t unit = 0; unit < units_.size(); ++unit) {
      if (unit < coder_->schema().data_units) {
        data.push_back(units_[unit].data());
      } else {
        parity.push_back(units_[unit].data());
      }
    }
    coder_->Encode(data, parity, bytes_);
  }

  std::mt19937 random_;
  size_t bytes_;
  std::unique_ptr<Coder> coder_;
  std::vector<std::vector<std::byte>> units_;
  std::vector<size_t> held_;
  uint32_t there_;
};

// Calls `use` with each group of a system policy of which at most `most_lost` units are gone.
template <typename Use>
void ForEachLoss(uint32_t most_lost, size_t bytes, const Use& use) {
  for (const Policy& policy : SystemPolicies()) {
    for (uint32_t lost = 0; lost < 1u << policy.schema.units(); ++lost) {
      const auto count = static_cast<uint32_t>(std::popcount(lost));
      if (count > std::min(most_lost, policy.schema.parity_units)) continue;
      SCOPED_TRACE(absl::StrCat(policy.name, " without the units of ", lost));
      use([&policy, bytes, lost] {
        Group group(policy.schema, bytes);
        group.Lose(lost);
        return group;
      });
    }
  }
}

TEST(FindWrongUnitTest, UnitsThatAreRightAgreeUnlessNoneIsSpare) {
  ForEachLoss(/*most_lost=*/4, /*bytes=*/50, [](const auto& make) {
    const Group group = make();
    const UnitFinding found = group.Find();
    EXPECT_EQ(found.agreement, group.spare() == 0 ? Agreement::kUnchecked : Agreement::kAgree);
    EXPECT_EQ(found.suspects, 0u);
  });
}

// The table in the header, for one wrong unit.
TEST(FindWrongUnitTest, OneWrongUnitIsNamedWithTwoSpareOnesAndSeenWithOne) {
  ForEachLoss(/*most_lost=*/2, /*bytes=*/50, [](const auto& make) {
    for (const uint32_t wrong : make().there()) {
      Group group = make();
      group.Spoil(wrong);
      const UnitFinding found = group.Find();
      switch (group.spare()) {
        case 0:
          EXPECT_EQ(found.agreement, Agreement::kUnchecked);
          EXPECT_EQ(found.suspects, 0u);
          break;
        case 1:
          EXPECT_EQ(found.agreement, Agreement::kCannotSay);
          EXPECT_EQ(found.suspects, group.there_bits());
          break;
        default:
          EXPECT_EQ(found.agreement, Agreement::kOneIsWrong);
          EXPECT_EQ(found.unit, wrong);
          EXPECT_EQ(found.suspects, 1u << wrong);
      }
    }
  });
}

TEST(FindWrongUnitTest, OneOfThreeCopiesIsNamed) {
  for (const uint32_t wrong : {0, 1, 2}) {
    Group group({Codec::kReedSolomon, 1, 2}, 50);
    group.Spoil(wrong);
    EXPECT_EQ(group.Named(), std::optional<uint32_t>(wrong));
  }
}

TEST(FindWrongUnitTest, WithOneSpareUnitAllAreSuspectsThatHaveNotEnded) {
  Group group({Codec::kReedSolomon, 3, 2}, 100);
  group.Lose(1u << 3);
  group.Shorten(1, 60);
  for (size_t at = 20; at < 30; ++at) group.Add(4, at, 0x41);
  const UnitFinding early = group.Find();
  EXPECT_EQ(early.agreement, Agreement::kCannotSay);
  EXPECT_EQ(early.offset, 20u);
  EXPECT_EQ(early.suspects, 0b10111u);
  // Whoever is wrong at 20 is so at 80, where unit 1 has only zeros.
  group.Add(4, 80, 0x41);
  const UnitFinding both = group.Find();
  EXPECT_EQ(both.offset, 20u);
  EXPECT_EQ(both.suspects, 0b10101u);
}

TEST(FindWrongUnitTest, FewerThanAreNeededSayNothing) {
  Group group(kSixThree, 10);
  group.Lose(0b1111);
  group.Spoil(5);
  EXPECT_EQ(group.Find().agreement, Agreement::kUnchecked);
}

TEST(FindWrongUnitTest, WhatIsWrongMayBeAnywhereInALongPiece) {
  constexpr size_t kBytes = 100'000;
  for (const size_t at : {size_t{0}, size_t{8191}, size_t{8192}, size_t{50'000}, kBytes - 1}) {
    Group group(kSixThree, kBytes);
    group.Lose(1u << 2);
    group.Add(7, at, 0x40);
    if (at + 1 < kBytes) group.Add(7, kBytes - 1, 0x01);
    const UnitFinding found = group.Find();
    EXPECT_EQ(found.agreement, Agreement::kOneIsWrong);
    EXPECT_EQ(found.unit, 7u);
    EXPECT_EQ(found.offset, at);
  }
}

// Whatever the two errors are: the code is linear, so only their ratio counts.
TEST(FindWrongUnitTest, TwoWrongUnitsNameNobodyWithThreeSpareOnes) {
  struct Case {
    Schema schema;
    uint32_t lost = 0;  // a bit for each
  };
  for (const auto& [schema, lost] : {Case{kSixThree},
                                     {{Codec::kReedSolomonLegacy, 6, 3}},
                                     {{Codec::kReedSolomon, 10, 4}, 1u << 0},
                                     {{Codec::kReedSolomon, 10, 4}, 1u << 12}}) {
    Group group(schema, 1);
    group.Lose(lost);
    ASSERT_EQ(group.spare(), 3u);
    for (const uint32_t one : group.there()) {
      group.Add(one, 0, 1);
      for (const uint32_t other : group.there()) {
        if (other <= one) continue;
        for (int error = 1; error < 256; ++error) {
          group.Add(other, 0, static_cast<uint8_t>(error));
          ASSERT_EQ(group.Find().agreement, Agreement::kCannotSay)
              << one << " and " << other << ", " << error;
          group.Add(other, 0, static_cast<uint8_t>(error));
        }
      }
      group.Add(one, 0, 1);
    }
    ASSERT_TRUE(group.Agrees());
  }
}

// What the header says of two spare units, no more and no less.
TEST(FindWrongUnitTest, TwoWrongUnitsMayNameAThirdWithTwoSpareOnesAtOneOffset) {
  for (const uint32_t lost : {0u, 5u, 8u}) {
    for (const auto& [one, other] : {std::pair{1u, 2u}, {1u, 7u}, {6u, 7u}}) {
      std::vector<uint32_t> named;
      for (int error = 1; error < 256; ++error) {
        Group group(kSixThree, 1);
        group.Lose(1u << lost);
        group.Add(one, 0, 1);
        group.Add(other, 0, static_cast<uint8_t>(error));
        EXPECT_FALSE(group.Agrees());
        const std::optional<uint32_t> unit = group.Named();
        if (unit.has_value()) named.push_back(*unit);
      }
      std::vector<uint32_t> others;
      for (uint32_t unit = 0; unit < kSixThree.units(); ++unit) {
        if (unit != lost && unit != one && unit != other) others.push_back(unit);
      }
      EXPECT_THAT(named, ::testing::UnorderedElementsAreArray(others)) << one << " and " << other;
    }
  }
}

TEST(FindWrongUnitTest, WhatIsAtOtherOffsetsTellsThatTwoAreWrong) {
  constexpr size_t kBytes = 1000;
  for (uint32_t seed = 1; seed <= 200; ++seed) {
    // Both are wrong at several offsets.
    Group together(kSixThree, kBytes, seed);
    together.Lose(1u << (seed % 9));
    const std::vector<uint32_t> there = together.there();
    const uint32_t one = there[seed % 8], other = there[(seed + 1 + seed / 8 % 7) % 8];
    for (size_t offset = 0; offset < kBytes; offset += 100) {
      together.Add(one, offset, together.RandomError());
      together.Add(other, offset, together.RandomError());
    }
    const UnitFinding found = together.Find();
    EXPECT_EQ(found.agreement, Agreement::kCannotSay) << "seed " << seed;
    EXPECT_EQ(found.offset, 0u);
    EXPECT_EQ(found.suspects, 0u) << "seed " << seed;
    // Never at the same one: that is certain.
    Group apart(kSixThree, kBytes, seed);
    apart.Lose(1u << (seed % 9));
    apart.Add(one, seed, apart.RandomError());
    apart.Add(other, seed + 1, apart.RandomError());
    const UnitFinding certain = apart.Find();
    EXPECT_EQ(certain.agreement, Agreement::kCannotSay) << "seed " << seed;
    EXPECT_EQ(certain.offset, seed);
    EXPECT_EQ(certain.suspects, 0u) << "seed " << seed;
  }
}

// A unit that ends before the bytes that contradict each other has none of them.
TEST(FindWrongUnitTest, NobodyIsNamedForZerosBeyondItsEnd) {
  const auto make = [](uint8_t error) {
    Group group(kSixThree, 100);
    group.Lose(1u << 0);
    group.Shorten(5, 60);
    group.Add(1, 80, 1);
    group.Add(2, 80, error);
    return group;
  };
  std::vector<uint32_t> named;
  for (int error = 1; error < 256; ++error) {
    const std::optional<uint32_t> unit = make(static_cast<uint8_t>(error)).Named();
    if (unit.has_value()) named.push_back(*unit);
  }
  EXPECT_THAT(named, ::testing::UnorderedElementsAre(3, 4, 6, 7, 8));

  Group before(kSixThree, 100);
  before.Lose(1u << 0);
  before.Shorten(5, 60);
  before.Add(5, 59, 1);
  EXPECT_EQ(before.Named(), std::optional<uint32_t>(5));
}

// A group of a few bytes: its other data units have no blocks, and count as zeros.
TEST(FindWrongUnitTest, DataUnitsWithoutBytesHelpToTell) {
  for (const uint32_t wrong : {0, 6, 7, 8}) {
    Group group(kSixThree, 10);
    for (uint32_t unit = 1; unit < 6; ++unit) group.Shorten(unit, 0);
    group.Spoil(wrong);
    EXPECT_EQ(group.Named(), std::optional<uint32_t>(wrong));
  }
  for (const uint32_t wrong : {0, 6}) {
    Group group(kSixThree, 10);
    for (uint32_t unit = 1; unit < 6; ++unit) group.Shorten(unit, 0);
    group.Lose(1u << 7 | 1u << 8);
    group.Spoil(wrong);
    EXPECT_EQ(group.Find().agreement, Agreement::kCannotSay);
    EXPECT_EQ(group.Find().suspects, 1u << 0 | 1u << 6);
  }
}

}  // namespace
}  // namespace cairn::erasure
