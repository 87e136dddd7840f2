// Erasure-coded files whose datanodes refuse, hang, fail or restart one after the other: the writer
// goes on, in groups that are whole.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/testing/group_streams_fixture.h"
#include "common/testing/eventually.h"
#include "common/testing/fake_clock.h"
#include "erasure/layout.h"

namespace cairn::client {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Ne;
using ::testing::SizeIs;

constexpr uint64_t kStripes = 32;  // of a full group

// Time stands still, but for what tests say: who is excluded stays so.
class StripedRestartsTest : public GroupStreamsTest {
 protected:
  StripedRestartsTest() { Use(5); }
  // Their threads use what is gone before the base class.
  ~StripedRestartsTest() override {
    out_ = nullptr;
    fs_ = nullptr;
  }

  // What one call has written is acknowledged when it returns, up to the last whole stripe.
  static ClientOptions InStep() {
    ClientOptions options = Options();
    options.block_bytes = kStripes * kCell;
    options.write_window_bytes = 100;
    return options;
  }
  // A cluster of so many datanodes, and one file.
  void Use(int nodes, const erasure::Policy& policy = SmallCells(3, 2)) {
    Use(nodes, policy, InStep(), clock_);
  }
  void Use(int nodes, const erasure::Policy& policy, const ClientOptions& options, Clock& clock) {
    out_ = nullptr;
    fs_ = nullptr;
    policy_ = policy;
    nodes_ = std::make_unique<FakeGroups>(policy, nodes);
    fs_ = nodes_->Connect(options, clock);
    data_.clear();
    ASSERT_OK_AND_ASSIGN(out_, fs_->Create("/f"));
  }

  uint64_t stripe_bytes() const { return policy_.schema.data_units * kCell; }
  void Put(uint64_t bytes) {
    const std::string more = RandomBytes(bytes);
    ASSERT_OK(out_->Write(more));
    data_ += more;
  }
  void PutStripes(uint64_t stripes) { Put(stripes * stripe_bytes()); }
  void Close() { ASSERT_OK(out_->Close()); }

  std::vector<FakeGroups::Group> Groups() { return nodes_->Groups("/f"); }
  std::vector<uint64_t> StripesOfGroups() {
    std::vector<uint64_t> stripes;
    for (const FakeGroups::Group& group : Groups()) stripes.push_back(group.bytes / stripe_bytes());
    return stripes;
  }
  static std::vector<int> NodesOf(const FakeGroups::Group& group) {
    std::vector<int> nodes;
    for (const FakeGroups::Unit& unit : group.units) nodes.push_back(unit.node);
    return nodes;
  }
  void ExpectWritten(const Lost& lost) { ExpectStored(*nodes_, policy_, data_, lost); }
  // Every group has as many finished units as give its bytes back, each with what belongs to it.
  void ExpectReadable() {
    const erasure::Layout layout(policy_.schema, policy_.cell_bytes);
    uint64_t begin = 0;
    for (const FakeGroups::Group& group : Groups()) {
      const auto expected = MakeUnits(policy_, absl::string_view(data_).substr(begin, group.bytes));
      begin += group.bytes;
      size_t finished = 0;
      for (size_t unit = 0; unit < expected.size(); ++unit) {
        if (!group.units[unit].finished) continue;
        EXPECT_EQ(group.units[unit].stamp, group.stamp);
        EXPECT_EQ(group.units[unit].bytes, expected[unit]);
        ++finished;
      }
      EXPECT_GE(finished, layout.UnitsNeeded(group.bytes));
    }
    EXPECT_EQ(begin, data_.size());
    EXPECT_THAT(nodes_->Complaints(), IsEmpty());
    EXPECT_FALSE(nodes_->IsOpen("/f"));
  }

