#include "client/wrong_unit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>

#include "client/testing/striped_data.h"
#include "common/testing/status_matchers.h"

namespace cairn::client {
namespace {

using ::testing::Optional;

constexpr size_t kBytes = 1024;

// A whole stripe of cells of 1 KiB, by unit.
class WrongUnitTest : public ::testing::Test {
 protected:
  void MakeStripe(const erasure::Policy& policy) {
    coder_ = *erasure::Coder::Create(policy.schema);
    std::string data(kBytes * policy.schema.data_units, '\0');
    for (char& c : data) c = static_cast<char>(random_());
    units_ = MakeUnits(policy, data);
    known_.assign(units_.size(), true);
  }
  void Spoil(uint32_t unit, size_t begin, size_t end) {
    for (size_t at = begin; at < end; ++at) {
      units_[unit][at] ^= static_cast<char>(1 + random_() % 255);
    }
  }
  UnitsAgreement Find() {
    std::vector<const std::byte*> pointers;
    for (size_t i = 0; i < units_.size(); ++i) {
      const auto* const bytes = reinterpret_cast<const std::byte*>(units_[i].data());
      pointers.push_back(known_[i] ? bytes : nullptr);
    }
    const auto found = FindWrongUnit(*coder_, pointers, kBytes, scratch_);
    EXPECT_OK(found);
    return found.ok() ? *found : UnitsAgreement();
  }

  std::mt19937 random_{5};
  std::unique_ptr<const erasure::Coder> coder_;
  std::vector<std::string> units_;
  std::vector<bool> known_;
  std::vector<std::byte> scratch_;
};

TEST_F(WrongUnitTest, UnitsAsTheyWereWrittenAgree) {
  MakeStripe(SmallCells(6, 3));
  for (uint32_t spare = 3; spare > 0; --spare) {
    const UnitsAgreement found = Find();
    EXPECT_EQ(found.spare, spare);
    EXPECT_EQ(found.differ_at, std::nullopt);
    known_[spare] = false;
  }
}

TEST_F(WrongUnitTest, WithTwoSpareUnitsTheWrongOneIsTheOnlySuspect) {
  for (const auto& [k, m] : {std::pair{3u, 2u}, {6u, 3u}, {1u, 2u}, {10u, 4u}}) {
    for (uint32_t unit = 0; unit < k + m; ++unit) {
      for (const size_t at : {size_t{0}, size_t{700}, kBytes - 1}) {
        MakeStripe(SmallCells(k, m));
        if (m == 3) known_[(unit + 1) % (k + m)] = false;
        Spoil(unit, at, at + 1);
        const UnitsAgreement found = Find();
        EXPECT_THAT(found.differ_at, Optional(at)) << k << "+" << m;
        EXPECT_EQ(found.suspects, 1u << unit) << k << "+" << m;
      }
    }
  }
}

TEST_F(WrongUnitTest, WithOneSpareUnitEachMayBeTheWrongOne) {
  MakeStripe(SmallCells(3, 2));
  known_[3] = false;
  Spoil(1, 20, 30);
  const UnitsAgreement found = Find();
  EXPECT_EQ(found.spare, 1u);
  EXPECT_THAT(found.differ_at, Optional(size_t{20}));
  EXPECT_EQ(found.suspects, 0b10111u);
}

TEST_F(WrongUnitTest, WithoutASpareUnitNothingIsSaid) {
  MakeStripe(SmallCells(3, 2));
  known_[3] = known_[0] = false;
  Spoil(1, 20, 30);
  const UnitsAgreement found = Find();
  EXPECT_EQ(found.spare, 0u);
  EXPECT_EQ(found.differ_at, std::nullopt);
}

TEST_F(WrongUnitTest, TwoWrongUnitsLeaveNobodyWithoutWhomTheOthersAgree) {
  for (const auto& [first, second] : {std::pair{0u, 1u}, {2u, 4u}, {3u, 4u}}) {
    MakeStripe(SmallCells(3, 2));
    Spoil(first, 100, 600);
    Spoil(second, 100, 600);
    const UnitsAgreement found = Find();
    EXPECT_THAT(found.differ_at, Optional(size_t{100}));
    EXPECT_EQ(found.suspects, 0u);
  }
}

}  // namespace
}  // namespace cairn::client
