#include "tools/policy/rule_judge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cairn::tools {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

client::FileStatus FileOf(uint64_t bytes, absl::Duration age, const std::string& policy = "") {
  client::FileStatus file;
  file.path = "/cold/f";
  file.length = bytes;
  file.modified = kNow - age;
  file.accessed = kNow - age;
  file.open = false;
  file.ec_policy = policy;
  return file;
}

const client::ConversionRule kCold = {
    .policy = "RS-6-3-1024k", .older_than = absl::Hours(24 * 30), .larger_than_bytes = 100};

TEST(RuleJudgeTest, AFileIsDueWhenItIsOldAndLargeEnough) {
  constexpr absl::Duration kOld = absl::Hours(24 * 30);
  EXPECT_EQ(Judge(FileOf(101, kOld), kCold, kNow), Verdict::kDue);
  EXPECT_EQ(Judge(FileOf(100, kOld), kCold, kNow), Verdict::kTooSmall);
  EXPECT_EQ(Judge(FileOf(101, kOld - absl::Milliseconds(1)), kCold, kNow), Verdict::kTooNew);
}

TEST(RuleJudgeTest, ASmallFileOfThePolicyIsLeftAsLongAsItIsSmall) {
  const client::ConversionRule at_once = {.policy = "RS-6-3-1024k"};
  client::FileStatus file = FileOf(1024, absl::Hours(1));
  file.small_of = at_once.policy;
  file.small_of_cell_bytes = 1024;
  EXPECT_EQ(Judge(file, at_once, kNow), Verdict::kTooSmall);
  EXPECT_EQ(Judge(file, {.policy = "RS-3-2-1024k"}, kNow), Verdict::kDue);
  file.length = 1025;
  EXPECT_EQ(Judge(file, at_once, kNow), Verdict::kDue);
}

TEST(RuleJudgeTest, NoRuleTakesWhatWasWrittenJustNowOrIsEmpty) {
  const client::ConversionRule at_once = {.policy = "RS-6-3-1024k"};
  EXPECT_EQ(Judge(FileOf(1, kRuleLeastAge), at_once, kNow), Verdict::kDue);
  EXPECT_EQ(Judge(FileOf(1, kRuleLeastAge - absl::Milliseconds(1)), at_once, kNow),
            Verdict::kTooNew);
  EXPECT_EQ(Judge(FileOf(0, absl::Hours(1)), at_once, kNow), Verdict::kTooSmall);
  // Of a clock that is ahead.
  EXPECT_EQ(Judge(FileOf(1, -absl::Hours(1)), at_once, kNow), Verdict::kTooNew);
  client::FileStatus open = FileOf(1, absl::Hours(1));
  open.open = true;
  EXPECT_EQ(Judge(open, at_once, kNow), Verdict::kOpen);
}

TEST(RuleJudgeTest, OneThatIsReadStaysIfTheRuleAsksForThat) {
  client::ConversionRule rule = kCold;
  client::FileStatus file = FileOf(101, absl::Hours(24 * 90));
  file.accessed = kNow - absl::Hours(24 * 7);
  EXPECT_EQ(Judge(file, rule, kNow), Verdict::kDue);
  file.accessed = kNow + absl::Seconds(1);  // just now, by a clock that is ahead
  EXPECT_EQ(Judge(file, rule, kNow), Verdict::kDue);
  file.accessed = kNow - absl::Hours(24 * 7);
  rule.unread_for = absl::Hours(24 * 7);
  EXPECT_EQ(Judge(file, rule, kNow), Verdict::kDue);
  rule.unread_for += absl::Milliseconds(1);
  EXPECT_EQ(Judge(file, rule, kNow), Verdict::kReadLately);
  // Written later than it was read, as far as it is known.
  file.accessed = absl::UnixEpoch();
  file.modified = kNow - absl::Hours(24 * 40);
  rule.unread_for = absl::Hours(24 * 41);
  EXPECT_EQ(Judge(file, rule, kNow), Verdict::kReadLately);
}

TEST(RuleJudgeTest, TheFormDecides) {
  constexpr absl::Duration kOld = absl::Hours(24 * 365);
  const client::ConversionRule back = {.older_than = absl::Hours(1)};
  EXPECT_EQ(Judge(FileOf(101, kOld, "RS-6-3-1024k"), kCold, kNow), Verdict::kAlready);
  EXPECT_EQ(Judge(FileOf(101, kOld, "XOR-2-1-1024k"), kCold, kNow), Verdict::kOtherPolicy);
  EXPECT_EQ(Judge(FileOf(101, kOld, "XOR-2-1-1024k"), back, kNow), Verdict::kDue);
  EXPECT_EQ(Judge(FileOf(101, kOld), back, kNow), Verdict::kAlready);
}

TEST(RuleJudgeTest, WhatIsNoUsersFileIsLeft) {
  client::FileStatus copy = FileOf(101, absl::Hours(24 * 365));
  copy.path = "/cold/.cairn-convert-16390.7.host";
  EXPECT_EQ(Judge(copy, kCold, kNow), Verdict::kCopy);
  client::FileStatus directory = FileOf(0, absl::Hours(24 * 365));
  directory.type = client::FileType::kDirectory;
  EXPECT_EQ(Judge(directory, kCold, kNow), Verdict::kNotAFile);
  RuleTally tally;
  tally.Add(Verdict::kCopy, 5);
  tally.Add(Verdict::kNotAFile, 5);
  tally.Add(Verdict::kDue, 5);
  tally.Add(Verdict::kDue, 6);
  tally.Add(Verdict::kTooNew, 7);
  EXPECT_EQ(tally.files, 3u);
  EXPECT_EQ(tally.due, 2u);
  EXPECT_EQ(tally.due_bytes, 11u);
  EXPECT_EQ(tally.too_new, 1u);
}

TEST(RuleJudgeTest, TheNearestRuleHolds) {
  std::vector<client::PlacedConversionRule> rules(3);
  rules[0].path = "/a/b";
  rules[1].path = "/a";
  rules[2].path = "/c";
  const auto at = [&](absl::string_view path) {
    const client::PlacedConversionRule* const rule = NearestRule(rules, path);
    return rule == nullptr ? "none" : rule->path;
  };
  EXPECT_EQ(at("/a"), "/a");
  EXPECT_EQ(at("/a/f"), "/a");
  EXPECT_EQ(at("/a/b"), "/a/b");
  EXPECT_EQ(at("/a/b/c/d"), "/a/b");
  EXPECT_EQ(at("/a/bc"), "/a");
  EXPECT_EQ(at("/ab"), "none");
  EXPECT_EQ(at("/"), "none");
  rules[2].path = "/";
  EXPECT_EQ(at("/"), "/");
  EXPECT_EQ(at("/ab"), "/");
}

}  // namespace
}  // namespace cairn::tools
