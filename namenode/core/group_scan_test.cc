// Block groups whose units are compared with one another, now and then: who is asked, when, and
// what is made of the answers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "namenode/core/testing/cold_files.h"
#include "namenode/core/testing/healing_fixture.h"

namespace cairn::namenode {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Said = GroupVerdict::Result;

constexpr absl::Duration kPeriod = absl::Hours(1);
// A round begins so long after the start, or less.
constexpr absl::Duration kUntilFirst = absl::Minutes(11);

// RS-3-2: unit `u` of each file's only group is on datanode `u` at first. Datanodes answer what
// `answer_` says, in the heartbeat after the order.
class GroupScanTest : public HealingFixture {
 protected:
  struct Asked {
    int node;
    VerifyGroupCommand command;
  };

  void StartWith(int datanodes, GroupScanOptions options = {.period = kPeriod}) {
    TestNamenode::Options all = Nodes(datanodes);
    all.namenode.erasure_coding = true;
    all.namenode.healing.group_scan = options;
    Start(std::move(all));
    MakeCold(*nn_);
    group_ = WriteGroup("/cold/f");
    Pass(absl::Seconds(30));
    EXPECT_THAT(asked_, IsEmpty()) << "not so soon after a start";
  }
  BlockVersion WriteGroup(const std::string& path) {
    nn_->Create(path);
    BlockVersion group = nn_->AddBlock(path).block;
    group.length = 3 * kBlockBytes;
    for (uint32_t unit = 0; unit < 5; ++unit) Have(static_cast<int>(unit), group, unit);
    EXPECT_THAT(nn_->impl().Complete(kSuper, path, kNoInode, "client", group, nullptr).value,
                IsOkAndHolds(true));
    return group;
  }
  static BlockVersion Unit(const BlockVersion& group, uint32_t unit) {
    return UnitOfCold(group, group.length, unit);
  }
  BlockVersion Unit(uint32_t unit) const { return Unit(group_, unit); }
  void Have(int node, const BlockVersion& group, uint32_t unit) {
    EXPECT_OK(nn_->Report(node, Unit(group, unit), ReplicaState::kFinalized));
  }
  // Everybody says this of every group from now on.
  void AllSay(Said result, uint32_t unit = 0) {
    answer_ = [=](const Asked&) { return GroupVerdict{.result = result, .unit = unit}; };
  }
  // One after the other; what comes later has no answer.
  void Say(std::vector<GroupVerdict> verdicts) {
    answer_ = [verdicts, next = size_t{0}](const Asked&) mutable -> std::optional<GroupVerdict> {
      if (next == verdicts.size()) return std::nullopt;
      return verdicts[next++];
    };
  }

  void Told(int node, const DatanodeCommand& command) override {
    if (const auto* const rebuild = std::get_if<RebuildCommand>(&command)) {
      rebuilds_.push_back(*rebuild);
      for (const RebuildCommand::Target& target : rebuild->targets) {
        if (rebuilding_) Have(NodeOf(target.at.datanode_uuid), rebuild->group, target.unit);
      }
    }
    const auto* const verify = std::get_if<VerifyGroupCommand>(&command);
    if (verify == nullptr) return;
    asked_.push_back({node, *verify});
    std::optional<GroupVerdict> verdict = answer_ ? answer_(asked_.back()) : std::nullopt;
    if (!verdict) return;
    verdict->group = verify->group.id;
    verdict->stamp = verify->group.stamp;
    verdict->number = verify->number;
    verdict->reason = absl::StrCat("as dn-", node, " saw");
    answers_.push_back({node, *verdict});
  }
  // In the next heartbeat: that unit 2 is wrong.
  void AnswerLate(const Asked& asked) {
    answers_.push_back({asked.node,
                        {.group = asked.command.group.id,
                         .stamp = asked.command.group.stamp,
                         .number = asked.command.number,
                         .result = Said::kOneIsWrong,
                         .unit = 2,
                         .reason = "it differs"}});
  }
  void AfterMaintenance() override { Tell(); }
  void Tell() {
    for (const auto& [node, verdict] : std::exchange(answers_, {})) {
      if (!dead_.contains(node)) Obey(node, nn_->Heartbeat(node, false, {}, {}, {verdict}));
    }
  }

