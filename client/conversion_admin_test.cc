// What travels between `cairn policy` and a namenode.
#include "client/conversion_admin.h"

#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "client/rpc_channel.h"
#include "common/testing/status_matchers.h"
#include "proto/admin.pb.h"

namespace cairn::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// Gives its answers one after the other and keeps what it was asked.
class ScriptedChannel final : public RpcChannel {
 public:
  struct Script {
    std::deque<std::string> answers;
    std::vector<std::string> methods, requests;
  };
  explicit ScriptedChannel(Script& script) : script_(script) {}
  absl::Status Call(absl::string_view method, const google::protobuf::MessageLite& request,
                    google::protobuf::MessageLite& response) override {
    script_.methods.emplace_back(method);
    script_.requests.push_back(request.SerializeAsString());
    if (script_.answers.empty()) return absl::UnavailableError("no more answers");
    const std::string answer = std::move(script_.answers.front());
    script_.answers.pop_front();
    return response.ParseFromString(answer) ? absl::OkStatus() : absl::InternalError("bad answer");
  }

 private:
  Script& script_;
};

class ConversionAdminTest : public ::testing::Test {
 protected:
  void Answer(const google::protobuf::MessageLite& answer) {
    script_.answers.push_back(answer.SerializeAsString());
  }
  template <typename Request>
  Request Asked() const {
    Request request;
    EXPECT_TRUE(request.ParseFromString(script_.requests.back()));
    return request;
  }

  ScriptedChannel::Script script_;
  ConversionAdmin admin_{std::make_unique<ScriptedChannel>(script_)};
};

admin::PlacedConversionRule Placed(uint64_t inode, const std::string& path) {
  admin::PlacedConversionRule placed;
  placed.set_inode(inode);
  placed.set_path(path);
  return placed;
}

TEST_F(ConversionAdminTest, ARuleIsSentInMilliseconds) {
  Answer(admin::SetConversionRuleResponse());
  ASSERT_OK(admin_.Set("/cold", {.policy = "RS-6-3-1024k",
                                 .older_than = absl::Hours(24),
                                 .unread_for = absl::Seconds(2),
                                 .larger_than_bytes = 9}));
  const auto request = Asked<admin::SetConversionRuleRequest>();
  EXPECT_EQ(request.path(), "/cold");
  EXPECT_EQ(request.rule().erasure_policy(), "RS-6-3-1024k");
  EXPECT_EQ(request.rule().older_than_ms(), 86'400'000u);
  EXPECT_EQ(request.rule().unread_for_ms(), 2000u);
  EXPECT_EQ(request.rule().larger_than_bytes(), 9u);
}

// What has no rule is a removal; a rule of which nothing is set must not look like one.
TEST_F(ConversionAdminTest, ARemovalHasNoRule) {
  Answer(admin::SetConversionRuleResponse());
  EXPECT_THAT(admin_.Remove("/cold"), IsOkAndHolds(false));
  EXPECT_FALSE(Asked<admin::SetConversionRuleRequest>().has_rule());
  Answer(admin::SetConversionRuleResponse());
  ASSERT_OK(admin_.Set("/cold", {}));
  EXPECT_TRUE(Asked<admin::SetConversionRuleRequest>().has_rule());
}

TEST_F(ConversionAdminTest, AllPagesAreRead) {
  admin::ListConversionRulesResponse first;
  *first.add_rules() = Placed(20, "/a");
  first.mutable_rules(0)->mutable_rule()->set_erasure_policy("RS-6-3-1024k");
  first.mutable_rules(0)->mutable_rule()->set_older_than_ms(1500);
  first.mutable_rules(0)->set_policy_state(1);
  first.mutable_rules(0)->set_set_ms(1'600'000'000'000);
  first.set_next_after(20);
  first.set_more(true);
  Answer(first);
  admin::ListConversionRulesResponse second;
  *second.add_rules() = Placed(30, "/b");
  second.mutable_run()->set_holder("x");
  second.mutable_run()->set_next_in_ms(60'000);
  second.mutable_run()->set_bytes_converted(5);
  Answer(second);
  ASSERT_OK_AND_ASSIGN(const ConversionRules all, admin_.List());
  EXPECT_EQ(Asked<admin::ListConversionRulesRequest>().after(), 20u);
  ASSERT_THAT(all.rules, SizeIs(2));
  EXPECT_EQ(all.rules[0].inode, 20u);
  EXPECT_EQ(all.rules[0].rule.older_than, absl::Seconds(1.5));
  EXPECT_EQ(all.rules[0].policy_state, ErasurePolicyState::kDisabled);
  EXPECT_EQ(all.rules[0].set, absl::FromUnixSeconds(1'600'000'000));
  EXPECT_EQ(all.rules[1].path, "/b");
  EXPECT_EQ(all.rules[1].policy_state, ErasurePolicyState::kEnabled);
  EXPECT_EQ(all.run.holder, "x");
  EXPECT_EQ(all.run.next_in, absl::Minutes(1));
  EXPECT_EQ(all.run.bytes_converted, 5u);
}

TEST_F(ConversionAdminTest, AServerThatLeadsInCirclesIsLeft) {
  admin::ListConversionRulesResponse page;
  page.set_more(true);
  Answer(page);
  EXPECT_THAT(admin_.List(), StatusIs(absl::StatusCode::kInternal, HasSubstr("leads nowhere")));
  *page.add_rules() = Placed(20, "no path");
  Answer(page);
  EXPECT_THAT(admin_.List(), StatusIs(absl::StatusCode::kInternal, HasSubstr("without a path")));
}

TEST_F(ConversionAdminTest, ARunTellsHowFarItIs) {
  admin::RenewConversionRunResponse busy;
  busy.set_busy_with("another");
  Answer(busy);
  ConversionRun run;
  run.holder = "me";
  run.next_in = absl::Seconds(3);
  run.files_failed = 2;
  run.doing = "below /caf\xe9/" + std::string(20'000, 'x');
  EXPECT_THAT(admin_.RenewRun(7, run, true), IsOkAndHolds("another"));
  const auto request = Asked<admin::RenewConversionRunRequest>();
  EXPECT_EQ(request.id(), 7u);
  EXPECT_TRUE(request.stop());
  EXPECT_EQ(request.run().holder(), "me");
  EXPECT_EQ(request.run().next_in_ms(), 3000u);
  EXPECT_EQ(request.run().files_failed(), 2u);
  EXPECT_EQ(request.run().doing(), "below /caf?/" + std::string(500, 'x'));
  EXPECT_THAT(script_.methods, ElementsAre("renewConversionRun"));
}

}  // namespace
}  // namespace cairn::client
