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

}  // namespace
}  // namespace cairn::datanode
