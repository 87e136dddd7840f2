// Going through all replicas of a volume while they come, go and change.
#include "common/testing/status_matchers.h"
#include "datanode/testing/test_store.h"

namespace cairn::datanode {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using testing::TestStore;

constexpr GenerationStamp kStamp{1001};
constexpr uint64_t kStep = ReplicaStore::kListStep;

class ReplicaListTest : public ::testing::Test {
 protected:
  void Write(uint64_t from, uint64_t to) {
    for (uint64_t id = from; id <= to; ++id) {
      ASSERT_OK(store_.WriteFinalized(BlockId{id}, kStamp, 0, 10));
    }
  }

  TestStore store_;
};

TEST_F(ReplicaListTest, WhereverAStepEndsAllAreListedAndSummedUpOnce) {
  for (uint64_t count = kStep - 1; count <= kStep + 1; ++count) {
    Write(count == kStep - 1 ? 1 : count, count);
    EXPECT_THAT(store_->List(0), SizeIs(count));
    const ReplicaStore::Summary summary = store_->Summarize(0, 5);
    EXPECT_THAT(summary.buckets, SizeIs(count / 32 + 1));
    ReplicaDigest told, expected;
    for (const auto& [number, digest] : summary.buckets) told += digest;
    for (uint64_t id = 1; id <= count; ++id) expected += ReplicaDigest::Of(BlockId{id}, kStamp, 10);
    EXPECT_EQ(told, expected);
  }
  const std::vector<BlockRange> ranges = {{BlockId{5}, BlockId{6}},
                                          {BlockId{kStep}, BlockId{~uint64_t{0}}}};
  std::vector<BlockId> in_ranges;
  for (const ReplicaInfo& replica : store_->List(0, ranges)) in_ranges.push_back(replica.block);
  EXPECT_THAT(in_ranges, ElementsAre(BlockId{5}, BlockId{6}, BlockId{kStep}, BlockId{kStep + 1}));
  EXPECT_THAT(store_->List(1), IsEmpty());
}

// Their ids have the highest bit: they come behind all others, by their group and number.
TEST_F(ReplicaListTest, UnitsOfGroupsComeBackAfterARestartAndAreListedBehindAllOthers) {
  const BlockId block{1073741825};
  const BlockId one = UnitOf(MakeGroupId(3), 1), two = UnitOf(MakeGroupId(3), 14);
  const BlockId open = UnitOf(MakeGroupId(4), 0);
  for (const BlockId id : {two, one, block}) ASSERT_OK(store_.WriteFinalized(id, kStamp, 0, 700));
  {
    ASSERT_OK_AND_ASSIGN(const auto writer, store_.Create(open, kStamp, 0));
    ASSERT_OK(TestStore::WriteTo(*writer, 600));
  }
  store_.Restart();
  ASSERT_OK(store_.loaded);
  std::vector<BlockId> listed;
  for (const ReplicaInfo& replica : store_->List(0)) listed.push_back(replica.block);
  EXPECT_THAT(listed, ElementsAre(block, one, two, open));
  EXPECT_EQ(store_->Find(two)->length, 700u);
  EXPECT_EQ(store_->Find(open)->state, ReplicaState::kWaitingRecovery);
  EXPECT_EQ(store_->Find(open)->length, 600u);
  EXPECT_THAT(store_.Read(one), IsOkAndHolds(testing::Pattern(700)));

  std::vector<BlockId> scanned;
  for (BlockId after{};;) {  // as the scanner goes through them
    const ReplicaStore::Slice slice = store_->ListAfter(0, after, 1);
    if (slice.replicas.empty()) break;
    after = slice.replicas[0].block;
    scanned.push_back(after);
  }
  EXPECT_THAT(scanned, ElementsAre(block, one, two));
  const ReplicaStore::Summary summary = store_->Summarize(0, 4);
  ASSERT_THAT(summary.buckets, SizeIs(2));
  EXPECT_EQ(summary.buckets[1].first, DigestBucket(one, 4));
  EXPECT_EQ(summary.buckets[1].second.count, 2u);
  EXPECT_THAT(summary.others, SizeIs(1));
}

TEST_F(ReplicaListTest, BetweenTwoStepsReplicasChangeAndNoneIsListedTwiceOrLeftOut) {
  Write(1, kStep + 3);
  BlockRange rest = kAllBlocks;
  std::vector<ReplicaInfo> list;
  ASSERT_TRUE(store_->ListSome(0, &rest, &list));
  EXPECT_THAT(list, SizeIs(kStep)) << "nobody is kept out for longer";

  // Behind the first step.
  ASSERT_OK(store_->Invalidate(BlockId{1}, kStamp));
  ASSERT_OK_AND_ASSIGN(const auto first,
                       store_->OpenForAppend(BlockId{2}, kStamp, GenerationStamp{1002}, 10, false));
  // Before the second.
  ASSERT_OK(store_->Invalidate(BlockId{kStep + 1}, kStamp));
  ASSERT_OK_AND_ASSIGN(const auto second, store_->OpenForAppend(BlockId{kStep + 2}, kStamp,
                                                                GenerationStamp{1002}, 10, false));
  store_->MarkCorrupt(BlockId{kStep + 3}, kStamp);
  Write(kStep + 4, kStep + 4);

  ASSERT_FALSE(store_->ListSome(0, &rest, &list));
  ASSERT_THAT(list, SizeIs(kStep + 3));
  for (uint64_t i = 0; i < kStep; ++i) {
    EXPECT_EQ(list[i].block, BlockId{i + 1});
    EXPECT_EQ(list[i].state, ReplicaState::kFinalized) << "as it was then";
  }
  EXPECT_EQ(list[kStep].block, BlockId{kStep + 2});
  EXPECT_EQ(list[kStep].state, ReplicaState::kBeingWritten);
  EXPECT_EQ(list[kStep + 1].block, BlockId{kStep + 3});
  EXPECT_EQ(list[kStep + 1].state, ReplicaState::kCorrupt);
  EXPECT_EQ(list[kStep + 2].block, BlockId{kStep + 4});
}

TEST_F(ReplicaListTest, AFailedVolumeForgetsAllHoweverManySteps) {
  Write(1, kStep + 1);
  ASSERT_OK(store_.WriteFinalized(BlockId{1 << 20}, kStamp, 1, 10));
  store_.volume(0).MarkFailed(absl::UnavailableError("the disk is gone"));
  EXPECT_EQ(store_->size(), 1u);
  EXPECT_THAT(store_->List(1), SizeIs(1));
}

}  // namespace
}  // namespace cairn::datanode