  FakeClock clock_;
  erasure::Policy policy_;
  std::unique_ptr<FakeGroups> nodes_;
  std::unique_ptr<OutputStream> out_;
  std::string data_;
};

// ---- Groups that end early ----

TEST_F(StripedRestartsTest, AGroupThatHasLostAUnitEndsWithItsStripeAndTheNextIsWhole) {
  Use(7);
  nodes_->DieAfterBytes(2, 2 * kCell);
  PutStripes(10);
  Put(100);
  Close();
  ExpectWritten({{2}});
  EXPECT_THAT(StripesOfGroups(), ElementsAre(3, 7));
  EXPECT_THAT(Groups()[0].lost, ElementsAre(2));
  EXPECT_THAT(NodesOf(Groups()[1]), ElementsAre(0, 1, 3, 4, 5));
  EXPECT_THAT(nodes_->History(), Contains(absl::StrCat("addBlock after ", 3 * stripe_bytes())));
}

TEST_F(StripedRestartsTest, MoreUnitsThanThereIsParityMayFailOneAfterTheOther) {
  Use(9);
  nodes_->DieAfterBytes(0, kCell);
  nodes_->DieAfterBytes(3, 3 * kCell);
  nodes_->DieAfterBytes(5, 5 * kCell);
  nodes_->DieAfterBytes(1, 9 * kCell);
  for (int i = 0; i < 30; ++i) PutStripes(1);
  Close();
  EXPECT_THAT(StripesOfGroups(), ElementsAre(2, 4, 6, 10, 8));
  ExpectWritten({{0}, {2}, {3}, {0}});
}

TEST_F(StripedRestartsTest, WhatAFlushAcknowledgedIsToldAfterAnEarlyEndToo) {
  Use(7);
  PutStripes(2);
  nodes_->Restart(4);
  Put(stripe_bytes() + 10);
  ASSERT_OK(out_->Hflush());
  ExpectUnits(*nodes_, policy_, data_, {{4}});
  EXPECT_THAT(nodes_->History().back(), HasSubstr("fsync "));
  uint64_t told = 0;
  for (const FakeGroups::Group& group : Groups()) told += group.bytes;
  EXPECT_EQ(told, data_.size());
  Put(10);
  Close();
  ExpectWritten({{4}});
}

TEST_F(StripedRestartsTest, ARollingRestartOfAllDatanodesEndsNoStream) {
  Use(5);
  for (int round = 0; round < 3; ++round) {
    for (int node = 0; node < 5; ++node) {
      PutStripes(1);
      Put(kCell / 2);
      nodes_->Restart(node);
      clock_.Advance(absl::Seconds(2));
    }
  }
  Close();
  ExpectReadable();
}

// After the first one there is no parity to lose another.
TEST_F(StripedRestartsTest, ARollingRestartEndsNoStreamWithOneParityUnitEither) {
  Use(3, SmallCells(2, 1));
  for (int round = 0; round < 3; ++round) {
    for (int node = 0; node < 3; ++node) {
      PutStripes(1);
      Put(10);
      nodes_->Restart(node);
    }
  }
  Close();
  ExpectReadable();
}

// A datanode that restarts with every stripe, on a cluster that has no other.
TEST_F(StripedRestartsTest, AFlappingDatanodeMakesFewGroups) {
  Use(5);
  for (uint64_t i = 0; i < 3 * kStripes; ++i) {
    PutStripes(1);
    nodes_->Restart(4);
    clock_.Advance(absl::Seconds(31));
  }
  Close();
  ExpectReadable();
  // Of 1, 2, 4, 8 and 16 stripes at the least, and as many full ones as have room behind them.
  EXPECT_LE(Groups().size(), 5u + 3u);
}

// ---- Writers who pause ----

class PausingWriterTest : public StripedRestartsTest {
 protected:
  PausingWriterTest() {
    ClientOptions options = InStep();
    options.read_timeout = absl::Milliseconds(40);  // the stream keeper looks every 5 ms
    Use(7, SmallCells(3, 2), options, SystemClock());
  }
  size_t Finished() {
    size_t finished = 0;
    const FakeGroups::Group first = Groups()[0];
    for (const FakeGroups::Unit& unit : first.units) finished += unit.finished;
    return finished;
  }
};

TEST_F(PausingWriterTest, TheGroupIsEndedForThemAndCanLoseNothingMore) {
  PutStripes(2);
  Put(kCell + 1);
  nodes_->Restart(1);
  EVENTUALLY(Finished() == 4 && nodes_->Connections() == 0);
  for (const int node : {0, 2, 3, 4}) nodes_->Restart(node);
  Put(2 * stripe_bytes());
  Close();
  ExpectWritten({{1}});
  EXPECT_THAT(StripesOfGroups().front(), 2);
  EXPECT_EQ(nodes_->Calls("updateBlockForPipeline"), 0) << "the lost one had all its data";
}

// What Hsync finds closed is on stable media already: the writer had not asked for it by then.
TEST_F(PausingWriterTest, TheyMayCloseOrFlushNext) {
  enum Next { kClose, kFlush, kSync };
  for (const Next next : {kClose, kFlush, kSync}) {
    SCOPED_TRACE(next);
    ClientOptions options = InStep();
    options.read_timeout = absl::Milliseconds(40);
    Use(7, SmallCells(3, 2), options, SystemClock());
    PutStripes(2);
    nodes_->Restart(1);
    EVENTUALLY(Finished() == 4 && nodes_->Connections() == 0);
    if (next != kClose) {
      ASSERT_OK(next == kFlush ? out_->Hflush() : out_->Hsync());
      const std::vector<FakeGroups::Group> groups = Groups();
      for (const FakeGroups::Unit& unit : groups[0].units) EXPECT_EQ(unit.synced, unit.finished);
      EXPECT_EQ(nodes_->History().back(), absl::StrCat("fsync ", 2 * stripe_bytes()));
      Put(10);
    }
    Close();
    ExpectWritten({{1}});
  }
}

// ---- Too few to go on without one that restarts ----

TEST_F(StripedRestartsTest, ADatanodeThatRestartsIsWaitedForWhereThereAreTooFew) {
  Use(3);
  nodes_->RestartAfterBytes(1, 2 * kCell);
  PutStripes(5);
  Put(10);
  Close();
  ExpectWritten({{3, 4}, {3, 4}});
  EXPECT_THAT(StripesOfGroups(), ElementsAre(3, 2)) << "others may have come meanwhile";
  EXPECT_EQ(nodes_->Calls("updatePipeline"), 1);
}

// The others have finished their units by then, and do so anew, under the stamp that it gets.
TEST_F(StripedRestartsTest, SoIsOneThatRestartsWhileTheGroupIsClosing) {
  Use(3);
  nodes_->RestartAtClose(1);
  PutStripes(5);
  Put(10);
  Close();
  ExpectWritten({{3, 4}});
  EXPECT_THAT(StripesOfGroups(), ElementsAre(5));
  EXPECT_EQ(nodes_->Calls("updatePipeline"), 1);
}

TEST_F(StripedRestartsTest, OneThatComesBackThenWithoutItsUnitIsLost) {
  Use(3);
  nodes_->RestartAtClose(1);
  nodes_->RefuseRecovery(1);
  PutStripes(5);
  EXPECT_THAT(out_->Close(),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("has lost 3 of its 5 units")));
  EXPECT_EQ(nodes_->Calls("updatePipeline"), 0);
}

