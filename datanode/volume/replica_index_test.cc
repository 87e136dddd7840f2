#include "datanode/volume/replica_index.h"

#include <map>
#include <random>

#include "common/testing/status_matchers.h"
#include "datanode/testing/test_store.h"

namespace cairn::datanode {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::TestStore;

constexpr GenerationStamp kStamp{1001};
constexpr uint64_t kRun = ReplicaIndex::kRunIds;

TEST(ReplicaIndexTest, SlicesAscendAndBytesAreOfAllAboveWhereverTheRunsEnd) {
  ReplicaIndex index;
  const std::vector<uint64_t> ids = {1, kRun - 1, kRun, kRun + 1, 5 * kRun, uint64_t{1} << 63};
  for (const uint64_t id : ids) index.Add(BlockId{id}, 1 + id % 7);
  const auto bytes_of = [](BlockId block) { return 1 + ToInt(block) % 7; };
  for (const uint64_t after : {uint64_t{0}, uint64_t{1}, kRun - 2, kRun - 1, kRun, kRun + 7,
                               4 * kRun, 5 * kRun, ~uint64_t{0}}) {
    uint64_t expected = 0;
    for (const uint64_t id : ids) expected += id > after ? 1 + id % 7 : 0;
    EXPECT_EQ(index.BytesAbove(BlockId{after}, bytes_of), expected) << after;
  }
  EXPECT_THAT(index.Above(BlockId{1}, 2), ElementsAre(BlockId{kRun - 1}, BlockId{kRun}));
  EXPECT_THAT(index.Above(BlockId{5 * kRun}, 9), ElementsAre(BlockId{uint64_t{1} << 63}));
  EXPECT_THAT(index.Above(BlockId{~uint64_t{0}}, 9), IsEmpty());
}

TEST(ReplicaIndexTest, OneThatIsThereIsNotAddedAgainNorOneThatIsNotRemoved) {
  ReplicaIndex index;
  const auto bytes_of = [](BlockId) { return uint64_t{10}; };
  index.Add(BlockId{3 * kRun}, 10);
  index.Add(BlockId{3 * kRun}, 10);
  index.Remove(BlockId{3 * kRun + 1}, 10);
  EXPECT_EQ(index.BytesAbove(BlockId{0}, bytes_of), 10u);
  index.Remove(BlockId{3 * kRun}, 10);
  EXPECT_EQ(index.BytesAbove(BlockId{0}, bytes_of), 0u);
  EXPECT_THAT(index.Above(BlockId{0}, 9), IsEmpty());
}

TEST(ReplicaIndexTest, AllAreInOrderAndTheOthersAmongThem) {
  ReplicaIndex index;
  for (const uint64_t id : {2, 4, 9}) index.Add(BlockId{id}, 1);
  for (const uint64_t id : {1, 5, 7}) index.AddOther(BlockId{id});
  EXPECT_EQ(index.size(), 6u);
  EXPECT_THAT(index.AllIn(kAllBlocks, 9),
              ElementsAre(BlockId{1}, BlockId{2}, BlockId{4}, BlockId{5}, BlockId{7}, BlockId{9}));
  EXPECT_THAT(index.AllIn({BlockId{2}, BlockId{7}}, 9),
              ElementsAre(BlockId{2}, BlockId{4}, BlockId{5}, BlockId{7}));
  EXPECT_THAT(index.AllIn({BlockId{2}, BlockId{7}}, 3),
              ElementsAre(BlockId{2}, BlockId{4}, BlockId{5}));
  EXPECT_THAT(index.OthersIn({BlockId{2}, BlockId{7}}, 9), ElementsAre(BlockId{5}, BlockId{7}));
  EXPECT_THAT(index.OthersIn(kAllBlocks, 2), ElementsAre(BlockId{1}, BlockId{5}));
  EXPECT_THAT(index.Above(BlockId{0}, 9), ElementsAre(BlockId{2}, BlockId{4}, BlockId{9}));
  index.RemoveOther(BlockId{5});
  index.Remove(BlockId{4}, 1);
  EXPECT_THAT(index.AllIn({BlockId{2}, BlockId{7}}, 9), ElementsAre(BlockId{2}, BlockId{7}));
  EXPECT_EQ(index.size(), 4u);
}

// Whatever is done to replicas, the slices of a volume are what a look at all of them would find.
TEST(ReplicaIndexTest, TheStoreKeepsItInStepWithItsMap) {
  TestStore store;
  std::mt19937 random(20);
  const auto block_at = [](uint64_t place) { return BlockId{1 + place * (kRun / 3)}; };
  const auto block = [&] { return block_at(random() % 12); };
  uint64_t stamp = ToInt(kStamp);
  for (int step = 0; step < 600; ++step) {
    const BlockId id = block();
    const auto info = store->Find(id);
    switch (random() % 8) {
      case 0:
      case 1:
        if (!info) {
          ASSERT_OK(store.WriteFinalized(id, GenerationStamp{++stamp}, step % 2, step + 1));
        }
        break;
      case 2:
        if (info) store->MarkCorrupt(id, info->stamp);
        break;
      case 3:
        ASSERT_OK(store->Invalidate(id, GenerationStamp{stamp}));
        break;
      case 4:
        if (info) store->Move(*info, 1 - info->volume, [](uint64_t) { return true; }).IgnoreError();
        break;
      case 5:
        if (info) {
          store->OpenForAppend(id, info->stamp, GenerationStamp{++stamp}, info->length, false)
              .IgnoreError();  // left half-way
        }
        break;
      case 6:
        if (info && info->state == ReplicaState::kFinalized) {
          const ReplicaPaths paths = store.Paths(id);
          ASSERT_OK_AND_ASSIGN(const std::string data, store.fs.ReadAll(paths.data, 1 << 20));
          ASSERT_OK_AND_ASSIGN(const std::string meta, store.fs.ReadAll(paths.meta, 1 << 20));
          ASSERT_OK(store.fs.Remove(paths.data));
          EXPECT_TRUE(store->ForgetVanished(*info));
          EXPECT_FALSE(store->AdoptFound(*info)) << "its files are not there";
          ASSERT_OK(store.fs.WriteDurably(paths.data, data));
          ASSERT_OK(store.fs.WriteDurably(paths.meta, meta));
          EXPECT_TRUE(store->AdoptFound(*info));
        }
        break;
      default:
        if (random() % 20 == 0) store.Restart();
        break;
    }
    for (const int volume : {0, 1}) {
      std::vector<ReplicaInfo> all, told;
      for (uint64_t place = 0; place < 12; ++place) {
        const auto replica = store->Find(block_at(place));
        if (!replica || replica->volume != volume) continue;
        told.push_back(*replica);
        if (replica->state == ReplicaState::kFinalized) all.push_back(*replica);
      }
      ASSERT_EQ(store->List(volume), told) << step;
      const BlockId after = random() % 4 == 0 ? BlockId{0} : block();
      std::erase_if(all, [after](const ReplicaInfo& r) { return r.block <= after; });
      uint64_t bytes = 0;
      for (const ReplicaInfo& replica : all) bytes += replica.length;
      const size_t limit = 1 + random() % 4;
      const ReplicaStore::Slice slice = store->ListAfter(volume, after, limit);
      EXPECT_EQ(slice.bytes, bytes) << step;
      all.resize(std::min(all.size(), limit));
      ASSERT_EQ(slice.replicas, all) << step;
    }
  }
}

}  // namespace
}  // namespace cairn::datanode
