// What `cairn policy` says, and with which exit code it ends, before it needs a cluster.
#include "tools/policy/policy.h"

#include <sstream>
#include <string>
#include <utility>

#include "common/testing/status_matchers.h"
#include "tools/policy/policy_commands.h"
#include "tools/policy/print.h"
#include "tools/policy/rule_options.h"

namespace cairn::tools {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Optional;
using ::testing::StartsWith;

struct PolicySaid {
  int exit_code;
  std::string out, err;
};

PolicySaid Policy(std::vector<std::string> args) {
  args.insert(args.begin(), {"-fs", "hdfs://nn:8020"});
  std::ostringstream out;
  std::ostringstream err;
  CommandContext ctx{.args = std::move(args), .out = out, .err = err};
  const int code = RunPolicy(ctx);
  return {code, out.str(), err.str()};
}

// ---- Which command ----

TEST(PolicyTest, WithoutACommandAllAreListed) {
  const PolicySaid said = Policy({});
  EXPECT_EQ(said.exit_code, 1);
  EXPECT_THAT(said.err, StartsWith("Usage: cairn policy [COMMAND]\n          [-set "));
  for (const EcCommand& command : PolicyCommands()) {
    EXPECT_THAT(said.err, HasSubstr(absl::StrCat("          [-", command.name)));
  }
  EXPECT_THAT(Policy({"-nosuch"}).err, StartsWith("Can't understand command '-nosuch'\nUsage:"));
  EXPECT_THAT(Policy({"list"}).err, HasSubstr("Command names must start with dashes."));
}

TEST(PolicyTest, HelpIsAsThatOfEc) {
  EXPECT_EQ(Policy({"-help", "set"}).exit_code, 0);
  EXPECT_THAT(Policy({"-help", "-set"}).err, StartsWith("[-set <path> (-erasure"));
  EXPECT_EQ(Policy({"-help"}).exit_code, 1);
  EXPECT_THAT(Policy({"-help", "nosuch"}).err, HasSubstr("set, list, show, remove, run\n"));
}

// ---- Arguments ----

class PolicyArgumentsTest : public ::testing::Test {
 protected:
  EcCall Call(const char* command, std::vector<std::string> args) {
    return EcCall(*FindPolicyCommand(command), std::move(args), options_, out_, err_);
  }
  void ExpectSetRefused(std::vector<std::string> args, int exit_code, const std::string& why) {
    EcCall call = Call("set", std::move(args));
    const absl::Status status = TakeSetRuleArguments(call).status();
    EXPECT_THAT(ExitCodeOf(status), Optional(exit_code)) << why;
    EXPECT_THAT(status.message(), HasSubstr(why));
  }
  void ExpectRunRefused(std::vector<std::string> args, int exit_code, const std::string& why) {
    EcCall call = Call("run", std::move(args));
    const absl::Status status = TakeRunArguments(call).status();
    EXPECT_THAT(ExitCodeOf(status), Optional(exit_code)) << why;
    EXPECT_THAT(status.message(), HasSubstr(why));
  }