TEST_F(StripedRestartsTest, WhereItCanBeDoneWithoutNobodyIsWaitedForThen) {
  nodes_->RestartAtClose(1);
  PutStripes(5);
  Close();
  ExpectWritten({{1}});
  EXPECT_EQ(nodes_->Calls("updateBlockForPipeline"), 0);
}

TEST_F(StripedRestartsTest, OneThatFailsWithoutAWordIsNotWaitedFor) {
  Use(3);
  nodes_->DieAfterBytes(1, 2 * kCell);
  EXPECT_THAT(out_->Write(RandomBytes(5 * stripe_bytes())),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("has lost 3 of its 5 units")));
}

TEST_F(StripedRestartsTest, OneThatComesBackWithoutItsUnitIsLost) {
  Use(3);
  nodes_->RestartAfterBytes(1, 2 * kCell);
  nodes_->RefuseRecovery(1);
  EXPECT_THAT(out_->Write(RandomBytes(5 * stripe_bytes())),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("has lost 3 of its 5 units")));
}

TEST_F(StripedRestartsTest, OneThatDoesNotComeBackIsLost) {
  ClientOptions options = InStep();
  options.datanode_restart_timeout = absl::ZeroDuration();
  Use(3, SmallCells(3, 2), options, clock_);
  nodes_->RestartAfterBytes(1, 2 * kCell);
  PutStripes(1);
  nodes_->ClosePort(1);
  EXPECT_THAT(out_->Write(RandomBytes(4 * stripe_bytes())),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("is not back")));
}

