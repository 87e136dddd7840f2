#include "namenode/blocks/block_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "namenode/blocks/testing/memory_store.h"
#include "namenode/store/keys.h"

namespace cairn::namenode {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using State = BlockMap::State;

constexpr BlockId kBlock{1073741825};

BlockVersion Version(uint64_t stamp, uint64_t length, BlockId id = kBlock) {
  return {id, GenerationStamp{stamp}, length};
}

ReportedReplica Finalized(uint64_t stamp, uint64_t length, BlockId id = kBlock) {
  return {Version(stamp, length, id), ReplicaState::kFinalized};
}

class BlockMapTest : public ::testing::Test {
 protected:
  BlockMap::ReportResult Report(uint32_t storage, const ExpectedBlock& expected,
                                const ReportedReplica& reported,
                                std::span<const uint32_t> same_node = {}) {
    EXPECT_EQ(blocks_.Find(kBlock)->state() == State::kUnderConstruction,
              expected.under_construction);
    return blocks_.ReplicaReported(storage, expected.version, reported, same_node);
  }
  BlockMap::ReportResult ReportCorrupt(uint32_t storage) {
    return Report(storage, Closed(1001, 100), {Version(1001, 100), ReplicaState::kCorrupt});
  }
  ExpectedBlock Open(uint64_t stamp, uint64_t length = 0) {
    return {Version(stamp, length), /*under_construction=*/true};
  }
  ExpectedBlock Closed(uint64_t stamp, uint64_t length) { return {Version(stamp, length), false}; }

  void AddOpen(std::vector<uint32_t> expected, uint64_t stamp = 1001) {
    blocks_.AddUnderConstruction(Version(stamp, 0), expected);
  }
  // A complete block of 100 bytes under stamp 1001 on these storages.
  void AddComplete(std::vector<uint32_t> storages) {
    AddOpen(storages);
    blocks_.Commit(Version(1001, 100));
    for (const uint32_t storage : storages) {
      Report(storage, Closed(1001, 100), Finalized(1001, 100));
    }
    blocks_.Complete(kBlock);
  }

  std::vector<uint32_t> Locations() {
    bool corrupt = false;
    std::vector<uint32_t> storages = blocks_.Locations(kBlock, &corrupt);
    EXPECT_FALSE(corrupt);
    return storages;
  }
  std::vector<uint32_t> Recorded() {
    store::Replicas record;
    const auto bytes = store_.Get(keys::Replicas(kBlock));
    if (!bytes) return {};
    CHECK(record.ParseFromString(*bytes));
    return {record.storages().begin(), record.storages().end()};
  }
  bool RecordedOn(uint32_t storage) { return store_.Has(keys::StorageBlock(storage, kBlock)); }

