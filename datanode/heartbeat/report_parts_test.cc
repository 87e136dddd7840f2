#include "datanode/heartbeat/report_parts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cairn::datanode {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

MATCHER_P2(Ids, first, last, "") { return ToInt(arg.first) == first && ToInt(arg.last) == last; }

std::vector<ReplicaInfo> Replicas(const std::vector<uint64_t>& ids) {
  std::vector<ReplicaInfo> replicas;
  for (const uint64_t id : ids) replicas.push_back({.block = BlockId{id}});
  return replicas;
}

std::vector<uint64_t> IdsOf(const ReportPart& part) {
  std::vector<uint64_t> ids;
  for (const ReplicaInfo& replica : part.replicas) ids.push_back(ToInt(replica.block));
  return ids;
}

TEST(ReportPartsTest, AWholeListIsCutByCount) {
  const auto replicas = Replicas({1, 2, 3});
  const auto parts = SplitReport(replicas, {}, 2);
  ASSERT_THAT(parts, SizeIs(2));
  EXPECT_THAT(IdsOf(parts[0]), ElementsAre(1, 2));
  EXPECT_THAT(IdsOf(parts[1]), ElementsAre(3));
  EXPECT_THAT(SplitReport({}, {}, 2), SizeIs(1)) << "an empty list is told, too";
}

TEST(ReportPartsTest, SmallRangesShareAPart) {
  const auto replicas = Replicas({11, 12, 41});
  const std::vector<BlockRange> ranges = {
      {BlockId{10}, BlockId{19}}, {BlockId{30}, BlockId{39}}, {BlockId{40}, BlockId{49}}};
  const auto parts = SplitReport(replicas, ranges, 3);
  ASSERT_THAT(parts, SizeIs(1));
  EXPECT_THAT(IdsOf(parts[0]), ElementsAre(11, 12, 41));
  EXPECT_THAT(parts[0].ranges, ElementsAre(Ids(10u, 19u), Ids(30u, 39u), Ids(40u, 49u)));
}

TEST(ReportPartsTest, ARangeThatIsTooLargeIsCutBehindAReplica) {
  const auto replicas = Replicas({11, 12, 14, 17, 33});
  const std::vector<BlockRange> ranges = {{BlockId{10}, BlockId{19}}, {BlockId{30}, BlockId{39}}};
  const auto parts = SplitReport(replicas, ranges, 2);
  ASSERT_THAT(parts, SizeIs(3));
  EXPECT_THAT(IdsOf(parts[0]), ElementsAre(11, 12));
  EXPECT_THAT(parts[0].ranges, ElementsAre(Ids(10u, 12u)));
  EXPECT_THAT(IdsOf(parts[1]), ElementsAre(14, 17));
  EXPECT_THAT(parts[1].ranges, ElementsAre(Ids(13u, 19u)));
  EXPECT_THAT(IdsOf(parts[2]), ElementsAre(33));
  EXPECT_THAT(parts[2].ranges, ElementsAre(Ids(30u, 39u)));
}

TEST(ReportPartsTest, ARangeWithoutReplicasIsToldAsEmpty) {
  const std::vector<BlockRange> ranges = {{BlockId{10}, BlockId{19}}};
  const auto parts = SplitReport({}, ranges, 2);
  ASSERT_THAT(parts, SizeIs(1));
  EXPECT_THAT(parts[0].replicas, IsEmpty());
  EXPECT_THAT(parts[0].ranges, ElementsAre(Ids(10u, 19u)));
}

TEST(ReportPartsTest, NeighbouringBucketsBecomeOneRangeAndIdZeroIsNone) {
  EXPECT_THAT(RangesOfBuckets({0, 1, 3}, 4), ElementsAre(Ids(1u, 31u), Ids(48u, 63u)));
  EXPECT_THAT(RangesOfBuckets({(uint64_t{1} << 60) - 1}, 4),
              ElementsAre(Ids(~uint64_t{0} - 15, ~uint64_t{0})));
}

