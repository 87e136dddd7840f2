#include "erasure/coder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <random>
#include <sstream>
#include <string>

#include "absl/strings/escaping.h"
#include "common/testing/golden.h"
#include "common/testing/status_matchers.h"

namespace cairn::erasure {
namespace {

using ::testing::ElementsAre;

using Unit = std::vector<std::byte>;

// Multiplication in GF(2^8) with 0x11D, bit by bit.
uint8_t Times(uint8_t a, uint8_t b) {
  unsigned int product = 0, factor = a;
  for (; b != 0; b >>= 1, factor = factor << 1 ^ ((factor & 0x80) != 0 ? 0x11D : 0)) {
    if ((b & 1) != 0) product ^= factor;
  }
  return static_cast<uint8_t>(product);
}

std::unique_ptr<Coder> Make(const Schema& schema) { return *Coder::Create(schema); }

std::vector<const std::byte*> Pointers(const std::vector<Unit>& units) {
  std::vector<const std::byte*> out;
  for (const Unit& unit : units) out.push_back(unit.data());
  return out;
}

// Random data, and the parity that the coder makes of it.
std::vector<Unit> Group(const Coder& coder, size_t bytes, uint32_t seed = 1) {
  std::mt19937 random(seed);
  std::vector<Unit> units(coder.schema().units(), Unit(bytes));
  for (uint32_t unit = 0; unit < coder.schema().data_units; ++unit) {
    for (std::byte& byte : units[unit]) byte = static_cast<std::byte>(random());
  }
  const std::vector<const std::byte*> data = Pointers(units);
  std::vector<std::byte*> parity;
  for (uint32_t unit = coder.schema().data_units; unit < units.size(); ++unit) {
    parity.push_back(units[unit].data());
  }
  coder.Encode(std::span(data).first(coder.schema().data_units), parity, bytes);
  return units;
}

TEST(CoderTest, ParityIsTheMatrixTimesTheData) {
  for (const Policy& policy : SystemPolicies()) {
    const std::unique_ptr<Coder> coder = Make(policy.schema);
    const uint32_t k = policy.schema.data_units;
    for (const size_t bytes : {size_t{1}, size_t{31}, size_t{64}, size_t{1000}}) {
      const std::vector<Unit> units = Group(*coder, bytes);
      for (uint32_t unit = 0; unit < policy.schema.units(); ++unit) {
        for (size_t at = 0; at < bytes; ++at) {
          uint8_t sum = 0;
          for (uint32_t data = 0; data < k; ++data) {
            sum ^= Times(coder->matrix()[unit * k + data], static_cast<uint8_t>(units[data][at]));
          }
          ASSERT_EQ(static_cast<uint8_t>(units[unit][at]), sum) << policy.name << " " << unit;
        }
      }
    }
  }
}

TEST(CoderTest, TheRowsOfReedSolomonAreCauchys) {
  const std::unique_ptr<Coder> coder =
      Make({.codec = Codec::kReedSolomon, .data_units = 6, .parity_units = 3});
  for (uint8_t row = 6; row < 9; ++row) {
    for (uint8_t column = 0; column < 6; ++column) {
      EXPECT_EQ(Times(coder->matrix()[row * 6 + column], row ^ column), 1);
    }
  }
}

// Every set of units that may be lost, each of them computed from those that are left.
TEST(CoderTest, WhateverMayBeLostComesBack) {
  constexpr size_t kBytes = 77;
  for (const Policy& policy : SystemPolicies()) {
    const std::unique_ptr<Coder> coder = Make(policy.schema);
    const uint32_t count = policy.schema.units();
    const std::vector<Unit> units = Group(*coder, kBytes, policy.id);
    int patterns = 0;
    for (uint32_t lost = 1; lost < 1u << count; ++lost) {
      if (std::popcount(lost) > static_cast<int>(policy.schema.parity_units)) continue;
      ++patterns;
      std::vector<const std::byte*> left = Pointers(units);
      std::vector<uint32_t> wanted;
      for (uint32_t unit = 0; unit < count; ++unit) {
        if ((lost & 1u << unit) == 0) continue;
        left[unit] = nullptr;
        wanted.push_back(unit);
      }
      std::vector<Unit> rebuilt(wanted.size(), Unit(kBytes));
      std::vector<std::byte*> out;
      for (Unit& unit : rebuilt) out.push_back(unit.data());
      ASSERT_OK(coder->Rebuild(left, wanted, out, kBytes));
      for (size_t i = 0; i < wanted.size(); ++i) {
        ASSERT_EQ(rebuilt[i], units[wanted[i]]) << policy.name << " unit " << wanted[i];
      }
    }
    // All sets of one to m of k + m.
    const int expected[] = {129, 15, 129, 3, 1470};
    EXPECT_EQ(patterns, expected[policy.id - 1]) << policy.name;
  }
}

TEST(CoderTest, WantedUnitsMayComeInAnyOrderAndNotAllOfThem) {
  const std::unique_ptr<Coder> coder =
      Make({.codec = Codec::kReedSolomon, .data_units = 3, .parity_units = 2});
  const std::vector<Unit> units = Group(*coder, 100);
  std::vector<const std::byte*> left = Pointers(units);
  left[0] = left[4] = nullptr;
  for (const std::vector<uint32_t>& wanted : {std::vector<uint32_t>{4, 0}, {0, 4}, {4}, {0}}) {
    std::vector<Unit> rebuilt(wanted.size(), Unit(100));
    std::vector<std::byte*> out;
    for (Unit& unit : rebuilt) out.push_back(unit.data());
    ASSERT_OK(coder->Rebuild(left, wanted, out, 100));
    for (size_t i = 0; i < wanted.size(); ++i) EXPECT_EQ(rebuilt[i], units[wanted[i]]);
  }
}

TEST(CoderTest, TooFewUnitsAreAnErrorAndNothingIsWritten) {
  const std::unique_ptr<Coder> coder =
      Make({.codec = Codec::kReedSolomon, .data_units = 3, .parity_units = 2});
  const std::vector<Unit> units = Group(*coder, 8);
  std::vector<const std::byte*> left = Pointers(units);
  left[0] = left[1] = left[2] = nullptr;
  Unit out(8, std::byte{7});
  std::byte* const place = out.data();
  const uint32_t lost = 1, beyond = 5, there = 3;
  EXPECT_THAT(
      coder->Rebuild(left, {&lost, 1}, {&place, 1}, 8),
      StatusIs(absl::StatusCode::kDataLoss, "2 units of a group are there, and 3 are needed"));
  EXPECT_THAT(coder->Rebuild(left, {&beyond, 1}, {&place, 1}, 8),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(coder->Rebuild(left, {&there, 1}, {&place, 1}, 8),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(out, Unit(8, std::byte{7}));
}

TEST(CoderTest, ASchemaThatCannotBeIsRefused) {
  EXPECT_THAT(Coder::Create({.data_units = 14, .parity_units = 3}).status(),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

// tests/golden/erasure/parity.txt, made by Hadoop's own coders: "CODEC K M PARITY", where byte i of
// data unit u is (31 u + 7 i + i * i) mod 256, in hexadecimal, the parity units one after another.
TEST(CoderTest, ParityIsWhatHadoopsCodersMake) {
  std::istringstream file(ReadGolden("erasure/parity.txt"));
  int lines = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    std::string codec, expected;
    Schema schema;
    ASSERT_TRUE(words >> codec >> schema.data_units >> schema.parity_units >> expected) << line;
    ASSERT_OK_AND_ASSIGN(schema.codec, ParseCodec(codec));
    const std::unique_ptr<Coder> coder = Make(schema);
    const size_t bytes = expected.size() / 2 / schema.parity_units;
    std::vector<Unit> units(schema.units(), Unit(bytes));
    for (uint32_t unit = 0; unit < schema.data_units; ++unit) {
      for (size_t i = 0; i < bytes; ++i) {
        units[unit][i] = static_cast<std::byte>(31 * unit + 7 * i + i * i);
      }
    }
    std::vector<std::byte*> parity;
    for (uint32_t unit = schema.data_units; unit < schema.units(); ++unit) {
      parity.push_back(units[unit].data());
    }
    const std::vector<const std::byte*> data = Pointers(units);
    coder->Encode(std::span(data).first(schema.data_units), parity, bytes);
    std::string made;
    for (const std::byte* unit : parity) {
      made += absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(unit), bytes));
    }
    EXPECT_EQ(made, expected) << codec << " " << schema.data_units << "+" << schema.parity_units;
    ++lines;
  }
  EXPECT_GE(lines, 8);
}

}  // namespace
}  // namespace cairn::erasure