  MemoryStore store_;
  BlockMap blocks_{{}, store_};
};

TEST_F(BlockMapTest, ANewBlockIsWhereItsPipelineIs) {
  AddOpen({1, 2, 3});
  EXPECT_THAT(Locations(), ElementsAre(1, 2, 3));
  EXPECT_EQ(blocks_.LiveCount(kBlock), 0u);
  EXPECT_EQ(store_.size(), 0u) << "what is being written is in memory alone";
}

TEST_F(BlockMapTest, ReplicasReportedBeforeTheCommitCountWithIt) {
  AddOpen({1, 2, 3});
  EXPECT_EQ(Report(1, Open(1001), Finalized(1001, 100)).meaning, ReplicaMeaning::kFinalizedEarly);
  EXPECT_EQ(Report(2, Open(1001), Finalized(1001, 100)).reached_minimum, false);
  EXPECT_EQ(blocks_.CountMatching(Version(1001, 100)), 2u);
  EXPECT_EQ(blocks_.CountMatching(Version(1001, 99)), 0u);
  const auto commit = blocks_.Commit(Version(1001, 100));
  EXPECT_EQ(commit.live, 2u);
  EXPECT_THAT(commit.bad, IsEmpty());
  EXPECT_TRUE(blocks_.HasMinimum(kBlock));
  EXPECT_THAT(Recorded(), UnorderedElementsAre(1, 2));
  EXPECT_TRUE(RecordedOn(1) && RecordedOn(2) && !RecordedOn(3));
  EXPECT_THAT(Locations(), ElementsAre(1, 2, 3)) << "the third may be read while it finishes";
}

TEST_F(BlockMapTest, AReplicaReportedAfterTheCommitReachesTheMinimum) {
  AddOpen({1, 2});
  EXPECT_EQ(blocks_.Commit(Version(1001, 100)).live, 0u);
  EXPECT_FALSE(blocks_.HasMinimum(kBlock));
  const auto first = Report(1, Closed(1001, 100), Finalized(1001, 100));
  EXPECT_EQ(first.meaning, ReplicaMeaning::kCounts);
  EXPECT_TRUE(first.reached_minimum);
  EXPECT_TRUE(first.added);
  const auto second = Report(2, Closed(1001, 100), Finalized(1001, 100));
  EXPECT_EQ(second.live, 2u);
  EXPECT_FALSE(second.reached_minimum);
  EXPECT_FALSE(Report(2, Closed(1001, 100), Finalized(1001, 100)).added) << "a repeated report";
}

TEST_F(BlockMapTest, TheMinimumIsConfigurable) {
  BlockMap blocks({.min_replication = 2}, store_);
  blocks.AddUnderConstruction(Version(1001, 0), {});
  blocks.Commit(Version(1001, 5));
  EXPECT_FALSE(blocks.ReplicaReported(1, Version(1001, 5), Finalized(1001, 5), {}).reached_minimum);
  EXPECT_FALSE(blocks.HasMinimum(kBlock));
  EXPECT_TRUE(blocks.ReplicaReported(2, Version(1001, 5), Finalized(1001, 5), {}).reached_minimum);
}

TEST_F(BlockMapTest, TheCommitFindsReplicasOfAnotherLengthOrStampBad) {
  AddOpen({1, 2, 3});
  Report(1, Open(1001), Finalized(1001, 90));
  Report(3, Open(1001), Finalized(1001, 100));
  blocks_.SetPipeline(Version(1002, 0), std::vector<uint32_t>{2, 4});
  Report(2, Open(1002), Finalized(1002, 100));
  Report(4, Open(1002), Finalized(1002, 90));
  const auto commit = blocks_.Commit(Version(1002, 100));
  EXPECT_EQ(commit.live, 1u);
  EXPECT_THAT(commit.bad, UnorderedElementsAre(1, 3, 4));
  EXPECT_THAT(blocks_.CorruptReplicas(kBlock), UnorderedElementsAre(1, 3, 4));
  EXPECT_THAT(Locations(), ElementsAre(2));
}

TEST_F(BlockMapTest, AfterAPipelineRecoveryOnlyTheNewPipelineIsExpected) {
  AddOpen({1, 2, 3});
  // The datanodes go on under the new stamp before the namenode hears of it.
  EXPECT_EQ(Report(1, Open(1001), {Version(1002, 10), ReplicaState::kBeingWritten}).meaning,
            ReplicaMeaning::kBeingWritten);
  blocks_.SetPipeline(Version(1002, 10), std::vector<uint32_t>{1, 2});
  EXPECT_THAT(Locations(), ElementsAre(1, 2));
  EXPECT_EQ(Report(3, Open(1002), {Version(1001, 10), ReplicaState::kBeingWritten}).meaning,
            ReplicaMeaning::kStaleStamp);
  EXPECT_THAT(Locations(), ElementsAre(1, 2));
}

TEST_F(BlockMapTest, ADatanodeMayPutItsReplicaOnAnotherOfItsVolumes) {
  AddOpen({1, 2});
  const std::vector<uint32_t> same_node = {2, 12};
  Report(12, Open(1001), {Version(1001, 0), ReplicaState::kBeingWritten}, same_node);
  EXPECT_THAT(Locations(), ElementsAre(1, 12));
}

TEST_F(BlockMapTest, AfterARestartReportsTellWhereABlockIsBeingWritten) {
  blocks_.Insert(kBlock, std::nullopt);
  blocks_.Reopen(Version(1001, 0));
  Report(4, Open(1001), {Version(1001, 10), ReplicaState::kWaitingRecovery});
  Report(5, Open(1001), Finalized(1001, 10));
  EXPECT_THAT(Locations(), UnorderedElementsAre(4, 5));
  EXPECT_EQ(blocks_.Find(kBlock)->state(), State::kUnderConstruction);
  EXPECT_EQ(blocks_.stats().pinned, 1u);
}

TEST_F(BlockMapTest, AnAppendThatWritesNothingLeavesTheReplicasGood) {
  AddComplete({1, 2});
  blocks_.Reopen(Version(1001, 100));
  EXPECT_THAT(Locations(), UnorderedElementsAre(1, 2));
  EXPECT_EQ(blocks_.LiveCount(kBlock), 0u);
  EXPECT_EQ(blocks_.CountMatching(Version(1001, 100)), 2u);
  EXPECT_EQ(blocks_.Commit(Version(1001, 100)).live, 2u);
}

TEST_F(BlockMapTest, AnAppendCountsOnlyWhatWasWrittenByIt) {
  AddComplete({1, 2, 3});
  blocks_.Reopen(Version(1001, 100));
  blocks_.SetPipeline(Version(1002, 100), std::vector<uint32_t>{1, 2});
  Report(1, Open(1002), {Version(1002, 100), ReplicaState::kBeingWritten});
  Report(1, Open(1002), Finalized(1002, 150));
  Report(2, Open(1002), Finalized(1002, 150));
  const auto commit = blocks_.Commit(Version(1002, 150));
  EXPECT_EQ(commit.live, 2u);
  EXPECT_THAT(commit.bad, ElementsAre(3));
  EXPECT_THAT(Recorded(), UnorderedElementsAre(1, 2));
  EXPECT_FALSE(RecordedOn(3));
}

// Some clients append without a new stamp; the commit may come before the datanodes' reports.
TEST_F(BlockMapTest, AnAppendUnderTheSameStampCountsWhoReportsAfterTheCommit) {
  AddComplete({1, 2});
  blocks_.Reopen(Version(1001, 100));
  const auto commit = blocks_.Commit(Version(1001, 150));
  EXPECT_EQ(commit.live, 0u);
  EXPECT_THAT(commit.bad, IsEmpty());
  EXPECT_THAT(Locations(), UnorderedElementsAre(1, 2));
  EXPECT_TRUE(Report(1, Closed(1001, 150), Finalized(1001, 150)).reached_minimum);
  EXPECT_EQ(Report(2, Closed(1001, 150), Finalized(1001, 150)).live, 2u);
  EXPECT_THAT(Recorded(), UnorderedElementsAre(1, 2));
}

// A datanode says once that it writes, and not again when the pipeline gets a new stamp.
TEST_F(BlockMapTest, AMemberOfTheNewPipelineIsNotJudgedByWhatItSaidInTheOldOne) {
  AddOpen({1, 2, 3});
  for (const uint32_t storage : {1, 2, 3}) {
    Report(storage, Open(1001), {Version(1001, 0), ReplicaState::kBeingWritten});
  }
  blocks_.SetPipeline(Version(1002, 50), std::vector<uint32_t>{1, 2});
  const auto commit = blocks_.Commit(Version(1002, 100));
  EXPECT_THAT(commit.bad, ElementsAre(3));
  EXPECT_EQ(Report(1, Closed(1002, 100), Finalized(1002, 100)).live, 1u);
  EXPECT_EQ(Report(2, Closed(1002, 100), Finalized(1002, 100)).live, 2u);
  EXPECT_THAT(Locations(), UnorderedElementsAre(1, 2));
}

TEST_F(BlockMapTest, AWrongLengthIsForgivenWhenTheRightOneIsReported) {
  AddOpen({1, 2});
  Report(1, Open(1001), Finalized(1001, 100));
  blocks_.Commit(Version(1001, 100));
  EXPECT_EQ(Report(2, Closed(1001, 100), Finalized(1001, 90)).meaning,
            ReplicaMeaning::kWrongLength);
  EXPECT_THAT(blocks_.CorruptReplicas(kBlock), ElementsAre(2));
  EXPECT_EQ(Report(2, Closed(1001, 100), Finalized(1001, 100)).live, 2u);
  EXPECT_THAT(blocks_.CorruptReplicas(kBlock), IsEmpty());
}

TEST_F(BlockMapTest, CommittingAgainIsHarmless) {
  AddOpen({1});
  Report(1, Open(1001), Finalized(1001, 100));
  EXPECT_EQ(blocks_.Commit(Version(1001, 100)).live, 1u);
  EXPECT_EQ(blocks_.Commit(Version(1001, 100)).live, 1u);
  blocks_.Complete(kBlock);
  EXPECT_EQ(blocks_.Commit(Version(1001, 100)).live, 1u);
  EXPECT_EQ(blocks_.Find(kBlock)->state(), State::kComplete);
  blocks_.Complete(kBlock);
  EXPECT_EQ(blocks_.stats().pinned, 0u);
}

TEST_F(BlockMapTest, BadReportsOfACompleteBlockTakeTheReplicaAway) {
  struct Bad {
    ReportedReplica report;
    bool marked;
  };
  const Bad cases[] = {
      {Finalized(1000, 100), false},
      {Finalized(1001, 99), true},
      {Finalized(1002, 100), false},
      {{Version(1001, 50), ReplicaState::kWaitingRecovery}, true},
      {{Version(1001, 100), ReplicaState::kCorrupt}, true},
  };
  for (const Bad& bad : cases) {
    AddComplete({1, 2});
    const auto result = Report(1, Closed(1001, 100), bad.report);
    EXPECT_TRUE(result.removed);
    EXPECT_EQ(result.live, 1u);
    EXPECT_FALSE(RecordedOn(1));
    EXPECT_THAT(Recorded(), ElementsAre(2));
    EXPECT_EQ(blocks_.CorruptReplicas(kBlock).empty(), !bad.marked);
    blocks_.Remove(kBlock);
  }
  AddComplete({1, 2});
  EXPECT_TRUE(blocks_.ReplicaGone(1, kBlock));
  EXPECT_FALSE(blocks_.ReplicaGone(1, kBlock));
  EXPECT_FALSE(RecordedOn(1));
  EXPECT_THAT(Recorded(), ElementsAre(2));
}

TEST_F(BlockMapTest, ALateReportOfACompleteBlockChangesNothing) {
  AddComplete({1});
  const auto late = Report(1, Closed(1001, 100), {Version(1001, 3), ReplicaState::kBeingWritten});
  EXPECT_EQ(late.meaning, ReplicaMeaning::kLate);
  EXPECT_EQ(late.live, 1u);
}

TEST_F(BlockMapTest, ACorruptReplicaDoesNotGetBetterByBeingReportedAgain) {
  AddComplete({1, 2});
  EXPECT_TRUE(ReportCorrupt(1).removed);
  EXPECT_FALSE(ReportCorrupt(1).removed);
  EXPECT_EQ(Report(1, Closed(1001, 100), Finalized(1001, 100)).meaning, ReplicaMeaning::kCorrupt);
  EXPECT_THAT(Locations(), ElementsAre(2));
  // Deleted and copied anew, it is another replica.
  blocks_.ReplicaGone(1, kBlock);
  EXPECT_EQ(Report(1, Closed(1001, 100), Finalized(1001, 100)).meaning, ReplicaMeaning::kCounts);
  EXPECT_THAT(Locations(), UnorderedElementsAre(1, 2));
}

TEST_F(BlockMapTest, WhenAllReplicasAreCorruptReadersAreToldSo) {
  AddComplete({1, 2});
  ReportCorrupt(1);
  ReportCorrupt(2);
  bool corrupt = false;
  EXPECT_THAT(blocks_.Locations(kBlock, &corrupt), UnorderedElementsAre(1, 2));
  EXPECT_TRUE(corrupt);
  EXPECT_FALSE(store_.Has(keys::Replicas(kBlock)));
  EXPECT_EQ(blocks_.stats().corrupt, 1u);
}

// Its disk was replaced: nobody would ever take the mark away.
TEST_F(BlockMapTest, ALostStorageTakesItsMarksWithIt) {
  AddComplete({1, 2, 3});
  ReportCorrupt(1);
  ReportCorrupt(2);
  EXPECT_FALSE(blocks_.ForgetMarks(1, 10));
  EXPECT_THAT(blocks_.CorruptReplicas(kBlock), ElementsAre(2));
  EXPECT_FALSE(blocks_.ForgetMarks(2, 10));
  EXPECT_EQ(blocks_.stats().corrupt, 0u);
  EXPECT_THAT(Locations(), ElementsAre(3));
}

// Else others may have a replica that nobody has told of yet.
TEST_F(BlockMapTest, ThePipelineIsKnownOfABlockThatWasAddedHere) {
  const auto known = [&] { return blocks_.Find(kBlock)->knows_pipeline(); };
  blocks_.AddUnderConstruction(Version(1000, 0), std::vector<uint32_t>{1, 2});
  EXPECT_TRUE(known());
  blocks_.SetPipeline(Version(1001, 0), std::vector<uint32_t>{2, 3});
  EXPECT_TRUE(known());
  blocks_.Remove(kBlock);
  blocks_.AddUnderConstruction(Version(1000, 0), {});  // replayed
  EXPECT_FALSE(known());
  blocks_.SetPipeline(Version(1001, 0), std::vector<uint32_t>{2, 3});
  EXPECT_TRUE(known()) << "its writer has told";
  blocks_.Remove(kBlock);
  AddComplete({1, 2});
  blocks_.Reopen(Version(1001, 100));
  EXPECT_FALSE(known());
}

TEST_F(BlockMapTest, ARemovedBlockNamesEveryStorageThatMayHoldIt) {
  AddComplete({1, 2});
  ReportCorrupt(2);
  blocks_.Reopen(Version(1001, 100));
  blocks_.SetPipeline(Version(1002, 100), std::vector<uint32_t>{3});
  EXPECT_THAT(blocks_.Remove(kBlock), UnorderedElementsAre(1, 2, 3));
  EXPECT_EQ(store_.size(), 0u);
  EXPECT_EQ(blocks_.Find(kBlock), nullptr);
  EXPECT_EQ(blocks_.stats().entries, 0u);
  EXPECT_EQ(blocks_.stats().pinned, 0u);
  EXPECT_EQ(blocks_.stats().bytes, 0u);
  EXPECT_EQ(blocks_.stats().corrupt, 0u);
}

TEST_F(BlockMapTest, AStoredRecordOfAnOlderVersionCountsForNothing) {
  store::Replicas record;
  record.set_generation_stamp(1000);
  record.set_length(60);
  record.add_storages(1);
  record.add_storages(2);
  store_.PutUnjournalled(keys::Replicas(kBlock), record.SerializeAsString());
  store_.PutUnjournalled(keys::StorageBlock(1, kBlock), "");
  store_.PutUnjournalled(keys::StorageBlock(2, kBlock), "");
  blocks_.Insert(kBlock, record);
  EXPECT_EQ(blocks_.LiveCount(kBlock), 2u);
  EXPECT_EQ(Report(3, Closed(1001, 100), Finalized(1001, 100)).live, 1u);
  EXPECT_THAT(Locations(), ElementsAre(3));
  EXPECT_FALSE(RecordedOn(1) || RecordedOn(2));
}

// What LevelDB has after a crash is what the records were at such a moment, and reports find a
// replica that is gone by its storage's record only.
TEST_F(BlockMapTest, BothRecordsOfAReplicaReachLevelDbTogether) {
  int moments = 0;
  store_.on_whole = [&] {
    ++moments;
    const std::vector<uint32_t> recorded = Recorded();
    for (uint32_t storage = 1; storage <= 4; ++storage) {
      EXPECT_EQ(RecordedOn(storage), std::count(recorded.begin(), recorded.end(), storage) == 1)
          << "storage " << storage;
    }
  };
  AddComplete({1, 2, 3});
  blocks_.ReplicaGone(3, kBlock);
  ReportCorrupt(2);
  EXPECT_THAT(Recorded(), ElementsAre(1));
  Report(4, Closed(1001, 100), Finalized(1001, 100));
  blocks_.Reopen(Version(1001, 100));
  blocks_.ReplicaGone(4, kBlock);  // of the version before, which the record still is
  EXPECT_THAT(Recorded(), ElementsAre(1));
  blocks_.Commit(Version(1001, 100));
  EXPECT_THAT(Recorded(), ElementsAre(1));
  Report(3, Closed(1002, 120), Finalized(1002, 120));  // the others' version is an older one
  blocks_.Remove(kBlock);
  EXPECT_THAT(Recorded(), IsEmpty());
  EXPECT_GE(moments, 8);
}

TEST_F(BlockMapTest, InsertNeverReplacesWhatIsInMemory) {
  AddComplete({1, 2});
  blocks_.Insert(kBlock, std::nullopt);
  EXPECT_THAT(Locations(), UnorderedElementsAre(1, 2));
}

TEST_F(BlockMapTest, AnEvictedBlockComesBackFromItsRecord) {
  BlockMap blocks({.cache_bytes = 0}, store_);
  blocks.AddUnderConstruction(Version(1001, 0), std::vector<uint32_t>{1});
  blocks.Commit(Version(1001, 5));
  blocks.ReplicaReported(1, Version(1001, 5), Finalized(1001, 5), {});
  EXPECT_NE(blocks.Find(kBlock), nullptr) << "pinned while its file waits for it";
  blocks.Complete(kBlock);
  EXPECT_NE(blocks.Find(kBlock), nullptr) << "the entry at hand stays";
  blocks.Trim(10);
  EXPECT_EQ(blocks.Find(kBlock), nullptr);
  EXPECT_EQ(blocks.stats().evictions, 1u);
  EXPECT_EQ(blocks.stats().bytes, 0u);

  store::Replicas record;
  ASSERT_TRUE(record.ParseFromString(*store_.Get(keys::Replicas(kBlock))));
  blocks.Insert(kBlock, record);
  EXPECT_EQ(blocks.LiveCount(kBlock), 1u);
}

TEST_F(BlockMapTest, TheCacheStaysWithinItsBoundAndKeepsWhatIsUsed) {
  constexpr uint64_t kBound = 64 << 10;
  BlockMap blocks({.cache_bytes = kBound}, store_);
  store::Replicas record;
  record.add_storages(1);
  const BlockId hot{1};
  blocks.Insert(hot, record);
  for (uint64_t id = 2; id < 20'000; ++id) {
    blocks.Insert(BlockId{id}, record);
    ASSERT_NE(blocks.Find(BlockId{id}), nullptr);
    ASSERT_NE(blocks.Find(hot), nullptr) << "asked for all the time";
    ASSERT_LE(blocks.stats().bytes, kBound + 1024);
  }
  EXPECT_GT(blocks.stats().entries, 200u);
}

// Whatever is reported in whatever order, memory and records agree, and a storage never counts
// whose last word was not "finalized, this stamp, this length".
TEST_F(BlockMapTest, RandomHistoriesKeepMemoryAndRecordsInAgreement) {
  uint64_t seed = 1;
  if (const char* given = std::getenv("CAIRN_TEST_SEED")) CHECK(absl::SimpleAtoi(given, &seed));
  for (uint64_t round = 0; round < 500; ++round) {
    SCOPED_TRACE(absl::StrCat("CAIRN_TEST_SEED=", seed, " round ", round));
    std::mt19937_64 random(seed * 1'000'003 + round);
    const auto below = [&](uint64_t bound) { return random() % bound; };
    MemoryStore store;
    BlockMap blocks({.cache_bytes = 0}, store);
    uint64_t stamp = 1001, length = 0;
    bool open = true;
    std::map<uint32_t, ReportedReplica> last_word;
    blocks.AddUnderConstruction(Version(stamp, length), std::vector<uint32_t>{0, 1, 2});
    for (int step = 0; step < 60; ++step) {
      if (blocks.Find(kBlock) == nullptr) {
        std::optional<store::Replicas> record;
        if (const auto bytes = store.Get(keys::Replicas(kBlock))) {
          record.emplace();
          ASSERT_TRUE(record->ParseFromString(*bytes));
        }
        blocks.Insert(kBlock, record);
      }
      switch (below(8)) {
        case 0:
          if (open) blocks.SetPipeline(Version(++stamp, length), std::vector<uint32_t>{1, 2});
          break;
        case 1:
          if (open) {
            length += below(3);
            blocks.Commit(Version(stamp, length));
            blocks.Complete(kBlock);
            open = false;
          } else {
            blocks.Reopen(Version(stamp, length));
            open = true;
          }
          break;
        case 2:
          blocks.Trim(4);
          break;
        default: {
          const uint32_t storage = static_cast<uint32_t>(below(4));
          const ReportedReplica reported{Version(stamp - below(2) + below(2), length + below(2)),
                                         static_cast<ReplicaState>(below(4))};
          if (reported.state == ReplicaState::kDeleted) {
            blocks.ReplicaGone(storage, kBlock);
          } else {
            blocks.ReplicaReported(storage, Version(stamp, length), reported, {});
          }
          last_word.insert_or_assign(storage, reported);
        }
      }
      const BlockMap::Entry* const entry = blocks.Find(kBlock);
      if (open || entry == nullptr) continue;
      std::set<uint32_t> recorded;
      if (const auto bytes = store.Get(keys::Replicas(kBlock))) {
        store::Replicas record;
        ASSERT_TRUE(record.ParseFromString(*bytes));
        recorded.insert(record.storages().begin(), record.storages().end());
      }
      const std::set<uint32_t> live(entry->replicas().begin(), entry->replicas().end());
      ASSERT_EQ(live, recorded);
      for (uint32_t storage = 0; storage < 4; ++storage) {
        ASSERT_EQ(store.Has(keys::StorageBlock(storage, kBlock)), live.contains(storage))
            << storage;
      }
      for (const uint32_t storage : live) {
        ASSERT_TRUE(last_word.contains(storage));
        EXPECT_NE(last_word[storage].state, ReplicaState::kDeleted);
        EXPECT_NE(last_word[storage].state, ReplicaState::kWaitingRecovery);
      }
    }
  }
}

}  // namespace
}  // namespace cairn::namenode
