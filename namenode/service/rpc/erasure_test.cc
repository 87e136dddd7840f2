#include "erasure/policy.h"

#include <string>

#include "namenode/service/rpc/testing/edge_fixture.h"

namespace cairn::namenode {
namespace {

using ::testing::ElementsAre;

class ErasureTest : public EdgeTest {
 protected:
  ErasureTest() {
    for (const erasure::Policy& policy : erasure::SystemPolicies()) {
      namenode_.erasure_policies.push_back(
          {&policy, policy.id == 4 ? ErasurePolicyState::kEnabled : ErasurePolicyState::kDisabled});
    }
  }

  // `count` datanodes, each in the rack of its number modulo `racks`.
  void AddDatanodesInRacks(int count, int racks) {
    ClusterState& cluster = namenode_.cluster();
    absl::flat_hash_map<std::string, std::string> table;
    for (int n = 0; n < count; ++n) {
      table[absl::StrCat("10.0.0.", n)] = absl::StrCat("/rack-", n % racks);
    }
    cluster.SetRacks(std::make_shared<const RackTable>(std::move(table)));
    for (int n = 0; n < count; ++n) {
      NodeRegistration node;
      node.uuid = absl::StrCat("dn-", n);
      node.address = {.ip = absl::StrCat("10.0.0.", n), .host_name = absl::StrCat("host", n)};
      ASSERT_OK(cluster.Register(node));
    }
  }

  hdfs::ECTopologyVerifierResultProto Verify(const std::vector<std::string>& names) {
    hdfs::GetECTopologyResultForPoliciesRequestProto request;
    for (const std::string& name : names) request.add_policies(name);
    return Ask<hdfs::GetECTopologyResultForPoliciesResponseProto>("getECTopologyResultForPolicies",
                                                                  request)
        .response();
  }

