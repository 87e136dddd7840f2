#include "client/erasure_convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/convert.h"
#include "common/testing/status_matchers.h"

namespace cairn::client {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

erasure::Policy Custom() {
  const erasure::Schema schema = {
      .codec = erasure::Codec::kReedSolomon, .data_units = 4, .parity_units = 2};
  return {.id = 65,
          .name = erasure::ComposeName(schema, 64 << 10),
          .schema = schema,
          .cell_bytes = 64 << 10};
}

hdfs::ErasureCodingPolicyProto WithId(uint32_t id) {
  hdfs::ErasureCodingPolicyProto proto;
  proto.set_id(id);
  return proto;
}

TEST(ErasureConvertTest, ASystemPolicyIsKnownByItsIdWhateverElseIsSaid) {
  for (const erasure::Policy& policy : erasure::SystemPolicies()) {
    hdfs::ErasureCodingPolicyProto proto = WithId(policy.id);
    for (const bool with_more : {false, true}) {
      if (with_more) {
        proto.set_cellsize(1);
        proto.set_name("another");
      }
      ASSERT_OK_AND_ASSIGN(const erasure::Policy found, ToPolicy(proto, "/f"));
      EXPECT_EQ(found.name, policy.name);
      EXPECT_EQ(found.schema, policy.schema);
      EXPECT_EQ(found.cell_bytes, policy.cell_bytes);
      EXPECT_EQ(PolicyName(proto), policy.name);
    }
  }
}

TEST(ErasureConvertTest, ASystemPolicyIsCompletedAndAnyOtherLeftAsItIs) {
  hdfs::ErasureCodingPolicyProto sent = WithId(2);
  sent.set_cellsize(1);
  sent.set_state(hdfs::EC_POLICY_REMOVED);
  const hdfs::ErasureCodingPolicyProto completed = Completed(sent);
  EXPECT_EQ(completed.name(), "RS-3-2-1024k");
  EXPECT_EQ(completed.cellsize(), 1u << 20);
  EXPECT_EQ(completed.schema().codecname(), "rs");
  EXPECT_EQ(completed.schema().dataunits(), 3u);
  EXPECT_EQ(completed.schema().parityunits(), 2u);
  EXPECT_EQ(completed.state(), hdfs::EC_POLICY_REMOVED);
  for (const hdfs::ErasureCodingPolicyProto& other : {WithId(258), ToProto(Custom())}) {
    EXPECT_EQ(Completed(other).SerializeAsString(), other.SerializeAsString());
  }
}

TEST(ErasureConvertTest, AnotherPolicyIsWhatTheServerSays) {
  ASSERT_OK_AND_ASSIGN(const erasure::Policy found, ToPolicy(ToProto(Custom()), "/f"));
  EXPECT_EQ(found.id, 65);
  EXPECT_EQ(found.name, "RS-4-2-64k");
  EXPECT_EQ(found.schema, Custom().schema);
  EXPECT_EQ(found.cell_bytes, 64u << 10);
  hdfs::ErasureCodingPolicyProto nameless = ToProto(Custom());
  nameless.clear_name();
  ASSERT_OK_AND_ASSIGN(const erasure::Policy named, ToPolicy(nameless, "/f"));
  EXPECT_EQ(named.name, "RS-4-2-64k");
}

TEST(ErasureConvertTest, AnIdThatIsNotKnownNeedsASchema) {
  for (const uint32_t id : {0u, 6u, 77u, 257u, 0xffffffffu}) {
    EXPECT_THAT(ToPolicy(WithId(id), "/f"),
                StatusIs(absl::StatusCode::kUnimplemented,
                         AllOf(HasSubstr("/f"), HasSubstr(std::to_string(id)))));
  }
  EXPECT_EQ(PolicyName(WithId(257)), "policy 257");
}

TEST(ErasureConvertTest, TheStatusOfAFileHasThePolicysName) {
  hdfs::HdfsFileStatusProto status;
  ASSERT_OK_AND_ASSIGN(FileStatus file, ToFileStatus(status, "/f"));
  EXPECT_EQ(file.ec_policy, "");
  status.mutable_ecpolicy()->set_id(2);
  ASSERT_OK_AND_ASSIGN(file, ToFileStatus(status, "/f"));
  EXPECT_EQ(file.ec_policy, "RS-3-2-1024k");
  *status.mutable_ecpolicy() = ToProto(Custom());
  ASSERT_OK_AND_ASSIGN(file, ToListedStatus(status, "/f"));
  EXPECT_EQ(file.ec_policy, "RS-4-2-64k");
}

TEST(ErasureConvertTest, NumbersThatMakeNoSenseAreRefused) {
  const auto refuses = [](absl::StatusCode code, const auto& change) {
    hdfs::ErasureCodingPolicyProto proto = ToProto(Custom());
    change(proto);
    EXPECT_THAT(ToPolicy(proto, "/f"), StatusIs(code, HasSubstr("/f"))) << proto.DebugString();
  };
  using Proto = hdfs::ErasureCodingPolicyProto;
  constexpr auto kInternal = absl::StatusCode::kInternal;
  refuses(kInternal, [](Proto& p) { p.set_id(256); });
  refuses(kInternal, [](Proto& p) { p.mutable_schema()->set_dataunits(0); });
  refuses(kInternal, [](Proto& p) { p.mutable_schema()->set_parityunits(0); });
  refuses(kInternal, [](Proto& p) { p.mutable_schema()->set_dataunits(0xffffffff); });
  refuses(kInternal, [](Proto& p) { p.mutable_schema()->set_dataunits(15); });
  refuses(kInternal, [](Proto& p) { p.mutable_schema()->set_codecname("xor"); });
  refuses(kInternal, [](Proto& p) { p.clear_cellsize(); });
  refuses(kInternal, [](Proto& p) { p.set_cellsize(1000); });
  refuses(kInternal, [](Proto& p) { p.set_cellsize(0x80000000); });
  refuses(absl::StatusCode::kUnimplemented,
          [](Proto& p) { p.mutable_schema()->set_codecname("lrc"); });
}

}  // namespace
}  // namespace cairn::client
