#include "erasure/policy_proto.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/testing/status_matchers.h"

namespace cairn::erasure {
namespace {

using Proto = hdfs::ErasureCodingPolicyProto;

Proto Custom() {
  Proto proto;
  proto.set_id(65);
  proto.set_cellsize(64 << 10);
  proto.mutable_schema()->set_codecname("rs");
  proto.mutable_schema()->set_dataunits(4);
  proto.mutable_schema()->set_parityunits(2);
  return proto;
}

TEST(PolicyProtoTest, ASystemPolicyIsKnownByItsIdWhateverElseIsSaid) {
  Proto proto = Custom();
  proto.set_id(1);
  ASSERT_OK_AND_ASSIGN(const Policy policy, PolicyFrom(proto));
  EXPECT_EQ(policy.name, "RS-6-3-1024k");
  EXPECT_EQ(policy.schema, (Schema{Codec::kReedSolomon, 6, 3}));
  EXPECT_EQ(policy.cell_bytes, 1u << 20);
}

TEST(PolicyProtoTest, AnotherIsWhatIsSaidAndHasAName) {
  ASSERT_OK_AND_ASSIGN(const Policy policy, PolicyFrom(Custom()));
  EXPECT_EQ(policy.id, 65);
  EXPECT_EQ(policy.name, "RS-4-2-64k");
  EXPECT_EQ(policy.schema, (Schema{Codec::kReedSolomon, 4, 2}));
  EXPECT_EQ(policy.cell_bytes, 64u << 10);
}

TEST(PolicyProtoTest, WhatIsNotKnownOrMakesNoSenseIsRefused) {
  const auto refuses = [](absl::StatusCode code, const auto& change) {
    Proto proto = Custom();
    change(proto);
    EXPECT_THAT(PolicyFrom(proto), StatusIs(code)) << proto.DebugString();
  };
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  constexpr auto kUnimplemented = absl::StatusCode::kUnimplemented;
  refuses(kInvalid, [](Proto& p) { p.set_id(257); });
  refuses(kInvalid, [](Proto& p) { p.mutable_schema()->set_dataunits(0xffffffff); });
  refuses(kInvalid, [](Proto& p) { p.mutable_schema()->set_parityunits(0); });
  refuses(kInvalid, [](Proto& p) { p.clear_cellsize(); });
  refuses(kInvalid, [](Proto& p) { p.set_cellsize(0x80000000); });
  refuses(kUnimplemented, [](Proto& p) { p.clear_schema(); });
  refuses(kUnimplemented, [](Proto& p) { p.mutable_schema()->set_codecname("lrc"); });
}

}  // namespace
}  // namespace cairn::erasure