// ---- Setting up a group ----

TEST_F(StripedRestartsTest, UnitsAreSetUpAtOnce) {
  Use(5, SmallCells(3, 2), InStep(), SystemClock());
  nodes_->AnswerSetUpsTogether(5);
  PutStripes(2);
  Close();
  ExpectWritten({});
  EXPECT_EQ(nodes_->Calls("abandonBlock"), 0);
}

TEST_F(StripedRestartsTest, SoAreTheyUnderANewStamp) {
  Use(4, SmallCells(3, 2), InStep(), SystemClock());
  PutStripes(1);
  nodes_->DieAfterBytes(0, kCell);
  nodes_->AnswerSetUpsTogether(3);
  PutStripes(1);
  Close();
  ExpectWritten({{0, 4}});
}

TEST_F(StripedRestartsTest, SignsOfLifeMayComeBeforeTheAnswer) {
  Use(5);
  nodes_->GiveSignsInSetUp(3);
  PutStripes(2);
  Close();
  ExpectWritten({});
}

TEST_F(StripedRestartsTest, ADatanodeThatRefusesIsReplacedBeforeAnythingIsWritten) {
  for (const int node : {1, 4}) {  // of data, of parity
    Use(7);
    nodes_->RefuseSetUp(node);
    PutStripes(kStripes + 1);
    Close();
    ExpectWritten({});
    EXPECT_THAT(Groups(), SizeIs(2));
    for (const FakeGroups::Group& group : Groups()) {
      EXPECT_THAT(NodesOf(group), Each(Ne(node)));
    }
    EXPECT_EQ(nodes_->Calls("abandonBlock"), 1);
    EXPECT_EQ(nodes_->Calls("updateBlockForPipeline"), 0);
  }
}

TEST_F(StripedRestartsTest, WithoutAnotherInItsPlaceItsUnitIsLostFromTheStart) {
  Use(5);
  nodes_->RefuseSetUp(1);
  PutStripes(2);
  Close();
  ExpectWritten({{4}});
  EXPECT_THAT(NodesOf(Groups()[0]), ElementsAre(0, 2, 3, 4, -1));
  EXPECT_EQ(nodes_->Calls("updateBlockForPipeline"), 0) << "the namenode knows";
}

TEST_F(StripedRestartsTest, AGroupOfWhichMoreThanTheParityRefuseIsBegunElsewhere) {
  Use(8);
  for (const int node : {0, 1, 2}) nodes_->RefuseSetUp(node);
  PutStripes(2);
  Close();
  ExpectWritten({});
  EXPECT_THAT(NodesOf(Groups()[0]), ElementsAre(3, 4, 5, 6, 7));
}

