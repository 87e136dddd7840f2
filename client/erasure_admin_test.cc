// What travels between `cairn ec` and a namenode: an Apache HDFS leaves out what every client
// knows.
#include "client/erasure_admin.h"

#include <functional>
#include <memory>
#include <string>

#include "client/rpc_channel.h"
#include "common/testing/status_matchers.h"
#include "proto/hdfs/client_namenode.pb.h"

namespace cairn::client {
namespace {

using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Optional;
using ::testing::SizeIs;

// A namenode that keeps the last request and answers every one alike.
class Namenode final : public RpcChannel {
 public:
  struct LastCall {
    std::string method, request;
  };
  Namenode(const google::protobuf::MessageLite& answer, LastCall& last)
      : answer_(answer.SerializePartialAsString()), last_(last) {}
  absl::Status Call(absl::string_view method, const google::protobuf::MessageLite& request,
                    google::protobuf::MessageLite& response) override {
    last_ = {std::string(method), request.SerializeAsString()};
    return response.ParsePartialFromString(answer_) ? absl::OkStatus()
                                                    : absl::InternalError("no such answer");
  }

 private:
  const std::string answer_;
  LastCall& last_;
};

class ErasureAdminTest : public ::testing::Test {
 protected:
  ErasureAdmin Over(const google::protobuf::MessageLite& answer) {
    return ErasureAdmin(std::make_unique<Namenode>(answer, last_));
  }
  template <typename Request>
  Request Asked() const {
    Request request;
    EXPECT_TRUE(request.ParseFromString(last_.request));
    return request;
  }