  // As Java sends one that somebody has thought up.
  static void SetPolicy(absl::string_view codec, uint32_t data, uint32_t parity,
                        hdfs::ErasureCodingPolicyProto& out) {
    out.set_name("whatever");
    out.mutable_schema()->set_codecname(std::string(codec));
    out.mutable_schema()->set_dataunits(data);
    out.mutable_schema()->set_parityunits(parity);
    out.set_cellsize(64 << 10);
    out.set_id(~0u);
  }
};

TEST_F(ErasureTest, PoliciesAreToldWithTheirStates) {
  namenode_.ticket = 5;
  const FakeAnswer answer = CallBytes("getErasureCodingPolicies", "");
  EXPECT_EQ(answer.ticket, 5u);
  const auto parsed = Parse<hdfs::GetErasureCodingPoliciesResponseProto>(answer);
  ASSERT_EQ(parsed.ecpolicies_size(), 5);
  const hdfs::ErasureCodingPolicyProto& xor_policy = parsed.ecpolicies(3);
  EXPECT_EQ(xor_policy.id(), 4u);
  EXPECT_EQ(xor_policy.name(), "XOR-2-1-1024k");
  EXPECT_EQ(xor_policy.schema().codecname(), "xor");
  EXPECT_EQ(xor_policy.schema().dataunits(), 2u);
  EXPECT_EQ(xor_policy.schema().parityunits(), 1u);
  EXPECT_EQ(xor_policy.cellsize(), 1u << 20);
  EXPECT_EQ(xor_policy.state(), hdfs::EC_POLICY_ENABLED);
  EXPECT_EQ(parsed.ecpolicies(0).state(), hdfs::EC_POLICY_DISABLED);
}

TEST_F(ErasureTest, CodecsAreToldAsHadoopTellsThem) {
  const auto answer =
      Parse<hdfs::GetErasureCodingCodecsResponseProto>(CallBytes("getErasureCodingCodecs", ""));
  std::string text;
  for (const auto& codec : answer.codec()) {
    absl::StrAppend(&text, codec.codec(), " [", codec.coders(), "] ");
  }
  EXPECT_EQ(text, "rs [rs_native, rs_java] rs-legacy [rs-legacy_java] xor [xor_native, xor_java] ");
}

TEST_F(ErasureTest, APathHasAPolicyOrAnEmptyAnswer) {
  hdfs::GetErasureCodingPolicyRequestProto request;
  request.set_src("/f");
  const FakeAnswer none = Call("getErasureCodingPolicy", request);
  EXPECT_OK(none.status);
  EXPECT_EQ(none.bytes, "");
  namenode_.erasure_policy = erasure::FindSystemPolicy("RS-3-2-1024k");
  const auto some =
      Ask<hdfs::GetErasureCodingPolicyResponseProto>("getErasureCodingPolicy", request);
  EXPECT_EQ(namenode_.last_call(), "GetErasurePolicy(/f)");
  EXPECT_EQ(some.ecpolicy().name(), "RS-3-2-1024k");
  EXPECT_EQ(some.ecpolicy().id(), 2u);
}

TEST_F(ErasureTest, APolicyIsSetByNameOrAsTheDefaultAndUnset) {
  hdfs::SetErasureCodingPolicyRequestProto set;
  set.set_src("/d");
  const FakeAnswer answer = Call("setErasureCodingPolicy", set);
  EXPECT_OK(answer.status);
  EXPECT_EQ(answer.bytes, "");
  set.set_ecpolicyname("RS-3-2-1024k");
  EXPECT_OK(Call("setErasureCodingPolicy", set).status);
  EXPECT_EQ(namenode_.client_id, "0123456789abcdef");
  hdfs::UnsetErasureCodingPolicyRequestProto unset;
  unset.set_src("/d");
  EXPECT_OK(Call("unsetErasureCodingPolicy", unset).status);
  EXPECT_EQ(namenode_.client_id, "0123456789abcdef");
  EXPECT_THAT(namenode_.calls,
              ElementsAre("SetErasurePolicy(/d, )", "SetErasurePolicy(/d, RS-3-2-1024k)",
                          "UnsetErasurePolicy(/d)"));
}

// A name that a script forgot to fill in is not the wish for the default, as in HDFS.
TEST_F(ErasureTest, AnEmptyNameIsNotNoName) {
  hdfs::SetErasureCodingPolicyRequestProto set;
  set.set_src("/d");
  set.set_ecpolicyname("");
  EXPECT_THAT(Call("setErasureCodingPolicy", set).status, IsFsError(FsError::kIllegalArgument));
  EXPECT_TRUE(namenode_.calls.empty());
}

// Once more changes nothing, and is no error.
TEST_F(ErasureTest, AStateIsChangedByName) {
  namenode_.result = false;
  hdfs::EnableErasureCodingPolicyRequestProto enable;
  enable.set_ecpolicyname("P");
  EXPECT_OK(Call("enableErasureCodingPolicy", enable).status);
  hdfs::DisableErasureCodingPolicyRequestProto disable;
  disable.set_ecpolicyname("P");
  EXPECT_OK(Call("disableErasureCodingPolicy", disable).status);
  hdfs::RemoveErasureCodingPolicyRequestProto remove;
  remove.set_ecpolicyname("P");
  const FakeAnswer removed = Call("removeErasureCodingPolicy", remove);
  EXPECT_OK(removed.status);
  EXPECT_EQ(removed.bytes, "");
  EXPECT_THAT(namenode_.calls, ElementsAre("ChangeErasurePolicy(P, 2)", "ChangeErasurePolicy(P, 1)",
                                           "ChangeErasurePolicy(P, 3)"));
  namenode_.error = MakeFsError(FsError::kIllegalArgument, "The policy name P does not exist");
  EXPECT_EQ(Call("removeErasureCodingPolicy", remove).status, namenode_.error);
}

TEST_F(ErasureTest, EachPolicyToBeAddedHasItsOwnAnswer) {
  hdfs::AddErasureCodingPoliciesRequestProto request;
  SetPolicy("rs", 4, 2, *request.add_ecpolicies());
  SetPolicy("raptor", 4, 2, *request.add_ecpolicies());
  request.add_ecpolicies()->set_id(4);  // all that Java says of one that it has built in
  request.add_ecpolicies()->set_id(70);
  SetPolicy("xor", 2, 9, *request.add_ecpolicies());
  const erasure::Policy made = {.id = 64,
                                .name = "RS-4-2-64k",
                                .schema = {.data_units = 4, .parity_units = 2},
                                .cell_bytes = 64 << 10};
  namenode_.added_policies = {ErasurePolicyInfo{&made, ErasurePolicyState::kDisabled},
                              namenode_.erasure_policies[3]};
  const auto answer =
      Ask<hdfs::AddErasureCodingPoliciesResponseProto>("addErasureCodingPolicies", request);
  EXPECT_EQ(namenode_.last_call(),
            "AddErasurePolicies([0:RS-4-2-64k 4:XOR-2-1-1024k 0:XOR-2-9-64k])");
  EXPECT_EQ(namenode_.client_id, "0123456789abcdef");
  ASSERT_EQ(answer.responses_size(), 5);
  EXPECT_TRUE(answer.responses(0).succeed());
  EXPECT_FALSE(answer.responses(0).has_errormsg());
  EXPECT_EQ(answer.responses(0).policy().id(), 64u);
  EXPECT_EQ(answer.responses(0).policy().name(), "RS-4-2-64k");
  EXPECT_EQ(answer.responses(0).policy().state(), hdfs::EC_POLICY_DISABLED);
  EXPECT_FALSE(answer.responses(1).succeed());
  EXPECT_EQ(answer.responses(1).errormsg(), "Codec name raptor is not supported");
  EXPECT_EQ(answer.responses(1).policy().SerializeAsString(),
            request.ecpolicies(1).SerializeAsString());
  EXPECT_TRUE(answer.responses(2).succeed());
  EXPECT_EQ(answer.responses(2).policy().id(), 4u);
  EXPECT_FALSE(answer.responses(3).succeed());
  EXPECT_EQ(answer.responses(3).errormsg(),
            "an erasure coding policy needs a schema and a cell size");
  EXPECT_FALSE(answer.responses(4).succeed());
  EXPECT_EQ(answer.responses(4).errormsg(), "no more policies") << "the namenode's own words";
}

TEST_F(ErasureTest, WhoMayAddPoliciesIsTheNamenodesToSayEvenIfNoneIsUsable) {
  namenode_.error = MakeFsError(FsError::kAccessControl, "no");
  hdfs::AddErasureCodingPoliciesRequestProto request;
  SetPolicy("raptor", 4, 2, *request.add_ecpolicies());
  EXPECT_EQ(Call("addErasureCodingPolicies", request).status, namenode_.error);
}

TEST_F(ErasureTest, PoliciesInOneRequestAreLimited) {
  hdfs::AddErasureCodingPoliciesRequestProto add;
  hdfs::GetECTopologyResultForPoliciesRequestProto verify;
  for (int i = 0; i < 128; ++i) {
    SetPolicy("rs", 3, 2, *add.add_ecpolicies());
    verify.add_policies("RS-3-2-1024k");
  }
  EXPECT_OK(Call("addErasureCodingPolicies", add).status);
  EXPECT_OK(Call("getECTopologyResultForPolicies", verify).status);
  namenode_.calls.clear();
  SetPolicy("rs", 3, 2, *add.add_ecpolicies());
  verify.add_policies("RS-3-2-1024k");
  EXPECT_THAT(Call("addErasureCodingPolicies", add).status, IsFsError(FsError::kIllegalArgument));
  EXPECT_THAT(Call("getECTopologyResultForPolicies", verify).status,
              IsFsError(FsError::kIllegalArgument));
  EXPECT_TRUE(namenode_.calls.empty());
}

TEST_F(ErasureTest, AClusterNeedsADatanodeForEveryUnit) {
  AddDatanodesInRacks(8, 4);
  const auto few = Verify({"RS-6-3-1024k", "XOR-2-1-1024k"});
  EXPECT_FALSE(few.issupported());
  EXPECT_EQ(few.resultmessage(),
            "9 DataNodes are required for the erasure coding policies: RS-6-3-1024k, "
            "XOR-2-1-1024k. The number of DataNodes is only 8.");
  const auto enough = Verify({"RS-3-2-1024k", "XOR-2-1-1024k"});
  EXPECT_TRUE(enough.issupported());
  EXPECT_EQ(enough.resultmessage(),
            "The cluster setup can support EC policies: RS-3-2-1024k, XOR-2-1-1024k");
  namenode_.PassTime(absl::Minutes(20));
  EXPECT_FALSE(Verify({"XOR-2-1-1024k"}).issupported()) << "the dead get no units";
}

TEST_F(ErasureTest, AClusterNeedsRacksSoThatTheLossOfOneIsNoLoss) {
  AddDatanodesInRacks(14, 3);
  EXPECT_TRUE(Verify({"RS-6-3-1024k"}).issupported());
  EXPECT_TRUE(Verify({"RS-3-2-1024k"}).issupported()) << "5 units in 3 racks: 2 in a rack";
  const auto few = Verify({"RS-10-4-1024k"});
  EXPECT_FALSE(few.issupported());
  EXPECT_EQ(few.resultmessage(),
            "4 racks are required for the erasure coding policies: RS-10-4-1024k. The number of "
            "racks is only 3.");
}

TEST_F(ErasureTest, WhereNoPolicyIsNamedTheEnabledOnesAreVerified) {
  EXPECT_EQ(Verify({}).resultmessage(),
            "3 DataNodes are required for the erasure coding policies: XOR-2-1-1024k. The number "
            "of DataNodes is only 0.");
  namenode_.erasure_policies[3].state = ErasurePolicyState::kDisabled;
  const auto none = Verify({});
  EXPECT_TRUE(none.issupported());
  EXPECT_EQ(none.resultmessage(), "No erasure coding policy is given.");
}

TEST_F(ErasureTest, OnlySuperusersVerifyAndOnlyPoliciesThatExist) {
  hdfs::GetECTopologyResultForPoliciesRequestProto request;
  request.add_policies("RS-7-7-7k");
  const FakeAnswer unknown = Call("getECTopologyResultForPolicies", request);
  EXPECT_THAT(unknown.status, IsFsError(FsError::kIllegalArgument));
  EXPECT_EQ(unknown.status.message(), "The given erasure coding policy RS-7-7-7k does not exist.");
  namenode_.superuser = false;
  namenode_.calls.clear();
  EXPECT_THAT(Call("getECTopologyResultForPolicies", request).status,
              IsFsError(FsError::kAccessControl));
  EXPECT_TRUE(namenode_.calls.empty());
}

}  // namespace
}  // namespace cairn::namenode
