#include "namenode/blocks/group_checks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "namenode/blocks/testing/test_cluster.h"

namespace cairn::namenode {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;
using Look = GroupChecks::Look;
using Said = GroupVerdict::Result;

constexpr BlockId kLooked = MakeGroupId(7);
constexpr GenerationStamp kLookedStamp{1001};
constexpr uint64_t kNumber = 12;
constexpr absl::Duration kLookedAt = absl::Seconds(1000);

// Node u + 1 has unit u.
std::vector<GroupChecks::UnitAt> FiveUnits() { return {{0, 1}, {1, 2}, {2, 3}, {3, 4}, {4, 5}}; }

GroupChecks::Pending OrderTo(uint32_t node, BlockId group = kLooked) {
  return {.number = kNumber,
          .group = {group, kLookedStamp, 3 << 20},
          .units = FiveUnits(),
          .datanode = absl::StrCat("node-", node),
          .address = absl::StrCat("10.0.0.", node, ":9866"),
          .session = 100 + node,
          .deadline = kLookedAt + absl::Minutes(1)};
}

GroupVerdict VerdictThat(Said result, uint32_t unit = 0) {
  return {.group = kLooked,
          .stamp = kLookedStamp,
          .number = kNumber,
          .result = result,
          .unit = unit,
          .reason = "as was seen"};
}

Look LookOf(uint32_t node, Said result, GroupChecks::UnitAt wrong = {}) {
  return {.datanode = absl::StrCat("node-", node),
          .address = "",
          .result = result,
          .wrong = wrong,
          .reason = ""};
}

TEST(GroupChecksTest, AVerdictIsTakenOnceAndFromTheOneThatWasAsked) {
  GroupChecks checks(2);
  checks.Ordered(OrderTo(1));
  EXPECT_TRUE(checks.IsVerifying("node-1"));
  EXPECT_FALSE(checks.IsVerifying("node-2"));
  EXPECT_TRUE(checks.Has(kLooked));
  const GroupVerdict verdict = VerdictThat(Said::kOneIsWrong, 3);
  EXPECT_FALSE(checks.TakeVerdict("node-2", 102, verdict)) << "somebody else";
  EXPECT_FALSE(checks.TakeVerdict("node-1", 100, verdict)) << "of an earlier session";
  GroupVerdict other = verdict;
  other.stamp = GenerationStamp{1002};
  EXPECT_FALSE(checks.TakeVerdict("node-1", 101, other));
  other = verdict;
  other.number = kNumber - 1;
  EXPECT_FALSE(checks.TakeVerdict("node-1", 101, other)) << "of an order that was given up";
  other = verdict;
  other.group = MakeGroupId(8);
  EXPECT_FALSE(checks.TakeVerdict("node-1", 101, other));

  EXPECT_TRUE(checks.TakeVerdict("node-1", 101, verdict));
  EXPECT_FALSE(checks.TakeVerdict("node-1", 101, verdict)) << "the heartbeat was sent again";
  const std::vector<GroupChecks::Told> told = checks.TakeTold();
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].look.datanode, "node-1");
  EXPECT_EQ(told[0].look.result, Said::kOneIsWrong);
  EXPECT_EQ(told[0].look.wrong, (GroupChecks::UnitAt{3, 4}));
  EXPECT_EQ(told[0].look.reason, "as was seen");
  EXPECT_THAT(checks.TakeTold(), IsEmpty());
}

TEST(GroupChecksTest, AUnitThatTheGroupDoesNotHaveIsNotTakenForWrong) {
  GroupChecks checks(1);
  checks.Ordered(OrderTo(1));
  EXPECT_TRUE(checks.TakeVerdict("node-1", 101, VerdictThat(Said::kOneIsWrong, 5)));
  EXPECT_EQ(checks.TakeTold().at(0).look.result, Said::kCouldNot);
}

TEST(GroupChecksTest, ThereIsRoomForSoManyAtATime) {
  GroupChecks checks(2);
  checks.Ordered(OrderTo(1));
  EXPECT_TRUE(checks.HasRoom());
  checks.Ordered(OrderTo(2, MakeGroupId(8)));
  EXPECT_FALSE(checks.HasRoom());
  EXPECT_TRUE(checks.TakeVerdict("node-1", 101, VerdictThat(Said::kAgree)));
  EXPECT_FALSE(checks.HasRoom()) << "nobody has looked at what it said";
  checks.TakeTold();
  EXPECT_TRUE(checks.HasRoom());
  checks.Ordered(OrderTo(3, MakeGroupId(9)));
  checks.Forget(MakeGroupId(8));
  EXPECT_TRUE(checks.HasRoom()) << "the group is no more";
}

