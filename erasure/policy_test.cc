#include "erasure/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/testing/status_matchers.h"

namespace cairn::erasure {
namespace {

using ::testing::HasSubstr;

TEST(PolicyTest, TheSystemPoliciesAreThoseThatClientsKnowByTheirIds) {
  const char* const names[] = {"RS-6-3-1024k", "RS-3-2-1024k", "RS-LEGACY-6-3-1024k",
                               "XOR-2-1-1024k", "RS-10-4-1024k"};
  ASSERT_EQ(SystemPolicies().size(), std::size(names));
  for (size_t i = 0; i < std::size(names); ++i) {
    const Policy& policy = SystemPolicies()[i];
    EXPECT_EQ(policy.id, i + 1);
    EXPECT_EQ(policy.name, names[i]);
    EXPECT_EQ(policy.cell_bytes, 1u << 20);
    EXPECT_OK(CheckSchema(policy.schema));
    EXPECT_EQ(FindSystemPolicy(policy.id), &policy);
    EXPECT_EQ(FindSystemPolicy(names[i]), &policy);
  }
  EXPECT_EQ(FindSystemPolicy(uint8_t{0}), nullptr);
  EXPECT_EQ(FindSystemPolicy(uint8_t{6}), nullptr);
  EXPECT_EQ(FindSystemPolicy("RS-6-3-64k"), nullptr);
}

TEST(PolicyTest, ASchemaHasBounds) {
  const auto check = [](Codec codec, uint32_t data, uint32_t parity) {
    return CheckSchema({.codec = codec, .data_units = data, .parity_units = parity});
  };
  EXPECT_OK(check(Codec::kReedSolomon, 12, 4));
  EXPECT_OK(check(Codec::kXor, 15, 1));
  EXPECT_THAT(check(Codec::kReedSolomon, 13, 4).message(), HasSubstr("at most 16 together"));
  EXPECT_THAT(check(Codec::kReedSolomon, 0, 4).message(), HasSubstr("at least one"));
  EXPECT_THAT(check(Codec::kReedSolomon, 4, 0).message(), HasSubstr("at least one"));
  EXPECT_THAT(check(Codec::kReedSolomon, UINT32_MAX, 2).message(), HasSubstr("at most 16"));
  EXPECT_THAT(check(Codec::kXor, 2, 2).message(), HasSubstr("one parity unit"));
}

TEST(PolicyTest, ACellHasBounds) {
  EXPECT_OK(CheckCell(1024));
  EXPECT_OK(CheckCell(4 << 20));
  for (const uint32_t bytes : {0u, 1u, 1023u, 1025u, (4u << 20) + 1024, UINT32_MAX}) {
    EXPECT_THAT(CheckCell(bytes).message(), HasSubstr("a multiple of 1024")) << bytes;
  }
}

TEST(PolicyTest, CodecsHaveNames) {
  for (const Codec codec : {Codec::kReedSolomon, Codec::kReedSolomonLegacy, Codec::kXor}) {
    EXPECT_THAT(ParseCodec(CodecName(codec)), IsOkAndHolds(codec));
  }
  EXPECT_THAT(ParseCodec("RS").status().message(), HasSubstr("no codec \"RS\""));
}

}  // namespace
}  // namespace cairn::erasure
