#include "datanode/recovery/block_recovery.h"

#include "common/testing/faulty_file_system.h"
#include "common/testing/no_more_threads.h"
#include "common/testing/status_matchers.h"
#include "datanode/testing/test_store.h"

namespace cairn::datanode {
namespace {

using ::testing::ElementsAre;
using enum ReplicaState;

constexpr GenerationStamp kOld{1001};
constexpr GenerationStamp kNew{1010};

FoundReplica At(size_t node, ReplicaState state, uint64_t length, GenerationStamp stamp = kOld) {
  return {.node = node, .info = {.stamp = stamp, .state = state, .length = length}};
}

constexpr uint64_t kNothingKnown = 0;
constexpr bool kEverybody = true;  // has answered

TEST(PlanRecoveryTest, TheShortestOfThoseBeingWrittenDecides) {
  ASSERT_OK_AND_ASSIGN(const RecoveryPlan plan,
                       PlanRecovery({At(0, kBeingWritten, 900), At(1, kBeingWritten, 700),
                                     At(2, kWaitingRecovery, 100)},
                                    kOld, kNothingKnown, kEverybody));
  EXPECT_EQ(plan.length, 700u);
  EXPECT_THAT(plan.nodes, ElementsAre(0, 1));
}

TEST(PlanRecoveryTest, FinalizedReplicasWinAndThoseWithAsManyBytesJoin) {
  ASSERT_OK_AND_ASSIGN(
      const RecoveryPlan plan,
      PlanRecovery({At(0, kBeingWritten, 800), At(1, kFinalized, 800), At(2, kBeingWritten, 900),
                    At(3, kWaitingRecovery, 800), At(4, kBeingWritten, 799)},
                   kOld, kNothingKnown, kEverybody));
  EXPECT_EQ(plan.length, 800u);
  EXPECT_THAT(plan.nodes, ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(
      PlanRecovery({At(0, kFinalized, 1), At(1, kFinalized, 2)}, kOld, kNothingKnown, kEverybody),
      StatusIs(absl::StatusCode::kDataLoss));
}

TEST(PlanRecoveryTest, StaleAndEmptyReplicasDoNotCount) {
  ASSERT_OK_AND_ASSIGN(const RecoveryPlan plan,
                       PlanRecovery({At(0, kBeingWritten, 0), At(1, kWaitingRecovery, 50),
                                     At(2, kBeingWritten, 10, GenerationStamp{1000})},
                                    kOld, kNothingKnown, kEverybody));
  EXPECT_EQ(plan.length, 50u);
  EXPECT_THAT(plan.nodes, ElementsAre(1));
  EXPECT_THAT(PlanRecovery({}, kOld, kNothingKnown, kEverybody),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(PlanRecovery({At(0, kBeingWritten, 0)}, kOld, kNothingKnown, kEverybody)->length, 0u);
}

// After a power cut of all datanodes their tails differ. What fsync told the namenode was
// acknowledged, whoever lost it.
TEST(PlanRecoveryTest, AReplicaThatLacksBytesKnownToBeAcknowledgedDoesNotDecide) {
  const std::vector<FoundReplica> found = {
      At(0, kWaitingRecovery, 300), At(1, kWaitingRecovery, 900), At(2, kWaitingRecovery, 700)};
  ASSERT_OK_AND_ASSIGN(const RecoveryPlan plan, PlanRecovery(found, kOld, 650, kEverybody));
  EXPECT_EQ(plan.length, 900u);
  EXPECT_THAT(plan.nodes, ElementsAre(1));
  // Where nobody has them, what there is counts.
  ASSERT_OK_AND_ASSIGN(const RecoveryPlan lost, PlanRecovery(found, kOld, 1000, kEverybody));
  EXPECT_EQ(lost.length, 900u);
  EXPECT_THAT(lost.nodes, ElementsAre(1));
  // As long as somebody else may have them, nothing is given up.
  EXPECT_THAT(PlanRecovery(found, kOld, 1000, !kEverybody),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(PlanRecovery(found, kOld, 900, !kEverybody)->length, 900u);
}

// One node lost power and what it had not synced, the other was only killed: it has what hflush
// had acknowledged. (Found by tests/sim.)
TEST(PlanRecoveryTest, OfThoseWaitingTheLongestDecides) {
  ASSERT_OK_AND_ASSIGN(const RecoveryPlan plan,
                       PlanRecovery({At(0, kWaitingRecovery, 130), At(1, kWaitingRecovery, 746),
                                     At(2, kWaitingRecovery, 746)},
                                    kOld, kNothingKnown, kEverybody));
  EXPECT_EQ(plan.length, 746u);
  EXPECT_THAT(plan.nodes, ElementsAre(1, 2));
}

// The primary died after one node had finished: the length was decided then.
TEST(PlanRecoveryTest, ARepeatedRecoveryKeepsItsFirstLength) {
  ASSERT_OK_AND_ASSIGN(const RecoveryPlan plan,
                       PlanRecovery({At(0, kFinalized, 80, kNew), At(1, kBeingWritten, 100),
                                     At(2, kBeingWritten, 70)},
                                    kOld, kNothingKnown, kEverybody));
  EXPECT_EQ(plan.length, 80u);
  EXPECT_THAT(plan.nodes, ElementsAre(0, 1));
}

// Each try has a stamp of its own, so that a former primary is refused.
TEST(PlanRecoveryTest, WhatAnEarlierTryDecidedHoldsUnderItsOlderStampToo) {
  constexpr GenerationStamp kEarlier{1008}, kEarliest{1006};
  ASSERT_OK_AND_ASSIGN(
      const RecoveryPlan plan,
      PlanRecovery({At(0, kFinalized, 90, kEarliest), At(1, kFinalized, 80, kEarlier),
                    At(2, kBeingWritten, 100), At(3, kFinalized, 100), At(4, kBeingWritten, 70)},
                   kOld, kNothingKnown, kEverybody));
  EXPECT_EQ(plan.length, 80u);
  EXPECT_THAT(plan.nodes, ElementsAre(0, 1, 2, 3));
}

// Two tries finished on different nodes, each without the other's.
TEST(PlanRecoveryTest, OfTwoUnfinishedRecoveriesTheNewestDecides) {
  ASSERT_OK_AND_ASSIGN(const RecoveryPlan plan,
                       PlanRecovery({At(0, kFinalized, 80, GenerationStamp{1002}),
                                     At(1, kFinalized, 90, kNew), At(2, kBeingWritten, 100)},
                                    kOld, kNothingKnown, kEverybody));
  EXPECT_EQ(plan.length, 90u);
  EXPECT_THAT(plan.nodes, ElementsAre(1, 2));
}

// One replica, of 1024 bytes, whose writer has gone.
class RecoverBlockTest : public ::testing::Test {
 protected:
  RecoverBlockTest() {
    order_.mutable_block()->set_block_id(ToInt(kBlock));
    order_.mutable_block()->set_generation_stamp(ToInt(kOld));
    order_.set_new_generation_stamp(ToInt(kNew));
    order_.set_all_asked(true);
    order_.add_replicas();
  }
  void SetUp() override {
    {
      ASSERT_OK_AND_ASSIGN(auto writer, store_.Create(kBlock, kOld, 0));
      ASSERT_OK(testing::TestStore::WriteTo(*writer, 1024));
      ASSERT_OK(writer->Sync());
    }
    data_ = store_.Paths(kBlock).data;
  }
  absl::Status Recover() {
    const auto connect = [&](const internal::Replicate::Target&) { return NewLocalPeer(*store_); };
    const auto create_empty = []() -> absl::Status {
      ADD_FAILURE();
      return absl::OkStatus();
    };
    return RecoverBlock(order_, connect, create_empty);
  }

  static constexpr BlockId kBlock{7};
  testing::TestStore store_{std::vector<std::string>{"/v"}};
  internal::RecoverBlock order_;
  std::string data_;
};

// The only replica was damaged while nobody looked. A client's first hsync tells the namenode no
// length, so it knows of no byte.
TEST_F(RecoverBlockTest, ABlockDoesNotEndEmptyWhereItsReplicaIsCorrupt) {
  ASSERT_OK(store_.fs.FlipBit(data_, 100, 0));
  store_.Restart();
  EXPECT_FALSE(Recover().ok());
  EXPECT_EQ(store_.fs.ReadAll(data_, 1 << 20)->size(), 1024u);
}

TEST_F(RecoverBlockTest, WithoutAThreadForEachNodeTheyAreAskedInTurn) {
  store_.Restart();
  const NoMoreThreads none;
  EXPECT_OK(Recover());
  ASSERT_TRUE(store_->Find(kBlock).has_value());
  EXPECT_EQ(store_->Find(kBlock)->stamp, kNew);
  EXPECT_EQ(store_->Find(kBlock)->length, 1024u);
}

TEST(StopWriterTest, AWriterThatDoesNotStopIsNotWaitedForForever) {
  FaultyFileSystem fs;
  testing::RecordedEvents events;
  std::vector<std::unique_ptr<Volume>> volumes;
  ASSERT_OK_AND_ASSIGN(auto volume, Volume::Open(fs, {.path = "/v"}, 0, "dn-uuid"));
  volumes.push_back(std::move(volume));
  ReplicaStore store(std::move(volumes), StoreOptions{}, events);
  ASSERT_OK(store.Load());
  constexpr BlockId kBlock{7};
  EXPECT_OK(StopWriterAndWait(store, kBlock));
  ASSERT_OK_AND_ASSIGN(auto writer, store.Create({.block = kBlock, .stamp = kOld}));
  EXPECT_THAT(StopWriterAndWait(store, kBlock, absl::Milliseconds(1)),
              StatusIs(absl::StatusCode::kUnavailable));
  writer.reset();
  EXPECT_OK(StopWriterAndWait(store, kBlock));
}

}  // namespace
}  // namespace cairn::datanode