  std::string Contradiction(uint32_t unit = 0) { return Health(Unit(unit)).contradiction; }
  // Where readers are sent for the unit.
  std::set<int> HoldersOf(uint32_t unit) {
    std::set<int> nodes;
    for (const int node : Holders(Unit(unit))) nodes.insert(node);
    return nodes;
  }
  void ExpectNothingDone() {
    EXPECT_THAT(rebuilds_, IsEmpty());
    EXPECT_THAT(deletions_, IsEmpty());
    EXPECT_THAT(copies_, IsEmpty());
  }

  BlockVersion group_;
  std::function<std::optional<GroupVerdict>(const Asked&)> answer_;
  std::vector<Asked> asked_;
  std::vector<std::pair<int, GroupVerdict>> answers_;  // not told yet
  std::vector<RebuildCommand> rebuilds_;
  bool rebuilding_ = true;
};

TEST_F(GroupScanTest, EachGroupIsVerifiedOnceInAPeriodByOneThatHasAUnit) {
  StartWith(7, {.period = kPeriod, .bandwidth = 1234567});
  AllSay(Said::kAgree);
  Pass(kUntilFirst);
  ASSERT_THAT(asked_, SizeIs(1));
  const auto& [node, command] = asked_[0];
  EXPECT_LT(node, 5);
  EXPECT_EQ(command.group.id, group_.id);
  EXPECT_EQ(command.group.stamp, group_.stamp);
  EXPECT_EQ(command.group.length, group_.length);
  EXPECT_EQ(command.schema.data_units, 3u);
  EXPECT_EQ(command.schema.parity_units, 2u);
  EXPECT_EQ(command.cell_bytes, kCell);
  EXPECT_EQ(command.bytes_per_second, 1234567u);
  ASSERT_THAT(command.sources, SizeIs(5));
  for (uint32_t unit = 0; unit < 5; ++unit) {
    EXPECT_EQ(command.sources[unit].unit, unit);
    EXPECT_EQ(NodeOf(command.sources[unit].datanode_uuid), static_cast<int>(unit));
  }
  Pass(kPeriod - absl::Minutes(5));
  EXPECT_THAT(asked_, SizeIs(1));
  Pass(absl::Minutes(10));
  EXPECT_THAT(asked_, SizeIs(2));
  EXPECT_EQ(Contradiction(), "");
  ExpectNothingDone();
}

TEST_F(GroupScanTest, WithoutAPeriodNothingIsVerified) {
  StartWith(7, {.period = absl::ZeroDuration()});
  Pass(3 * kPeriod);
  EXPECT_THAT(asked_, IsEmpty());
}

TEST_F(GroupScanTest, AllGroupsAreComeToWhereverTheRoundBegins) {
  StartWith(5);
  std::set<BlockId> groups = {group_.id};
  for (int i = 0; i < 10; ++i) groups.insert(WriteGroup(absl::StrCat("/cold/", i)).id);
  AllSay(Said::kAgree);
  for (size_t round = 1; round <= 3; ++round) {
    Pass(round == 1 ? kUntilFirst : kPeriod);
    ASSERT_THAT(asked_, SizeIs(round * groups.size()));
    std::set<BlockId> seen;
    for (size_t i = (round - 1) * groups.size(); i < asked_.size(); ++i) {
      seen.insert(asked_[i].command.group.id);
    }
    EXPECT_EQ(seen, groups);
  }
}

TEST_F(GroupScanTest, SoManyAreVerifiedAtATimeAndADatanodeVerifiesOne) {
  StartWith(5, {.period = kPeriod, .parallel = 3});
  for (int i = 0; i < 10; ++i) WriteGroup(absl::StrCat("/cold/", i));
  for (int step = 0; step < 1000 && asked_.empty(); ++step) Pass(absl::Seconds(3));
  Pass(absl::Seconds(6));  // nobody answers, and all are waited for still
  ASSERT_THAT(asked_, SizeIs(3));
  std::set<int> nodes;
  for (const Asked& asked : asked_) nodes.insert(asked.node);
  EXPECT_THAT(nodes, SizeIs(3));
}

TEST_F(GroupScanTest, AContradictionThatASecondDatanodeDoesNotFindIsNone) {
  StartWith(7);
  Say({{.result = Said::kOneIsWrong, .unit = 2}, {.result = Said::kAgree}});
  Pass(kUntilFirst);
  ASSERT_THAT(asked_, SizeIs(2)) << "at once";
  EXPECT_NE(asked_[1].node, asked_[0].node);
  EXPECT_NE(asked_[1].node, 2) << "it has the unit in question";
  EXPECT_EQ(Contradiction(), "");
  EXPECT_EQ(Totals().groups.contradicting, 0u);
  ExpectNothingDone();
}

TEST_F(GroupScanTest, AUnitThatTwoNameIsToldAndNothingIsDoneAboutIt) {
  StartWith(7);
  AllSay(Said::kOneIsWrong, 2);
  Pass(kUntilFirst);
  ASSERT_THAT(asked_, SizeIs(2));
  for (const uint32_t unit : {0, 2}) {  // whichever of its units is asked about
    EXPECT_THAT(
        Contradiction(unit),
        AllOf(HasSubstr(absl::StrCat("unit 2 (blk_", ToSigned(Unit(2).id), ") on datanode")),
              HasSubstr(absl::StrCat("as dn-", asked_[1].node, " saw"))));
  }
  EXPECT_EQ(Totals().groups.contradicting, 1u);
  ExpectNothingDone();
  EXPECT_EQ(HoldersOf(2), std::set<int>{2});
  // Somebody has put it right.
  AllSay(Said::kAgree);
  Pass(kPeriod);
  EXPECT_EQ(Contradiction(), "");
  EXPECT_EQ(Totals().groups.contradicting, 0u);
}

// As docs/operations.md says.
TEST_F(GroupScanTest, AWrongUnitThatIsTakenAwayIsForgottenAndTheGroupLookedAtAgain) {
  StartWith(7);
  AllSay(Said::kOneIsWrong, 2);
  Pass(kUntilFirst);
  ASSERT_NE(Contradiction(), "");
  AllSay(Said::kAgree);
  EXPECT_OK(nn_->Report(2, Unit(2), ReplicaState::kDeleted));
  EXPECT_EQ(Contradiction(), "");
  Pass(absl::Minutes(10));
  ASSERT_THAT(rebuilds_, SizeIs(1));
  EXPECT_THAT(asked_, SizeIs(3)) << "once it was there again";
}

TEST_F(GroupScanTest, AUnitThatTwoNameIsComputedAnewIfItIsToBe) {
  StartWith(7, {.period = kPeriod, .replace = true});
  AllSay(Said::kOneIsWrong, 2);
  for (int step = 0; step < 1000 && asked_.size() < 2; ++step) Pass(absl::Seconds(3));
  AllSay(Said::kAgree);
  Pass(absl::Minutes(10));
  ASSERT_THAT(rebuilds_, SizeIs(1));
  ASSERT_THAT(rebuilds_[0].targets, SizeIs(1));
  EXPECT_EQ(rebuilds_[0].targets[0].unit, 2u);
  EXPECT_THAT(rebuilds_[0].sources, SizeIs(4)) << "one to compare with";
  for (const RebuildCommand::Source& source : rebuilds_[0].sources) EXPECT_NE(source.unit, 2u);
  EXPECT_THAT(deletions_, Contains(std::pair(2, Unit(2).id)));
  EXPECT_THAT(deletions_, SizeIs(1));
  const int at = NodeOf(rebuilds_[0].targets[0].at.datanode_uuid);
  EXPECT_GE(at, 5);
  EXPECT_EQ(HoldersOf(2), std::set<int>{at});
  EXPECT_EQ(Contradiction(), "");
  ASSERT_THAT(asked_, SizeIs(3)) << "and looked at again";
  EXPECT_EQ(NodeOf(asked_[2].command.sources[2].datanode_uuid), at);
}

TEST_F(GroupScanTest, WhereNobodyCanBeNamedNothingIsDone) {
  StartWith(7, {.period = kPeriod, .replace = true});
  AllSay(Said::kContradict);
  Pass(kUntilFirst);
  ASSERT_THAT(asked_, SizeIs(2));
  EXPECT_THAT(Contradiction(), AllOf(HasSubstr("which one is wrong is not sure"),
                                     HasSubstr(absl::StrCat("as dn-", asked_[0].node, " saw")),
                                     HasSubstr(absl::StrCat("as dn-", asked_[1].node, " saw"))));
  EXPECT_EQ(Totals().groups.contradicting, 1u);
  ExpectNothingDone();
}

TEST_F(GroupScanTest, TwoThatNameDifferentUnitsNameNobody) {
  StartWith(7, {.period = kPeriod, .replace = true});
  Say({{.result = Said::kOneIsWrong, .unit = 1}, {.result = Said::kOneIsWrong, .unit = 4}});
  Pass(kUntilFirst);
  ASSERT_THAT(asked_, SizeIs(2));
  EXPECT_THAT(Contradiction(), HasSubstr("not sure"));
  ExpectNothingDone();
}

TEST_F(GroupScanTest, ASecondOneThatDoesNotAnswerIsFollowedByOthersAndThenByTheFirstOnesWord) {
  StartWith(7, {.period = kPeriod, .replace = true});
  Say({{.result = Said::kOneIsWrong, .unit = 2}});
  Pass(kUntilFirst);
  ASSERT_THAT(asked_, SizeIs(2));
  EXPECT_EQ(Contradiction(), "") << "not yet";
  Pass(absl::Minutes(40));
  EXPECT_GT(asked_.size(), 3u);
  for (size_t i = 1; i < asked_.size(); ++i) {
    EXPECT_NE(asked_[i].node, asked_[0].node);
    EXPECT_NE(asked_[i].node, 2);
  }
  EXPECT_THAT(Contradiction(), AllOf(HasSubstr("one datanode alone"),
                                     HasSubstr(absl::StrCat("as dn-", asked_[0].node, " saw"))));
  ExpectNothingDone();
}

// ---- what is not looked at, and what changes meanwhile

TEST_F(GroupScanTest, WhatIsBeingWrittenIsNotLookedAt) {
  StartWith(7);
  nn_->Create("/cold/open");
  const BlockVersion open = nn_->AddBlock("/cold/open").block;
  for (uint32_t unit = 0; unit < 5; ++unit) {
    EXPECT_OK(nn_->Report(static_cast<int>(unit), {UnitOf(open.id, unit), open.stamp, 1000},
                          ReplicaState::kBeingWritten));
  }
  AllSay(Said::kAgree);
  Pass(kUntilFirst);
  ASSERT_THAT(asked_, SizeIs(1));
  EXPECT_EQ(asked_[0].command.group.id, group_.id);
}

TEST_F(GroupScanTest, WhatHasLostAUnitIsNotLookedAtUntilItIsThereAgain) {
  StartWith(5);  // nobody can take another unit
  AllSay(Said::kAgree);
  Kill(3);
  Pass(kUntilFirst);
  EXPECT_THAT(asked_, IsEmpty());
  Return(3);
  nn_->SendFullReport(3);
  Pass(kPeriod + absl::Minutes(1));
  EXPECT_THAT(asked_, SizeIs(1));
}

TEST_F(GroupScanTest, AGroupThatIsDeletedMeanwhileIsNeverCalledWrong) {
  StartWith(7, {.period = kPeriod, .replace = true});
  for (int step = 0; step < 1000 && asked_.empty(); ++step) Pass(absl::Seconds(3));
  ASSERT_THAT(asked_, SizeIs(1));
  EXPECT_THAT(nn_->impl().Delete(kSuper, "/cold/f", false).value, IsOkAndHolds(true));
  AnswerLate(asked_[0]);
  Pass(absl::Minutes(30));
  EXPECT_THAT(asked_, SizeIs(1));
  EXPECT_THAT(rebuilds_, IsEmpty());
  EXPECT_EQ(Totals().groups.contradicting, 0u);
}

TEST_F(GroupScanTest, AUnitThatWasElsewhereWhenItWasReadIsLookedAtFromTheBeginning) {
  StartWith(7, {.period = kPeriod, .replace = true});
  for (int step = 0; step < 1000 && asked_.empty(); ++step) Pass(absl::Seconds(3));
  ASSERT_THAT(asked_, SizeIs(1));
  EXPECT_OK(nn_->Report(2, Unit(2), ReplicaState::kDeleted));
  Have(6, group_, 2);
  AnswerLate(asked_[0]);
  Say({{.result = Said::kOneIsWrong, .unit = 2}, {.result = Said::kAgree}});
  Pass(absl::Minutes(10));
  EXPECT_THAT(asked_, SizeIs(3)) << "what the first one said does not count";
  EXPECT_EQ(NodeOf(asked_[1].command.sources[2].datanode_uuid), 6);
  EXPECT_EQ(Totals().groups.contradicting, 0u);
  ExpectNothingDone();
}

// All units are where they were when it is told.
TEST_F(GroupScanTest, AUnitThatWasReplacedInItsPlaceWhileItWasReadIsLookedAtFromTheBeginning) {
  StartWith(7, {.period = kPeriod, .replace = true});
  for (int step = 0; step < 1000 && asked_.empty(); ++step) Pass(absl::Seconds(3));
  ASSERT_THAT(asked_, SizeIs(1));
  EXPECT_OK(nn_->Report(2, Unit(2), ReplicaState::kDeleted));
  Have(2, group_, 2);
  AnswerLate(asked_[0]);
  Say({{.result = Said::kOneIsWrong, .unit = 2}, {.result = Said::kAgree}});
  Pass(absl::Minutes(10));
  EXPECT_THAT(asked_, SizeIs(3)) << "what the first one said does not count";
  EXPECT_EQ(Totals().groups.contradicting, 0u);
  ExpectNothingDone();
}

TEST_F(GroupScanTest, OfAGroupThatIsNotWholeAnyMoreOneDatanodesWordIsNotTold) {
  StartWith(5, {.period = kPeriod, .replace = true});  // nobody can take another unit
  Say({{.result = Said::kOneIsWrong, .unit = 2}, {.result = Said::kCouldNot}});
  for (int step = 0; step < 1000 && asked_.size() < 2; ++step) Pass(absl::Seconds(3));
  ASSERT_THAT(asked_, SizeIs(2));
  Kill(3);
  Pass(absl::Minutes(40));
  EXPECT_THAT(asked_, SizeIs(2));
  EXPECT_EQ(Contradiction(), "");
  EXPECT_EQ(Totals().groups.contradicting, 0u);
  ExpectNothingDone();
}

// As one does that is older, and does not know the order.
TEST_F(GroupScanTest, DatanodesThatNeverAnswerCostTheirGroupsARoundAndNoMore) {
  StartWith(5);
  for (int i = 0; i < 10; ++i) WriteGroup(absl::StrCat("/cold/", i));
  Pass(kPeriod);
  EXPECT_THAT(asked_, SizeIs(11)) << "each once";
  AllSay(Said::kAgree);
  Pass(kPeriod);
  EXPECT_THAT(asked_, SizeIs(22));
  ExpectNothingDone();
}

TEST_F(GroupScanTest, AnAnswerThatNobodyAskedForIsPassedOver) {
  StartWith(7, {.period = kPeriod, .replace = true});
  for (int node = 0; node < 7; ++node) {
    nn_->Heartbeat(node, false, {}, {},
                   {{.group = group_.id,
                     .stamp = group_.stamp,
                     .number = 1,
                     .result = Said::kOneIsWrong,
                     .unit = 2,
                     .reason = "it differs"}});
  }
  AllSay(Said::kAgree);
  Pass(kUntilFirst);
  EXPECT_THAT(asked_, SizeIs(1));
  EXPECT_EQ(Contradiction(), "");
  ExpectNothingDone();
}

}  // namespace
}  // namespace cairn::namenode
