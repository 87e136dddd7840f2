#include "namenode/service/rpc/conversion_rules.h"

#include "common/testing/fake_clock.h"
#include "namenode/service/rpc/admin_protocol_service.h"
#include "namenode/service/rpc/testing/edge_fixture.h"
#include "proto/admin.pb.h"

namespace cairn::namenode {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ConversionRulesRpcTest : public EdgeTest {
 protected:
  FakeAnswer Ask(absl::string_view method, absl::string_view request) {
    FakeReply reply;
    admin_.Handle({.principal = principal_,
                   .remote_ip = "10.1.2.3",
                   .has_client_id = true,
                   .client_id = client_id_,
                   .call_id = 5},
                  method, request, reply);
    EXPECT_TRUE(reply.answer().given) << method;
    return reply.answer();
  }
  template <typename Response>
  Response AskFor(absl::string_view method, const google::protobuf::MessageLite& request) {
    return Parse<Response>(Ask(method, request.SerializeAsString()));
  }

  const erasure::Policy rs63_{.id = 1, .name = "RS-6-3-1024k"};
  OperationCounters counters_;
  FakeClock clock_;
  AdminProtocolService admin_{namenode_, counters_, clock_, {}};
};

TEST_F(ConversionRulesRpcTest, ARuleIsSetAndRemoved) {
  namenode_.ticket = 9;
  admin::SetConversionRuleRequest request;
  request.set_path("/cold");
  request.mutable_rule()->set_erasure_policy("RS-6-3-1024k");
  request.mutable_rule()->set_older_than_ms(30);
  request.mutable_rule()->set_unread_for_ms(20);
  request.mutable_rule()->set_larger_than_bytes(10);
  const FakeAnswer answer = Ask("setConversionRule", request.SerializeAsString());
  EXPECT_EQ(answer.ticket, 9u);
  EXPECT_TRUE(Parse<admin::SetConversionRuleResponse>(answer).changed());
  EXPECT_EQ(namenode_.last_call(),
            "SetConversionRule(/cold, RS-6-3-1024k, older=30 unread=20 larger=10)");
  EXPECT_EQ(namenode_.call_id, 5) << "a resend is answered as the first was";

  request.clear_rule();
  namenode_.result = false;
  EXPECT_FALSE(AskFor<admin::SetConversionRuleResponse>("setConversionRule", request).changed());
  EXPECT_EQ(namenode_.last_call(), "RemoveConversionRule(/cold)");
  // A rule of which nothing is set is one: all files become replicated.
  request.mutable_rule();
  Ask("setConversionRule", request.SerializeAsString());
  EXPECT_EQ(namenode_.last_call(), "SetConversionRule(/cold, , older=0 unread=0 larger=0)");
}

TEST_F(ConversionRulesRpcTest, RulesAreListedWithWhoCarriesThemOut) {
  PlacedConversionRule coded;
  coded.directory = InodeId{16390};
  coded.path = "/caf\xe9";  // no UTF-8
  coded.rule = {.policy = &rs63_, .older_than_ms = 30, .larger_than_bytes = 10};
  coded.policy_state = ErasurePolicyState::kRemoved;
  coded.set_ms = 77;
  PlacedConversionRule replicated;
  replicated.directory = InodeId{16400};
  namenode_.conversion_rules = {.rules = {coded, replicated}, .last = InodeId{16400}, .more = true};
  namenode_.conversion_run.holder = "somebody";
  namenode_.conversion_run.heard_ago = absl::Seconds(3);
  namenode_.conversion_run.next_in = absl::Minutes(5);
  namenode_.conversion_run.doing = "waiting";
  admin::ListConversionRulesRequest request;
  request.set_after(16385);
  const auto response = AskFor<admin::ListConversionRulesResponse>("listConversionRules", request);
  EXPECT_EQ(namenode_.last_call(),
            absl::StrCat("ListConversionRules(16385, ", kConversionRulesPerPage, ")"));
  ASSERT_EQ(response.rules_size(), 2);
  EXPECT_EQ(response.rules(0).inode(), 16390u);
  EXPECT_EQ(response.rules(0).path(), "/caf\xe9");
  EXPECT_EQ(response.rules(0).rule().erasure_policy(), "RS-6-3-1024k");
  EXPECT_EQ(response.rules(0).rule().older_than_ms(), 30u);
  EXPECT_EQ(response.rules(0).rule().larger_than_bytes(), 10u);
  EXPECT_EQ(response.rules(0).policy_state(), 3u);
  EXPECT_EQ(response.rules(0).set_ms(), 77u);
  EXPECT_EQ(response.rules(1).rule().erasure_policy(), "");
  EXPECT_EQ(response.rules(1).policy_state(), 0u);
  EXPECT_EQ(response.next_after(), 16400u);
  EXPECT_TRUE(response.more());
  EXPECT_EQ(response.run().holder(), "somebody");
  EXPECT_EQ(response.run().heard_ms_ago(), 3000u);
  EXPECT_EQ(response.run().next_in_ms(), 300'000u);
  EXPECT_EQ(response.run().doing(), "waiting");
}

TEST_F(ConversionRulesRpcTest, ARunSaysWhoHasItAndWhoseGoesOn) {
  admin::RenewConversionRunRequest request;
  request.set_id(77);
  request.mutable_run()->set_holder("cairn policy, process 5");
  request.mutable_run()->set_next_in_ms(~uint64_t{0});
  request.mutable_run()->set_doing(std::string(511, 'x') + "\xc3\xa9");
  EXPECT_EQ(AskFor<admin::RenewConversionRunResponse>("renewConversionRun", request).busy_with(),
            "");
  EXPECT_EQ(namenode_.last_call(), "RenewConversionRun(77, 0)");
  EXPECT_THAT(namenode_.conversion_run.holder, HasSubstr("cairn policy, process 5 (user "));
  EXPECT_EQ(namenode_.conversion_run.next_in, absl::Hours(366 * 24));
  EXPECT_EQ(namenode_.conversion_run.doing, std::string(511, 'x') + "?") << "cut in a character";
  namenode_.conversion_busy_with = "another";
  request.set_stop(true);
  EXPECT_EQ(AskFor<admin::RenewConversionRunResponse>("renewConversionRun", request).busy_with(),
            "another");
  EXPECT_EQ(namenode_.last_call(), "RenewConversionRun(77, 1)");
}

TEST_F(ConversionRulesRpcTest, WhoIsNoSuperuserLearnsNothing) {
  namenode_.superuser = false;
  for (const char* const method :
       {"setConversionRule", "listConversionRules", "renewConversionRun"}) {
    EXPECT_THAT(Ask(method, "").status, IsFsError(FsError::kAccessControl)) << method;
  }
  EXPECT_THAT(namenode_.calls, IsEmpty());
}

TEST_F(ConversionRulesRpcTest, WhatDoesNotParseIsRefused) {
  for (const char* const method :
       {"setConversionRule", "listConversionRules", "renewConversionRun"}) {
    EXPECT_FALSE(Ask(method, "\x0a\xff").status.ok()) << method;
    EXPECT_FALSE(Ask(method, std::string(20000, 'a')).status.ok()) << method;
  }
  EXPECT_FALSE(Ask("renewConversionRun", "").status.ok()) << "a run has a number";
  EXPECT_THAT(namenode_.calls, IsEmpty());
}

}  // namespace
}  // namespace cairn::namenode