// The block before it is named again, with its length.
TEST_F(StripedRestartsTest, ALaterGroupIsBegunElsewhereToo) {
  Use(8);
  PutStripes(kStripes);
  for (const int node : {0, 1, 2}) nodes_->RefuseSetUp(node);
  PutStripes(1);
  Close();
  ExpectWritten({});
  EXPECT_THAT(Groups(), SizeIs(2));
}

TEST_F(StripedRestartsTest, WhereAllRefuseTheWriteFailsAfterSomeTriesAndLeavesNoGroup) {
  Use(5);
  for (int node = 0; node < 5; ++node) nodes_->RefuseSetUp(node);
  EXPECT_THAT(out_->Write(RandomBytes(stripe_bytes())),
              StatusIs(absl::StatusCode::kUnavailable, AllOf(HasSubstr("has lost 5 of its 5 units"),
                                                             HasSubstr("refused for a test"))));
  EXPECT_EQ(nodes_->Calls("abandonBlock"), 4) << "the first, and three tries more";
  EXPECT_THAT(Groups(), IsEmpty());
  EXPECT_THAT(nodes_->Complaints(), IsEmpty());
}

TEST_F(StripedRestartsTest, ADatanodeThatHangsIsGivenUpLongBeforeTheSocketTimeout) {
  ClientOptions options = InStep();
  options.silence_limit = absl::Seconds(3);  // more than a busy machine keeps the others
  Use(7, SmallCells(3, 2), options, SystemClock());
  nodes_->HangInSetUp(1);
  PutStripes(2);
  Close();
  ExpectWritten({});
  EXPECT_THAT(NodesOf(Groups()[0]), ElementsAre(0, 2, 3, 4, 5));
}

// ---- Who is excluded ----

TEST_F(StripedRestartsTest, DatanodesThatFailedAreTakenWhereOthersAreTooFew) {
  Use(4);
  nodes_->RefuseSetUp(0, /*times=*/1);
  nodes_->RefuseSetUp(1, /*times=*/1);
  PutStripes(2);
  Close();
  ExpectWritten({{4}});
  EXPECT_THAT(NodesOf(Groups()[0]), ElementsAre(0, 1, 2, 3, -1));
}

TEST_F(StripedRestartsTest, OneThatIsBackAlreadyIsTakenAtOnceWhereGroupsWouldLackAUnit) {
  Use(5);
  PutStripes(2);
  nodes_->Restart(3);
  PutStripes(2);
  Close();
  ExpectWritten({{3}});
  EXPECT_THAT(NodesOf(Groups().back()), ElementsAre(0, 1, 2, 3, 4));
}

TEST_F(StripedRestartsTest, OneThatFailsAgainIsTakenLater) {
  Use(5);
  nodes_->RefuseSetUp(0, /*times=*/2);
  PutStripes(kStripes);
  clock_.Advance(absl::Seconds(2));
  PutStripes(1);
  Close();
  ExpectWritten({{4}});
  ASSERT_THAT(Groups(), SizeIs(2));
  EXPECT_THAT(NodesOf(Groups()[0]), ElementsAre(1, 2, 3, 4, -1));
  EXPECT_THAT(NodesOf(Groups()[1]), ElementsAre(0, 1, 2, 3, 4));
}

TEST_F(StripedRestartsTest, WithAnotherInItsPlaceItIsLeftAlone) {
  Use(6);
  nodes_->RefuseSetUp(0, /*times=*/1);
  PutStripes(kStripes);
  clock_.Advance(absl::Minutes(9));
  PutStripes(kStripes);
  clock_.Advance(absl::Minutes(1));
  PutStripes(1);
  Close();
  ExpectWritten({});
  ASSERT_THAT(Groups(), SizeIs(3));
  EXPECT_THAT(NodesOf(Groups()[1]), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(NodesOf(Groups()[2]), ElementsAre(0, 1, 2, 3, 4));
}

}  // namespace
}  // namespace cairn::client