// Ids of units have the highest bit.
TEST(ReportPartsTest, TheLastOfAllIdsAreInTheLastRange) {
  constexpr uint64_t kMost = ~uint64_t{0};
  const auto ranges = RangesOfBuckets({0, (kMost >> 4) - 1, kMost >> 4}, 4);
  EXPECT_THAT(ranges, ElementsAre(Ids(1u, 15u), Ids(kMost - 31, kMost)));
  const auto replicas = Replicas({7, kMost - 1, kMost});
  const auto parts = SplitReport(replicas, ranges, 2);
  ASSERT_THAT(parts, SizeIs(2));
  EXPECT_THAT(IdsOf(parts[0]), ElementsAre(7, kMost - 1));
  EXPECT_THAT(parts[0].ranges, ElementsAre(Ids(1u, 15u), Ids(kMost - 31, kMost - 1)));
  EXPECT_THAT(IdsOf(parts[1]), ElementsAre(kMost));
  EXPECT_THAT(parts[1].ranges, ElementsAre(Ids(kMost, kMost)));
}

// ---- what was told meanwhile

ReplicaChange Change(const std::string& storage, uint64_t block, internal::ReplicaState state,
                     uint64_t stamp = 1) {
  ReplicaChange change{.storage_uuid = storage};
  change.report.mutable_block()->set_block_id(block);
  change.report.mutable_block()->set_generation_stamp(stamp);
  change.report.set_state(state);
  return change;
}

ReplicaInfo Seen(uint64_t id, ReplicaState state = ReplicaState::kFinalized, uint64_t length = 0) {
  return {.block = BlockId{id}, .stamp = GenerationStamp{1}, .state = state, .length = length};
}

TEST(ReportPartsTest, AMoveThatWasToldIsInBothLists) {
  const std::vector<ReplicaChange> changes = {Change("v0", 7, internal::DELETED),
                                              Change("v1", 7, internal::FINALIZED)};
  for (const bool seen : {false, true}) {  // on both, if each was looked at in time
    const auto list = seen ? std::vector{Seen(5), Seen(7), Seen(9)} : std::vector{Seen(5), Seen(9)};
    EXPECT_THAT(BringUpTo(LastTold(changes, "v0"), {}, list), ElementsAre(Seen(5), Seen(9)));
    EXPECT_THAT(BringUpTo(LastTold(changes, "v1"), {}, list),
                ElementsAre(Seen(5), Seen(7), Seen(9)));
  }
}

TEST(ReportPartsTest, TheLastThatWasToldCounts) {
  const std::vector<ReplicaChange> changes = {
      Change("v0", 7, internal::BEING_WRITTEN), Change("v0", 7, internal::FINALIZED, 2),
      Change("v0", 8, internal::FINALIZED),     Change("v0", 8, internal::CORRUPT),
      Change("v0", 9, internal::FINALIZED),     Change("v0", 9, internal::DELETED)};
  ReplicaInfo newer = Seen(7);
  newer.stamp = GenerationStamp{2};
  EXPECT_THAT(BringUpTo(LastTold(changes, "v0"), {},
                        {Seen(7, ReplicaState::kBeingWritten), Seen(8), Seen(9)}),
              ElementsAre(newer, Seen(8, ReplicaState::kCorrupt)));
}

TEST(ReportPartsTest, AListKnowsHowLongAReplicaBeingWrittenIs) {
  const std::vector<ReplicaChange> changes = {Change("v0", 7, internal::BEING_WRITTEN)};
  const ReplicaInfo seen = Seen(7, ReplicaState::kBeingWritten, 500);
  EXPECT_THAT(BringUpTo(LastTold(changes, "v0"), {}, {seen}), ElementsAre(seen));
}

TEST(ReportPartsTest, WhatWasToldOutsideTheRangesOfAListIsNotAdded) {
  const std::vector<ReplicaChange> changes = {
      Change("v0", 9, internal::FINALIZED), Change("v0", 10, internal::FINALIZED),
      Change("v0", 19, internal::FINALIZED), Change("v0", 20, internal::FINALIZED)};
  const std::vector<BlockRange> ranges = {{BlockId{10}, BlockId{19}}};
  EXPECT_THAT(BringUpTo(LastTold(changes, "v0"), ranges, {Seen(15)}),
              ElementsAre(Seen(10), Seen(15), Seen(19)));
}

}  // namespace
}  // namespace cairn::datanode
