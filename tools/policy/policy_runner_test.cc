// Which files a round converts, and what it says of the rest: over a fake cluster.
#include "tools/policy/policy_runner.h"

#include <future>
#include <map>
#include <optional>
#include <thread>

#include "common/testing/status_matchers.h"
#include "tools/policy/testing/fake_tree.h"

namespace cairn::tools {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kCoded[] = "RS-6-3-1024k";
constexpr uint64_t kLarge = 1 << 20;

// Converts at once, in the thread that adds a file, what is not told to fail.
class FakeWorld final : public PolicyWorld {
 public:
  class Converter final : public FileConverter {
   public:
    Converter(FakeWorld& world, ConvertOptions options, OnFailure on_failure)
        : world_(world), options_(std::move(options)), on_failure_(std::move(on_failure)) {}
    void AddFile(const client::FileStatus& file) override {
      if (cancelled_ || has_given_up()) return;
      if (world_.before_file) world_.before_file(file.path);
      if (cancelled_) return;
      if (world_.failing.contains(file.path)) {
        ++totals_.failed;
        ++in_a_row_;
        return on_failure_(file.path, absl::InternalError("it lacks a unit"));
      }
      in_a_row_ = 0;
      ++totals_.converted;
      totals_.bytes += file.length;
      world_.converted.push_back(file.path + " " + options_.policy);
    }
    void RemoveIfLeftOver(const client::FileStatus& found) override {
      world_.left_over.push_back(found.path);
    }
    void Cancel() override { cancelled_ = true; }
    bool has_given_up() const override {
      return options_.most_failures > 0 && in_a_row_ >= options_.most_failures;
    }
    ConvertTotals totals() const override { return totals_; }
    ConvertTotals Finish() override { return totals_; }

   private:
    FakeWorld& world_;
    const ConvertOptions options_;
    const OnFailure on_failure_;
    ConvertTotals totals_;
    uint64_t in_a_row_ = 0;
    bool cancelled_ = false;
  };

  absl::StatusOr<client::ConversionRules> ListRules() override {
    if (!list_error.ok()) return list_error;
    client::ConversionRules listed;
    listed.rules = rules;
    if (const auto wait = before_answer) wait();
    return listed;
  }
  std::unique_ptr<DirectoryReader> Open(const std::string& directory) override {
    return tree.Opener()(directory);
  }
  std::unique_ptr<FileConverter> NewConverter(const ConvertOptions& options,
                                              FileConverter::OnFailure on_failure) override {
    return std::make_unique<Converter>(*this, options, std::move(on_failure));
  }
  absl::Time Now() override { return now; }
  void Sleep(absl::Duration pause) override {
    slept += pause;
    if (after_sleep) after_sleep();
  }

  void AddFile(const std::string& path, absl::Duration age, const std::string& policy = "") {
    client::FileStatus& file = tree.AddFile(path);
    file.length = kLarge;
    file.modified = now - age;
    file.accessed = file.modified;
    file.ec_policy = policy;
  }
  // The directory is there.
  void SetRule(const std::string& path, absl::Duration older_than, const std::string& policy) {
    rules.push_back({.inode = tree.inode(path),
                     .path = path,
                     .rule = {.policy = policy, .older_than = older_than}});
  }

  FakeTree tree;
  std::vector<client::PlacedConversionRule> rules;
  absl::Status list_error;
  absl::flat_hash_set<std::string> failing;
  std::function<void(const std::string&)> before_file;
  std::function<void()> after_sleep, before_answer;
  absl::Time now = absl::FromUnixSeconds(1'800'000'000);
  absl::Duration slept;
  std::vector<std::string> converted, left_over;
};

class PolicyRunnerTest : public ::testing::Test {
 protected:
  const RuleOutcome& OutcomeOf(const std::string& path) {
    const auto found = outcomes_.find(path);
    if (found == outcomes_.end()) {
      ADD_FAILURE() << "no outcome of " << path;
      return outcomes_[path];
    }
    return found->second;
  }