  Namenode::LastCall last_;
};

hdfs::ErasureCodingPolicyProto OwnPolicy() {
  hdfs::ErasureCodingPolicyProto p;
  p.set_id(64);
  p.set_name("RS-4-2-64k");
  p.set_cellsize(65536);
  p.set_state(hdfs::EC_POLICY_REMOVED);
  p.mutable_schema()->set_codecname("rs");
  p.mutable_schema()->set_dataunits(4);
  p.mutable_schema()->set_parityunits(2);
  hdfs::ECSchemaOptionEntryProto& option = *p.mutable_schema()->add_options();
  option.set_key("speed");
  option.set_value("high");
  return p;
}

TEST_F(ErasureAdminTest, ASystemPolicyIsKnownByItsIdAlone) {
  hdfs::GetErasureCodingPoliciesResponseProto answer;
  hdfs::ErasureCodingPolicyProto& p = *answer.add_ecpolicies();
  p.set_id(4);
  p.set_state(hdfs::EC_POLICY_DISABLED);
  ASSERT_OK_AND_ASSIGN(const auto policies, Over(answer).ListPolicies());
  EXPECT_THAT(policies, ElementsAre(ErasurePolicy{.id = 4,
                                                  .name = "XOR-2-1-1024k",
                                                  .codec = "xor",
                                                  .data_units = 2,
                                                  .parity_units = 1,
                                                  .cell_bytes = 1 << 20,
                                                  .state = ErasurePolicyState::kDisabled}));
  EXPECT_EQ(last_.method, "getErasureCodingPolicies");
}

TEST_F(ErasureAdminTest, AnotherPolicyIsTakenAsItIsTold) {
  hdfs::GetErasureCodingPolicyResponseProto answer;
  *answer.mutable_ecpolicy() = OwnPolicy();
  const ErasurePolicy own = {.id = 64,
                             .name = "RS-4-2-64k",
                             .codec = "rs",
                             .data_units = 4,
                             .parity_units = 2,
                             .options = {{"speed", "high"}},
                             .cell_bytes = 65536,
                             .state = ErasurePolicyState::kRemoved};
  EXPECT_THAT(Over(answer).GetPolicy("/d"), IsOkAndHolds(Optional(own)));
  EXPECT_EQ(Asked<hdfs::GetErasureCodingPolicyRequestProto>().src(), "/d");
}

TEST_F(ErasureAdminTest, APolicyThatLacksSomethingIsAnError) {
  const std::function<void(hdfs::ErasureCodingPolicyProto&)> kLacks[] = {
      [](auto& p) { p.clear_name(); },
      [](auto& p) { p.clear_schema(); },
      [](auto& p) { p.mutable_schema()->set_codecname(""); },
      [](auto& p) { p.mutable_schema()->set_dataunits(0); },
      [](auto& p) { p.mutable_schema()->set_parityunits(0); },
      [](auto& p) { p.clear_cellsize(); },
      [](auto& p) { p.set_id(256); },
  };
  for (const auto& take_away : kLacks) {
    hdfs::GetErasureCodingPoliciesResponseProto answer;
    *answer.add_ecpolicies() = OwnPolicy();
    take_away(*answer.mutable_ecpolicies(0));
    EXPECT_THAT(Over(answer).ListPolicies(),
                StatusIs(absl::StatusCode::kInternal, HasSubstr("incomplete")));
  }
}

TEST_F(ErasureAdminTest, NoPolicyMeansReplicated) {
  EXPECT_THAT(Over(hdfs::GetErasureCodingPolicyResponseProto()).GetPolicy("/d"),
              IsOkAndHolds(Eq(std::nullopt)));
}

TEST_F(ErasureAdminTest, OnlyANamedPolicyIsNamed) {
  ErasureAdmin admin = Over(hdfs::SetErasureCodingPolicyResponseProto());
  EXPECT_OK(admin.SetPolicy("/d", std::nullopt));
  EXPECT_FALSE(Asked<hdfs::SetErasureCodingPolicyRequestProto>().has_ecpolicyname());
  EXPECT_OK(admin.SetPolicy("/d", "XOR-2-1-1024k"));
  EXPECT_EQ(Asked<hdfs::SetErasureCodingPolicyRequestProto>().ecpolicyname(), "XOR-2-1-1024k");
}

TEST_F(ErasureAdminTest, EachPolicyThatIsAddedHasItsOutcome) {
  hdfs::AddErasureCodingPoliciesResponseProto answer;
  hdfs::AddErasureCodingPolicyResponseProto& there = *answer.add_responses();
  there.mutable_policy()->set_id(1);  // the system has it: its id says all
  there.set_succeed(true);
  hdfs::AddErasureCodingPolicyResponseProto& refused = *answer.add_responses();
  *refused.mutable_policy() = OwnPolicy();
  refused.mutable_policy()->set_id(UINT32_MAX);  // -1 of a Java namenode
  refused.set_succeed(false);
  refused.set_errormsg("too wide");
  ErasureAdmin admin = Over(answer);
  const ErasurePolicy policy = {.name = "RS-4-2-64k",
                                .codec = "rs",
                                .data_units = 4,
                                .parity_units = 2,
                                .options = {{"speed", "high"}},
                                .cell_bytes = 65536};

  ASSERT_OK_AND_ASSIGN(const auto added, admin.AddPolicies({policy, policy}));
  ASSERT_THAT(added, SizeIs(2));
  EXPECT_EQ(added[0].name, "RS-6-3-1024k");
  EXPECT_EQ(added[0].refused, std::nullopt);
  EXPECT_EQ(added[1].name, "RS-4-2-64k");
  EXPECT_THAT(added[1].refused, Optional(Eq("too wide")));
  hdfs::ErasureCodingPolicyProto sent =
      Asked<hdfs::AddErasureCodingPoliciesRequestProto>().ecpolicies(0);
  EXPECT_EQ(sent.id(), UINT32_MAX);
  sent.set_id(64);
  sent.set_state(hdfs::EC_POLICY_REMOVED);
  EXPECT_EQ(sent.SerializeAsString(), OwnPolicy().SerializeAsString());

  EXPECT_THAT(admin.AddPolicies({policy}),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("2 outcomes for 1 policies")));
}

TEST_F(ErasureAdminTest, CodersAreTakenApartAtTheCommas) {
  hdfs::GetErasureCodingCodecsResponseProto answer;
  hdfs::CodecProto& rs = *answer.add_codec();
  rs.set_codec("rs");
  rs.set_coders("rs_native, rs_java");
  hdfs::CodecProto& none = *answer.add_codec();
  none.set_codec("none");
  none.set_coders("");
  ASSERT_OK_AND_ASSIGN(const auto codecs, Over(answer).ListCodecs());
  ASSERT_THAT(codecs, SizeIs(2));
  EXPECT_EQ(codecs[0].name, "rs");
  EXPECT_THAT(codecs[0].coders, ElementsAre("rs_native", "rs_java"));
  EXPECT_THAT(codecs[1].coders, IsEmpty());
}

TEST_F(ErasureAdminTest, TheTopologyIsJudgedForThePoliciesNamed) {
  hdfs::GetECTopologyResultForPoliciesResponseProto answer;
  answer.mutable_response()->set_issupported(false);
  answer.mutable_response()->set_resultmessage("9 DataNodes are required");
  ASSERT_OK_AND_ASSIGN(const ErasureTopology topology, Over(answer).CheckTopology({"a", "b"}));
  EXPECT_FALSE(topology.supported);
  EXPECT_EQ(topology.message, "9 DataNodes are required");
  EXPECT_THAT(Asked<hdfs::GetECTopologyResultForPoliciesRequestProto>().policies(),
              ElementsAre("a", "b"));
}

TEST_F(ErasureAdminTest, EachChangeHasItsMethodAndNamesItsPolicyOrPath) {
  ErasureAdmin admin = Over(hdfs::EnableErasureCodingPolicyResponseProto());  // all are empty
  EXPECT_OK(admin.EnablePolicy("p"));
  EXPECT_EQ(last_.method, "enableErasureCodingPolicy");
  EXPECT_EQ(Asked<hdfs::EnableErasureCodingPolicyRequestProto>().ecpolicyname(), "p");
  EXPECT_OK(admin.DisablePolicy("p"));
  EXPECT_EQ(last_.method, "disableErasureCodingPolicy");
  EXPECT_EQ(Asked<hdfs::DisableErasureCodingPolicyRequestProto>().ecpolicyname(), "p");
  EXPECT_OK(admin.RemovePolicy("p"));
  EXPECT_EQ(last_.method, "removeErasureCodingPolicy");
  EXPECT_EQ(Asked<hdfs::RemoveErasureCodingPolicyRequestProto>().ecpolicyname(), "p");
  EXPECT_OK(admin.UnsetPolicy("/d"));
  EXPECT_EQ(last_.method, "unsetErasureCodingPolicy");
  EXPECT_EQ(Asked<hdfs::UnsetErasureCodingPolicyRequestProto>().src(), "/d");
}

}  // namespace
}  // namespace cairn::client