TEST(GroupChecksTest, WhatNobodyWillTellOfEndsAtItsTimeOrWithTheSession) {
  TestCluster cluster;
  cluster.AddMany(5);
  GroupChecks checks(3);
  checks.Ordered(OrderTo(1));
  checks.Ordered(OrderTo(2, MakeGroupId(8)));
  checks.Ordered(OrderTo(3, MakeGroupId(9)));
  EXPECT_THAT(checks.TakeEnded(kLookedAt, cluster.View()), IsEmpty());
  ++cluster.node(2).session;
  cluster.node(3).liveness = Liveness::kDead;
  std::set<BlockId> ended;
  for (const GroupChecks::Told& told : checks.TakeEnded(kLookedAt, cluster.View())) {
    EXPECT_EQ(told.look.result, Said::kCouldNot);
    ended.insert(told.order.group.id);
  }
  EXPECT_EQ(ended, (std::set<BlockId>{MakeGroupId(8), MakeGroupId(9)}));
  EXPECT_THAT(checks.TakeEnded(kLookedAt + absl::Seconds(59), cluster.View()), IsEmpty());
  EXPECT_THAT(checks.TakeEnded(kLookedAt + absl::Seconds(60), cluster.View()), SizeIs(1));
  EXPECT_FALSE(checks.Has(kLooked));
}

TEST(GroupChecksTest, WhatIsToBeLookedAtAgainComesWhenItIsDueAndNotWhileItIsOrdered) {
  GroupChecks checks(2);
  EXPECT_TRUE(checks.LookAgain({.group = kLooked, .due = kLookedAt, .tries = 2}));
  EXPECT_TRUE(checks.Has(kLooked));
  EXPECT_EQ(checks.TakeDue(kLookedAt - absl::Seconds(1)), std::nullopt);
  checks.Ordered(OrderTo(1));
  EXPECT_EQ(checks.TakeDue(kLookedAt), std::nullopt);
  EXPECT_TRUE(checks.TakeVerdict("node-1", 101, VerdictThat(Said::kCouldNot)));
  const std::optional<GroupChecks::Again> due = checks.TakeDue(kLookedAt);
  ASSERT_TRUE(due.has_value());
  EXPECT_EQ(due->group, kLooked);
  EXPECT_EQ(due->tries, 2);
  EXPECT_EQ(checks.TakeDue(kLookedAt), std::nullopt);
}

TEST(GroupChecksTest, WhatWasSaidBeforeAReplicaWentCountsNoMore) {
  const auto is_disturbed = [](GroupChecks& checks) {
    EXPECT_TRUE(checks.TakeVerdict("node-1", 101, VerdictThat(Said::kOneIsWrong, 3)));
    return checks.TakeTold().at(0).order.disturbed;
  };
  GroupChecks checks(2);
  checks.Disturb(kLooked);  // nothing is known of it
  checks.Ordered(OrderTo(1));
  checks.Disturb(MakeGroupId(8));
  EXPECT_FALSE(is_disturbed(checks));
  checks.Ordered(OrderTo(1));
  checks.Disturb(kLooked);
  EXPECT_TRUE(is_disturbed(checks));

  // It has told, and nobody has looked at that yet.
  checks.Ordered(OrderTo(1));
  EXPECT_TRUE(checks.TakeVerdict("node-1", 101, VerdictThat(Said::kOneIsWrong, 3)));
  checks.Disturb(kLooked);
  EXPECT_TRUE(checks.TakeTold().at(0).order.disturbed);

  // A second one is to be asked: there is no first one any more.
  EXPECT_TRUE(checks.LookAgain({.group = kLooked,
                                .due = kLookedAt,
                                .before = LookOf(1, Said::kOneIsWrong, {3, 4}),
                                .tries = 2}));
  checks.Disturb(kLooked);
  const std::optional<GroupChecks::Again> due = checks.TakeDue(kLookedAt);
  ASSERT_TRUE(due.has_value());
  EXPECT_FALSE(due->before.has_value());
  EXPECT_EQ(due->tries, 2);
}

TEST(GroupChecksTest, NoMoreAreKeptThanThereIsRoomFor) {
  GroupChecks checks(1);
  for (uint64_t i = 1; i <= GroupChecks::kMostAgain; ++i) {
    EXPECT_FALSE(checks.IsFull());
    EXPECT_TRUE(checks.LookAgain({.group = MakeGroupId(i), .due = kLookedAt}));
  }
  EXPECT_TRUE(checks.IsFull());
  EXPECT_FALSE(checks.LookAgain({.group = MakeGroupId(5000), .due = kLookedAt}));
  EXPECT_TRUE(checks.LookAgain({.group = MakeGroupId(1), .due = kLookedAt})) << "it is there";
  for (uint64_t i = 1; i <= GroupChecks::kMostKnown + 1; ++i) {
    checks.Learn(MakeGroupId(i), {.stamp = kLookedStamp, .what = "so it is"});
  }
  EXPECT_EQ(checks.known(), GroupChecks::kMostKnown);
  EXPECT_EQ(checks.Find(MakeGroupId(GroupChecks::kMostKnown + 1)), nullptr);
  checks.Unlearn(MakeGroupId(1));
  EXPECT_EQ(checks.Find(MakeGroupId(1)), nullptr);
  ASSERT_NE(checks.Find(MakeGroupId(2)), nullptr);
  EXPECT_EQ(checks.Find(MakeGroupId(2))->what, "so it is");
}