  client::ClientOptions options_;
  std::ostringstream out_, err_;
};

TEST_F(PolicyArgumentsTest, ARuleIsTakenWhereverItsOptionsStand) {
  EcCall call = Call("set", {"-largerThan", "128m", "/cold", "-erasure", "RS-6-3-1024k",
                             "-olderThan", "30d", "-unreadFor", "12h"});
  ASSERT_OK_AND_ASSIGN(const SetRuleArguments taken, TakeSetRuleArguments(call));
  EXPECT_EQ(taken.path, "/cold");
  EXPECT_EQ(taken.rule, (client::ConversionRule{.policy = "RS-6-3-1024k",
                                                .older_than = absl::Hours(720),
                                                .unread_for = absl::Hours(12),
                                                .larger_than_bytes = uint64_t{128} << 20}));
}

TEST_F(PolicyArgumentsTest, WhatIsNotSaidIsModest) {
  EcCall set = Call("set", {"/warm", "-replicated"});
  ASSERT_OK_AND_ASSIGN(const SetRuleArguments taken, TakeSetRuleArguments(set));
  EXPECT_EQ(taken.rule, client::ConversionRule{.older_than = absl::Hours(24)});
  EcCall run = Call("run", {});
  ASSERT_OK_AND_ASSIGN(const RunArguments arguments, TakeRunArguments(run));
  EXPECT_FALSE(arguments.once);
  EXPECT_EQ(arguments.interval, absl::Hours(1));
  EXPECT_EQ(arguments.settings.threads, 4);
  EXPECT_EQ(arguments.settings.bytes_per_second, 0u);
  EXPECT_EQ(arguments.settings.page_pause, absl::Milliseconds(50));
}

TEST_F(PolicyArgumentsTest, ARunsOptions) {
  EcCall run = Call("run", {"-once", "--json", "-parallel", "2", "-bandwidth", "10m", "-interval",
                            "6h", "-pause", "1s"});
  ASSERT_OK_AND_ASSIGN(const RunArguments arguments, TakeRunArguments(run));
  EXPECT_TRUE(arguments.once);
  EXPECT_TRUE(arguments.as_json);
  EXPECT_EQ(arguments.settings.threads, 2);
  EXPECT_EQ(arguments.settings.bytes_per_second, uint64_t{10} << 20);
  EXPECT_EQ(arguments.interval, absl::Hours(6));
  EXPECT_EQ(arguments.settings.page_pause, absl::Seconds(1));
}

TEST_F(PolicyArgumentsTest, WhatMakesNoSenseIsRefused) {
  ExpectSetRefused({"/a"}, 1, "either -erasure or -replicated");
  ExpectSetRefused({"/a", "-erasure", "P", "-replicated"}, 1, "either -erasure or -replicated");
  ExpectSetRefused({"/a", "-erasure", ""}, 1, "either -erasure or -replicated");
  ExpectSetRefused({"-replicated"}, 1, "specify a path");
  ExpectSetRefused({"-replicated", "/a", "/b"}, 1, "Too many arguments");
  ExpectSetRefused({"-replicated", "/a", "-R"}, 1, "Unknown option -R");
  ExpectSetRefused({"-replicated", "/a", "-olderThan", "old"}, 255, "-olderThan old is no time");
  ExpectSetRefused({"-replicated", "/a", "-olderThan", "-1d"}, 255, "-olderThan -1d is no time");
  ExpectSetRefused({"-replicated", "/a", "-largerThan", "x"}, 255, "-largerThan x is no number");
  ExpectRunRefused({"-parallel", "0"}, 255, "-parallel 0 is no number");
  ExpectRunRefused({"-interval", "0"}, 255, "-interval is at least a second");
  ExpectRunRefused({"/a"}, 1, "Too many arguments");
  ExpectRunRefused({"-twice"}, 1, "Unknown option -twice");
}

// ---- What is printed ----

client::PlacedConversionRule RuleOfCold() {
  client::PlacedConversionRule placed;
  placed.inode = 16390;
  placed.path = "/cold\n";
  placed.rule = {.policy = "RS-6-3-1024k",
                 .older_than = absl::Hours(720),
                 .unread_for = absl::Hours(36),
                 .larger_than_bytes = uint64_t{128} << 20};
  return placed;
}

TEST(PolicyPrintTest, TimesAreWrittenAsTheyAreTyped) {
  EXPECT_EQ(AgeText(absl::Hours(720)), "30d");
  EXPECT_EQ(AgeText(absl::Hours(36)), "36h");
  EXPECT_EQ(AgeText(absl::Seconds(90)), "90s");
  EXPECT_EQ(AgeText(absl::Milliseconds(1500)), "1500ms");
  EXPECT_EQ(AgeText(absl::ZeroDuration()), "0s");
}

TEST(PolicyPrintTest, ARuleIsALine) {
  client::ConversionRules rules;
  rules.rules = {RuleOfCold()};
  std::ostringstream out;
  PrintRules(rules, out);
  EXPECT_EQ(out.str(),
            "/cold\\n  to RS-6-3-1024k, files older than 30d and unread for 36h and larger than "
            "128 MB\nNobody carries the rules out: cairn policy -run\n");
  rules.rules[0].policy_state = client::ErasurePolicyState::kDisabled;
  rules.rules[0].rule.unread_for = absl::ZeroDuration();
  std::ostringstream skipped;
  PrintRules(rules, skipped);
  EXPECT_THAT(skipped.str(), AllOf(HasSubstr("SKIPPED: erasure coding policy RS-6-3-1024k is "
                                             "disabled"),
                                   Not(HasSubstr("unread"))));
}

TEST(PolicyPrintTest, WhoCarriesThemOutIsTold) {
  client::ConversionRun run;
  run.holder = "cairn policy, process 7 on nn1";
  run.next_in = absl::Minutes(10);
  run.heard_ago = absl::Seconds(60);
  run.files_converted = 3;
  EXPECT_EQ(RunText(run),
            "Carried out by cairn policy, process 7 on nn1, next round in 9m; rounds: 0, "
            "converted: 3 files (0 B), failed: 0");
  run.next_in = std::nullopt;
  run.doing = "converting below /cold";
  EXPECT_THAT(RunText(run), HasSubstr("which is converting below /cold"));
  run.ended = true;
  EXPECT_THAT(RunText(run), HasSubstr("The last was cairn policy, process 7 on nn1, 1m ago"));
}

TEST(PolicyPrintTest, WhatIsDueIsToldWithItsRule) {
  ShownRule shown;
  shown.path = "/x";
  std::ostringstream none;
  PrintShown(shown, none);
  EXPECT_EQ(none.str(), "No rule holds for /x\n");
  shown.rule = RuleOfCold();
  shown.tally.Add(Verdict::kDue, 1024);
  shown.tally.Add(Verdict::kTooNew, 5);
  std::ostringstream out;
  PrintShown(shown, out);
  EXPECT_THAT(out.str(), AllOf(HasSubstr("Rule of /cold\\n: to RS-6-3-1024k"),
                               HasSubstr("Due: 1 of 2 files (1 KB); 1 are too new\n")));
  std::ostringstream json;
  WriteShown(shown, json);
  EXPECT_THAT(json.str(), AllOf(HasSubstr("\"due\":1"), HasSubstr("\"due_bytes\":1024"),
                                HasSubstr("\"run\":null"), HasSubstr("\"skipped\":null")));
}

TEST(PolicyPrintTest, WhatBecameOfARuleIsALine) {
  RuleOutcome outcome;
  outcome.rule = RuleOfCold();
  outcome.totals.converted = 2;
  outcome.totals.bytes = 2048;
  std::ostringstream good;
  PrintOutcome(outcome, good);
  EXPECT_EQ(good.str(), "/cold\\n: converted 2 files (2 KB) to RS-6-3-1024k\n");
  EXPECT_TRUE(outcome.is_done());
  outcome.totals.failed = 1;
  outcome.ended = "it was told to stop";
  std::ostringstream bad;
  PrintOutcome(outcome, bad);
  EXPECT_THAT(bad.str(), HasSubstr("; 1 failed; ended: it was told to stop\n"));
  EXPECT_FALSE(outcome.is_done());
  outcome.skipped = "because";
  std::ostringstream skipped;
  PrintOutcome(outcome, skipped);
  EXPECT_EQ(skipped.str(), "/cold\\n: SKIPPED: because\n");
}

}  // namespace
}  // namespace cairn::tools
