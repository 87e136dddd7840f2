#include "datanode/recovery/block_recovery.h"

#include "common/testing/faulty_file_system.h"
#include "common/testing/status_matchers.h"
#include "datanode/testing/test_node.h"

namespace cairn::datanode {
namespace {

using ::testing::ElementsAre;
using enum ReplicaState;

constexpr GenerationStamp kOld{1001};
constexpr GenerationStamp kNew{1010};

FoundReplica At(size_t node, ReplicaState state, uint64_t length, GenerationStamp stamp = kOld) {
  return {.node = node, .info = {.stamp = stamp, .state = state, .length = length}};
}

TEST(PlanRecoveryTest, TheShortestOfThoseBeingWrittenDecides) {
  ASSERT_OK_AND_ASSIGN(const RecoveryPlan plan,
                       PlanRecovery({At(0, kBeingWritten, 900), At(1, kBeingWritten, 700),
                                     At(2, kWaitingRecovery, 100)},
                                    kOld, kNew));
  EXPECT_EQ(plan.length, 700u);
  EXPECT_THAT(plan.nodes, ElementsAre(0, 1));
}

TEST(PlanRecoveryTest, FinalizedReplicasWinAndEqualOnesJoin) {
  ASSERT_OK_AND_ASSIGN(
      const RecoveryPlan plan,
      PlanRecovery({At(0, kBeingWritten, 800), At(1, kFinalized, 800), At(2, kBeingWritten, 900)},
                   kOld, kNew));
  EXPECT_EQ(plan.length, 800u);
  EXPECT_THAT(plan.nodes, ElementsAre(0, 1));
  EXPECT_THAT(PlanRecovery({At(0, kFinalized, 1), At(1, kFinalized, 2)}, kOld, kNew),
              StatusIs(absl::StatusCode::kDataLoss));
}

TEST(PlanRecoveryTest, StaleAndEmptyReplicasDoNotCount) {
  ASSERT_OK_AND_ASSIGN(const RecoveryPlan plan,
                       PlanRecovery({At(0, kBeingWritten, 0), At(1, kWaitingRecovery, 50),
                                     At(2, kBeingWritten, 10, GenerationStamp{1000})},
                                    kOld, kNew));
  EXPECT_EQ(plan.length, 50u);
  EXPECT_THAT(plan.nodes, ElementsAre(1));
  EXPECT_THAT(PlanRecovery({}, kOld, kNew), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(PlanRecovery({At(0, kBeingWritten, 0)}, kOld, kNew)->length, 0u);
}

// The primary died after one node had finished: the length was decided then.
TEST(PlanRecoveryTest, ARepeatedRecoveryKeepsItsFirstLength) {
  ASSERT_OK_AND_ASSIGN(const RecoveryPlan plan,
                       PlanRecovery({At(0, kFinalized, 80, kNew), At(1, kBeingWritten, 100),
                                     At(2, kBeingWritten, 70)},
                                    kOld, kNew));
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
                   kOld, kNew));
  EXPECT_EQ(plan.length, 80u);
  EXPECT_THAT(plan.nodes, ElementsAre(0, 1, 2, 3));
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