  FakeWorld world_;
  std::map<std::string, RuleOutcome> outcomes_;  // of the last round
  std::vector<std::string> failures_;
  PolicyRunner runner_{
      world_,
      {},
      {.on_failure = [this](const std::string& path,
                            const absl::Status&) { failures_.push_back(path); },
       .on_outcome =
           [this](const RuleOutcome& outcome) { outcomes_[outcome.rule.path] = outcome; }}};
};

TEST_F(PolicyRunnerTest, WhatIsDueIsConvertedAndTheNearestRuleDecides) {
  world_.AddFile("/cold/old", absl::Hours(50));
  world_.AddFile("/cold/new", absl::Hours(1));
  world_.AddFile("/cold/hot/old", absl::Hours(50), kCoded);
  world_.AddFile("/cold/hot/below/old", absl::Hours(50), kCoded);
  world_.AddFile("/cold/deep/old", absl::Hours(50));
  world_.AddFile("/other/old", absl::Hours(50));
  world_.SetRule("/cold/hot", absl::Hours(2), "");
  world_.SetRule("/cold", absl::Hours(24), kCoded);
  EXPECT_THAT(runner_.RunRound(), IsOkAndHolds(true));
  EXPECT_THAT(world_.converted, ElementsAre("/cold/deep/old RS-6-3-1024k", "/cold/old RS-6-3-1024k",
                                            "/cold/hot/below/old ", "/cold/hot/old "));
  EXPECT_EQ(OutcomeOf("/cold").tally.files, 3u);
  EXPECT_EQ(OutcomeOf("/cold").tally.due_bytes, 2 * kLarge);
  EXPECT_EQ(OutcomeOf("/cold").tally.too_new, 1u);
  EXPECT_GT(world_.slept, absl::ZeroDuration());
  const client::ConversionRun progress = runner_.progress();
  EXPECT_EQ(progress.rounds, 1u);
  EXPECT_EQ(progress.files_converted, 4u);
  EXPECT_EQ(progress.bytes_converted, 4 * kLarge);
}

TEST_F(PolicyRunnerTest, ARuleOfAPolicyThatIsNotEnabledIsSkippedAndToldSo) {
  world_.AddFile("/a/old", absl::Hours(50));
  world_.AddFile("/b/old", absl::Hours(50));
  world_.AddFile("/c/old", absl::Hours(50));
  for (const char* const path : {"/a", "/b", "/c"}) world_.SetRule(path, {}, kCoded);
  world_.rules[0].policy_state = client::ErasurePolicyState::kDisabled;
  world_.rules[1].policy_state = client::ErasurePolicyState::kRemoved;
  EXPECT_THAT(runner_.RunRound(), IsOkAndHolds(false));
  EXPECT_THAT(world_.converted, ElementsAre("/c/old RS-6-3-1024k"));
  EXPECT_THAT(OutcomeOf("/a").skipped, HasSubstr("RS-6-3-1024k is disabled"));
  EXPECT_THAT(OutcomeOf("/b").skipped, HasSubstr("RS-6-3-1024k was removed"));
  EXPECT_EQ(OutcomeOf("/c").skipped, "");
}

TEST_F(PolicyRunnerTest, WhatFailsIsLeftForAWhile) {
  world_.AddFile("/a/bad", absl::Hours(50));
  world_.AddFile("/a/good", absl::Hours(50));
  world_.SetRule("/a", {}, kCoded);
  world_.failing = {"/a/bad"};
  EXPECT_THAT(runner_.RunRound(), IsOkAndHolds(false));
  EXPECT_THAT(failures_, ElementsAre("/a/bad"));
  EXPECT_THAT(world_.converted, ElementsAre("/a/good RS-6-3-1024k"));
  EXPECT_THAT(runner_.RunRound(), IsOkAndHolds(false));
  EXPECT_THAT(failures_, ElementsAre("/a/bad")) << "it was not tried";
  EXPECT_EQ(OutcomeOf("/a").left_for_later, 1u);
  world_.failing.clear();
  world_.now += RetryLater::kFirst;
  EXPECT_THAT(runner_.RunRound(), IsOkAndHolds(true));
  EXPECT_EQ(runner_.progress().files_failed, 1u);
}

TEST_F(PolicyRunnerTest, WhenAllFailsTheRuleIsGivenUpAndTheNextRoundTriesOthers) {
  for (int i = 0; i < 40; ++i) {
    world_.AddFile(absl::StrCat("/a/", 10 + i), absl::Hours(50));
    world_.failing.insert(absl::StrCat("/a/", 10 + i));
  }
  world_.AddFile("/a/zz", absl::Hours(50));
  world_.AddFile("/b/good", absl::Hours(50));
  world_.SetRule("/a", {}, kCoded);
  world_.SetRule("/b", {}, kCoded);
  EXPECT_THAT(runner_.RunRound(), IsOkAndHolds(false));
  EXPECT_EQ(failures_.size(), 16u);
  EXPECT_THAT(OutcomeOf("/a").ended, HasSubstr("failed one after the other"));
  EXPECT_THAT(world_.converted, ElementsAre("/b/good RS-6-3-1024k")) << "another rule";
  world_.converted.clear();
  for (int round = 0; round < 2; ++round) EXPECT_THAT(runner_.RunRound(), IsOkAndHolds(false));
  EXPECT_EQ(failures_.size(), 40u);
  EXPECT_THAT(world_.converted, Contains("/a/zz RS-6-3-1024k"));
}

TEST_F(PolicyRunnerTest, ToldToStopItBeginsNothingMore) {
  for (const char* const path : {"/a/1", "/a/2", "/b/1"}) world_.AddFile(path, absl::Hours(50));
  world_.SetRule("/a", {}, kCoded);
  world_.SetRule("/b", {}, kCoded);
  world_.before_file = [this](const std::string& path) {
    if (path == "/a/2") runner_.Stop();
  };
  EXPECT_THAT(runner_.RunRound(), IsOkAndHolds(false));
  EXPECT_THAT(world_.converted, ElementsAre("/a/1 RS-6-3-1024k"));
  EXPECT_EQ(OutcomeOf("/a").ended, "it was told to stop");
  EXPECT_FALSE(outcomes_.contains("/b"));
  EXPECT_TRUE(runner_.has_stopped());
  EXPECT_EQ(runner_.progress().rounds, 0u) << "it did not go through all";
}

TEST_F(PolicyRunnerTest, ALongPauseDoesNotKeepWhoTellsItToStop) {
  world_.AddFile("/a/1", absl::Hours(50));
  world_.SetRule("/a", {}, kCoded);
  PolicyRunner slow(world_, {.page_pause = absl::Hours(1)},
                    {.on_failure = [](const std::string&, const absl::Status&) {},
                     .on_outcome = [](const RuleOutcome&) {}});
  EXPECT_THAT(slow.RunRound(), IsOkAndHolds(true));
  EXPECT_EQ(world_.slept, absl::Hours(1));
  world_.slept = absl::ZeroDuration();
  world_.converted.clear();
  world_.after_sleep = [&] { slow.Stop(); };
  EXPECT_THAT(slow.RunRound(), IsOkAndHolds(false));
  EXPECT_LT(world_.slept, absl::Seconds(1));
  EXPECT_THAT(world_.converted, IsEmpty());
}

TEST_F(PolicyRunnerTest, ARuleThatIsTakenBackOrChangedMeanwhileEndsAndOthersGoOn) {
  for (const char* const path : {"/a/1", "/a/2", "/b/1"}) world_.AddFile(path, absl::Hours(50));
  world_.SetRule("/a", {}, kCoded);
  world_.SetRule("/b", {}, kCoded);
  world_.before_file = [this](const std::string& path) {
    if (path != "/a/2") return;
    world_.rules[0].rule.older_than = absl::Hours(100);
    runner_.Refresh();
  };
  EXPECT_THAT(runner_.RunRound(), IsOkAndHolds(false));
  EXPECT_THAT(world_.converted, ElementsAre("/a/1 RS-6-3-1024k", "/b/1 RS-6-3-1024k"));
  EXPECT_THAT(OutcomeOf("/a").ended, HasSubstr("was changed"));
  // The next round goes by the new one.
  world_.converted.clear();
  world_.before_file = nullptr;
  EXPECT_THAT(runner_.RunRound(), IsOkAndHolds(true));
  EXPECT_EQ(OutcomeOf("/a").tally.too_new, 2u);
}

TEST_F(PolicyRunnerTest, ARuleTakenBackBeforeItsTurnIsNotCarriedOut) {
  for (const char* const path : {"/a/1", "/b/1"}) world_.AddFile(path, absl::Hours(50));
  world_.SetRule("/a", {}, kCoded);
  world_.SetRule("/b", {}, kCoded);
  world_.before_file = [this](const std::string&) {
    world_.rules.resize(1);
    runner_.Refresh();
  };
  EXPECT_THAT(runner_.RunRound(), IsOkAndHolds(false));
  EXPECT_THAT(world_.converted, ElementsAre("/a/1 RS-6-3-1024k"));
  EXPECT_THAT(OutcomeOf("/b").skipped, HasSubstr("was changed"));
}

TEST_F(PolicyRunnerTest, AnAnswerThatComesLateSaysNothingAgainstANewerOne) {
  for (const char* const path : {"/a/1", "/b/1"}) world_.AddFile(path, absl::Hours(50));
  world_.SetRule("/a", {}, kCoded);
  std::promise<void> asked, answer;
  world_.before_answer = [&] {
    world_.before_answer = nullptr;
    asked.set_value();
    answer.get_future().wait();
  };
  std::thread refresh([this] { runner_.Refresh(); });
  asked.get_future().wait();
  world_.SetRule("/b", {}, kCoded);
  const auto let_it_answer = [&] {
    answer.set_value();
    refresh.join();
  };
  world_.before_file = [&](const std::string& path) {
    if (path == "/a/1") let_it_answer();
  };
  EXPECT_THAT(runner_.RunRound(), IsOkAndHolds(true));
  if (refresh.joinable()) let_it_answer();
  EXPECT_THAT(world_.converted, ElementsAre("/a/1 RS-6-3-1024k", "/b/1 RS-6-3-1024k"));
}

TEST_F(PolicyRunnerTest, WhenTheRulesCannotBeAskedForTheRoundFailsAndARunningOneGoesOn) {
  world_.AddFile("/a/1", absl::Hours(50));
  world_.AddFile("/a/2", absl::Hours(50));
  world_.SetRule("/a", {}, kCoded);
  world_.list_error = absl::UnavailableError("restarting");
  EXPECT_THAT(runner_.RunRound(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(world_.converted, IsEmpty());
  world_.list_error = absl::OkStatus();
  world_.before_file = [this](const std::string&) {
    world_.list_error = absl::UnavailableError("restarting");
    runner_.Refresh();
  };
  EXPECT_THAT(runner_.RunRound(), IsOkAndHolds(true));
  EXPECT_EQ(world_.converted.size(), 2u);
}

TEST_F(PolicyRunnerTest, CopiesOfAConverterThatIsGoneAreRemovedOnTheWay) {
  world_.AddFile("/a/.cairn-convert-16390.7.host", absl::Hours(50));
  world_.AddFile("/a/f", absl::Hours(50));
  world_.SetRule("/a", {}, kCoded);
  EXPECT_THAT(runner_.RunRound(), IsOkAndHolds(true));
  EXPECT_THAT(world_.left_over, ElementsAre("/a/.cairn-convert-16390.7.host"));
  EXPECT_THAT(world_.converted, ElementsAre("/a/f RS-6-3-1024k"));
}

TEST_F(PolicyRunnerTest, ADirectoryThatIsGoneIsTold) {
  world_.AddFile("/a/1", absl::Hours(50));
  world_.SetRule("/a", {}, kCoded);
  world_.rules[0].path = "/gone";
  EXPECT_THAT(runner_.RunRound(), IsOkAndHolds(false));
  EXPECT_NE(OutcomeOf("/gone").ended, "");
}

}  // namespace
}  // namespace cairn::tools