TEST(GroupChecksTest, ThePausesGrow) {
  EXPECT_EQ(GroupChecks::PauseAfter(0), absl::ZeroDuration());
  for (int tries = 1; tries <= GroupChecks::kMostTries; ++tries) {
    EXPECT_GT(GroupChecks::PauseAfter(tries), GroupChecks::PauseAfter(tries - 1));
  }
}

// ---- what follows

TEST(GroupChecksTest, NobodyIsBelievedAlone) {
  for (const Said said : {Said::kOneIsWrong, Said::kContradict}) {
    EXPECT_EQ(Conclude(std::nullopt, LookOf(1, said, {3, 4})), Conclusion::kLookAgain);
  }
  EXPECT_EQ(Conclude(std::nullopt, LookOf(1, Said::kAgree)), Conclusion::kAgree);
  EXPECT_EQ(Conclude(std::nullopt, LookOf(1, Said::kCouldNot)), Conclusion::kSkip);
}

TEST(GroupChecksTest, AUnitIsNamedIfTwoNameTheSameReplicaOfIt) {
  const Look first = LookOf(1, Said::kOneIsWrong, {3, 4});
  EXPECT_EQ(Conclude(first, LookOf(2, Said::kOneIsWrong, {3, 4})), Conclusion::kOneIsWrong);
  EXPECT_EQ(Conclude(first, LookOf(2, Said::kOneIsWrong, {2, 3})), Conclusion::kContradict);
  EXPECT_EQ(Conclude(first, LookOf(2, Said::kOneIsWrong, {3, 9})), Conclusion::kContradict)
      << "it is another replica by now";
  EXPECT_EQ(Conclude(first, LookOf(2, Said::kContradict)), Conclusion::kContradict);
  EXPECT_EQ(Conclude(LookOf(1, Said::kContradict), LookOf(2, Said::kOneIsWrong, {0, 1})),
            Conclusion::kContradict);
  EXPECT_EQ(Conclude(first, LookOf(2, Said::kAgree)), Conclusion::kDispute);
  EXPECT_EQ(Conclude(first, LookOf(2, Said::kCouldNot)), Conclusion::kLookAgain);
}

// ---- who looks

class ChooseVerifierTest : public ::testing::Test {
 protected:
  ChooseVerifierTest() { cluster_.AddMany(6); }
  VerifierChoice Choose(const std::optional<Look>& before = std::nullopt,
                        const std::string& failed = "") {
    return ChooseVerifier(
        FiveUnits(), {.group = kLooked, .due = {}, .before = before, .failed = failed},
        cluster_.View(), [this](const std::string& node) { return busy_.contains(node); }, random_);
  }
  TestCluster cluster_;
  std::set<std::string> busy_;
  std::mt19937_64 random_{1};
};

TEST_F(ChooseVerifierTest, TheLeastLoadedOneThatHasAUnit) {
  for (uint32_t node = 1; node <= 5; ++node) cluster_.node(node).transfers = 10 + node;
  cluster_.node(4).transfers = 3;
  EXPECT_EQ(Choose().storage, 4u) << "the idle node 6 has none";
  busy_ = {"node-4"};
  EXPECT_EQ(Choose().storage, 1u);
  cluster_.node(1).liveness = Liveness::kStale;
  EXPECT_EQ(Choose().storage, 2u);
  cluster_.node(2).admin_state = AdminState::kDecommissioning;
  EXPECT_EQ(Choose().storage, 3u);
}

TEST_F(ChooseVerifierTest, TheSecondIsNeitherTheFirstNorTheOneThatIsSaidToBeWrong) {
  const Look first = LookOf(1, Said::kOneIsWrong, {1, 2});
  for (const uint32_t node : {4, 5}) cluster_.node(node).transfers = 1;
  EXPECT_EQ(Choose(first).storage, 3u);
  busy_ = {"node-3", "node-4", "node-5"};
  EXPECT_EQ(Choose(first).storage, std::nullopt);
  EXPECT_TRUE(Choose(first).busy) << "soon again";
  busy_.clear();
  for (const uint32_t node : {3, 4, 5}) cluster_.node(node).liveness = Liveness::kDead;
  EXPECT_EQ(Choose(first).storage, std::nullopt);
  EXPECT_FALSE(Choose(first).busy);
}

TEST_F(ChooseVerifierTest, OfThoseThatAreLoadedAlikeItIsNotAlwaysTheSame) {
  cluster_.node(5).transfers = 1;
  std::set<uint32_t> chosen;
  for (int i = 0; i < 200; ++i) chosen.insert(Choose().storage.value());
  EXPECT_EQ(chosen, (std::set<uint32_t>{1, 2, 3, 4}));
}

TEST_F(ChooseVerifierTest, WhoCouldNotIsAskedAgainOnlyIfThereIsNobodyElse) {
  for (uint32_t node = 1; node <= 5; ++node) cluster_.node(node).transfers = 10 * node;
  EXPECT_EQ(Choose().storage, 1u);
  EXPECT_EQ(Choose(std::nullopt, "node-1").storage, 2u) << "though it has more to do";
  busy_ = {"node-2", "node-3", "node-4", "node-5"};
  EXPECT_EQ(Choose(std::nullopt, "node-1").storage, 1u);
}

}  // namespace
}  // namespace cairn::namenode
