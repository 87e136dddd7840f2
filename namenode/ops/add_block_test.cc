// addBlock, abandonBlock, complete, fsync, and the calls of a pipeline's recovery.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <string>
#include <utility>

#include "namenode/core/testing/test_namenode.h"

namespace cairn::namenode {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

class WriterTest : public ::testing::Test {
 protected:
  WriterTest() { file_ = nn_.Create("/f").id; }

  Outcome<LocatedBlock> AddBlock(std::optional<BlockVersion> previous, InodeId file = kNoInode,
                                 absl::string_view client = "client", absl::string_view path = "/f",
                                 std::function<void()> on_replica = nullptr) {
    AddBlockRequest request;
    request.path = path;
    request.file = file;
    request.client_name = client;
    request.previous = previous;
    return nn_->AddBlock(kSuper, request, std::move(on_replica));
  }
  // A call for a third block, which counts in `woken` that it is to be repeated.
  Outcome<LocatedBlock> AddThird(const BlockVersion& second, std::atomic<int>* woken) {
    return AddBlock(second, kNoInode, "client", "/f", [woken] { ++*woken; });
  }
  Outcome<bool> Complete(std::optional<BlockVersion> last, InodeId file = kNoInode,
                         absl::string_view client = "client") {
    return nn_->Complete(kSuper, "/f", file, client, last, nullptr);
  }
  static BlockVersion WithLength(BlockVersion block, uint64_t length) {
    block.length = length;
    return block;
  }
  static BlockVersion WithStamp(BlockVersion block, GenerationStamp stamp) {
    block.stamp = stamp;
    return block;
  }

  TestNamenode nn_;
  InodeId file_;
};

TEST_F(WriterTest, TheFirstBlockIsEmptyAndHasAPipeline) {
  const auto block = AddBlock(std::nullopt);
  ASSERT_OK(block.value);
  EXPECT_EQ(block.value->block.length, 0u);
  EXPECT_EQ(block.value->offset, 0u);
  EXPECT_THAT(block.value->storages, UnorderedElementsAre(0, 1, 2));
  EXPECT_EQ(block.ticket, ToInt(nn_.journal().last_appended()));
}

TEST_F(WriterTest, TheNextBlockCommitsTheOneBefore) {
  const BlockVersion first = AddBlock(std::nullopt).value->block;
  nn_.ReportFinalized(WithLength(first, 100));
  const auto second = AddBlock(WithLength(first, 100));
  ASSERT_OK(second.value);
  EXPECT_EQ(second.value->offset, 100u);
  EXPECT_NE(second.value->block.id, first.id);
  EXPECT_EQ(nn_.Stat("/f")->length, 100u);
}

TEST_F(WriterTest, TheIdFindsARenamedFile) {
  ASSERT_THAT(nn_->Rename(kSuper, "/f", "/g").value, IsOkAndHolds(true));
  EXPECT_THAT(AddBlock(std::nullopt, kNoInode).value, IsFsError(FsError::kFileNotFound));
  ASSERT_OK(AddBlock(std::nullopt, file_).value);
  EXPECT_OK(nn_->Fsync(kSuper, "/f", file_, "client", 10).value);
}

TEST_F(WriterTest, OnlyTheHolderOfTheLeaseWrites) {
  EXPECT_THAT(AddBlock(std::nullopt, file_, "other").value, IsFsError(FsError::kLeaseExpired));
  EXPECT_THAT(Complete(std::nullopt, file_, "other").value, IsFsError(FsError::kLeaseExpired));
  EXPECT_THAT(nn_->Fsync(kSuper, "/f", file_, "other", 1).value, IsFsError(FsError::kLeaseExpired));
  nn_.Mkdir("/d");
  EXPECT_THAT(AddBlock(std::nullopt, kNoInode, "client", "/d").value,
              IsFsError(FsError::kLeaseExpired));
  nn_.WriteFile("/closed");
  EXPECT_THAT(AddBlock(std::nullopt, kNoInode, "client", "/closed").value,
              IsFsError(FsError::kLeaseExpired));
}

TEST_F(WriterTest, ADeletedFileIsNotFoundByNameOrId) {
  ASSERT_THAT(nn_->Delete(kSuper, "/f", false).value, IsOkAndHolds(true));
  EXPECT_THAT(AddBlock(std::nullopt).value, IsFsError(FsError::kFileNotFound));
  const auto by_id = AddBlock(std::nullopt, file_).value.status();
  EXPECT_THAT(by_id, IsFsError(FsError::kFileNotFound));
  EXPECT_THAT(std::string(by_id.message()), HasSubstr("(inode "));
}

TEST_F(WriterTest, AFileBelowADeletedDirectoryIsNotFound) {
  const InodeId file = nn_.Create("/d/e/g").id;
  ASSERT_THAT(nn_->Delete(kSuper, "/d", true).value, IsOkAndHolds(true));
  EXPECT_THAT(AddBlock(std::nullopt, file, "client", "/d/e/g").value,
              IsFsError(FsError::kFileNotFound));
  nn_->RunMaintenance();
  EXPECT_THAT(AddBlock(std::nullopt, file, "client", "/d/e/g").value,
              IsFsError(FsError::kFileNotFound));
}

TEST_F(WriterTest, ARepeatedCallGetsTheSameBlock) {
  const BlockVersion first = AddBlock(std::nullopt).value->block;
  EXPECT_EQ(AddBlock(std::nullopt).value->block.id, first.id);
  nn_.ReportFinalized(WithLength(first, 100));
  const LocatedBlock second = *AddBlock(WithLength(first, 100)).value;
  const LocatedBlock again = *AddBlock(WithLength(first, 100)).value;
  EXPECT_EQ(again.block.id, second.block.id);
  EXPECT_EQ(again.offset, 100u);
  EXPECT_EQ(again.storages, second.storages);
}

TEST_F(WriterTest, AnotherPreviousBlockIsRefused) {
  const BlockVersion first = AddBlock(std::nullopt).value->block;
  BlockVersion other = first;
  other.id = BlockId{ToInt(first.id) + 7};
  EXPECT_THAT(AddBlock(other).value, IsFsError(FsError::kIo));
  EXPECT_THAT(AddBlock(WithStamp(first, GenerationStamp{1})).value, IsFsError(FsError::kIo));
  EXPECT_THAT(AddBlock(WithLength(first, kBlockBytes + 1)).value, IsFsError(FsError::kIo));
  ASSERT_OK(nn_->Fsync(kSuper, "/f", kNoInode, "client", 50).value);
  EXPECT_THAT(AddBlock(WithLength(first, 49)).value, IsFsError(FsError::kIo))
      << "shorter than what was synced";
}

TEST_F(WriterTest, AThirdBlockWaitsForTheFirstsReplicas) {
  const BlockVersion first = AddBlock(std::nullopt).value->block;
  const BlockVersion second = AddBlock(WithLength(first, 100)).value->block;
  EXPECT_THAT(AddBlock(WithLength(second, 100)).value, IsFsError(FsError::kNotReplicatedYet));
  nn_.ReportFinalized(WithLength(first, 100));
  EXPECT_OK(AddBlock(WithLength(second, 100)).value);
}

TEST_F(WriterTest, WhoWaitsForAThirdBlockIsWokenByTheFirstsReplica) {
  const BlockVersion first = WithLength(AddBlock(std::nullopt).value->block, 100);
  const BlockVersion second = WithLength(AddBlock(first).value->block, 100);
  std::atomic<int> woken{0};
  EXPECT_THAT(AddThird(second, &woken).value, IsFsError(FsError::kNotReplicatedYet));
  nn_.ReportFinalized(second);
  nn_.ReportFinalized(WithLength(first, 99));
  EXPECT_EQ(woken, 0) << "another block, and a replica that does not count";
  nn_.ReportFinalized(first, 1, 1);
  EXPECT_EQ(woken, 1);
  const auto third = AddThird(second, &woken);
  ASSERT_OK(third.value);
  EXPECT_EQ(AddBlock(second).value->block.id, third.value->block.id) << "asked by two at a time";
  nn_.ReportFinalized(first, 1, 2);
  EXPECT_EQ(woken, 1) << "who has the block is not called any more";
}

TEST_F(WriterTest, WhoWaitsIsWokenByTheLastReplicaThatIsNeeded) {
  TestNamenode::Options options;
  options.namenode.min_replication = options.namenode.blocks.min_replication = 2;
  TestNamenode nn(options);
  nn.Create("/f");
  AddBlockRequest request;
  request.path = "/f";
  request.client_name = "client";
  const BlockVersion first = WithLength(nn.AddBlock("/f").block, 100);
  request.previous = WithLength(nn.AddBlock("/f", first).block, 100);
  int woken = 0;
  EXPECT_THAT(nn->AddBlock(kSuper, request, [&] { ++woken; }).value,
              IsFsError(FsError::kNotReplicatedYet));
  nn.ReportFinalized(first, 1, 0);
  EXPECT_EQ(woken, 0);
  nn.ReportFinalized(first, 1, 1);
  EXPECT_EQ(woken, 1);
  EXPECT_OK(nn->AddBlock(kSuper, request, nullptr).value);
}

// Who waits learns by its time-out; nothing is kept for it.
TEST_F(WriterTest, TheCallBackGoesWithTheFile) {
  const BlockVersion first = WithLength(AddBlock(std::nullopt).value->block, 100);
  const BlockVersion second = WithLength(AddBlock(first).value->block, 100);
  std::atomic<int> woken{0};
  EXPECT_THAT(AddThird(second, &woken).value, IsFsError(FsError::kNotReplicatedYet));
  ASSERT_THAT(nn_->Delete(kSuper, "/f", false).value, IsOkAndHolds(true));
  nn_.ReportFinalized(first);
  EXPECT_EQ(woken, 0);
  EXPECT_THAT(AddThird(second, &woken).value, IsFsError(FsError::kFileNotFound));
}

TEST_F(WriterTest, WhoHasLostItsLeaseMeanwhileGetsNoBlock) {
  const BlockVersion first = WithLength(AddBlock(std::nullopt).value->block, 100);
  const BlockVersion second = WithLength(AddBlock(first).value->block, 100);
  ASSERT_OK(nn_.Report(0, second, ReplicaState::kBeingWritten));
  std::atomic<int> woken{0};
  EXPECT_THAT(AddThird(second, &woken).value, IsFsError(FsError::kNotReplicatedYet));
  ASSERT_THAT(nn_->RecoverLease(kSuper, "/f", "other").value, IsOkAndHolds(false));
  nn_.ReportFinalized(first);
  EXPECT_EQ(woken, 1);
  EXPECT_THAT(AddThird(second, &woken).value, IsFsError(FsError::kLeaseExpired));
}

TEST_F(WriterTest, InSafeModeNobodyGetsABlockThatWasWaitedFor) {
  const BlockVersion first = WithLength(AddBlock(std::nullopt).value->block, 100);
  const BlockVersion second = WithLength(AddBlock(first).value->block, 100);
  std::atomic<int> woken{0};
  EXPECT_THAT(AddThird(second, &woken).value, IsFsError(FsError::kNotReplicatedYet));
  ASSERT_OK(nn_->SafeMode(kSuper, SafeModeAction::kEnter).value);
  nn_.ReportFinalized(first);
  EXPECT_EQ(woken, 1);
  EXPECT_THAT(AddThird(second, &woken).value, IsFsError(FsError::kSafeMode));
  ASSERT_OK(nn_->SafeMode(kSuper, SafeModeAction::kLeave).value);
  EXPECT_OK(AddThird(second, &woken).value);
}

TEST_F(WriterTest, ExcludedDatanodesAreNotGiven) {
  AddBlockRequest request;
  request.path = "/f";
  request.client_name = "client";
  request.excluded = {TestNamenode::DatanodeUuid(0), TestNamenode::DatanodeUuid(2)};
  const auto block = nn_->AddBlock(kSuper, request, nullptr);
  ASSERT_OK(block.value);
  EXPECT_THAT(block.value->storages, UnorderedElementsAre(1));
}

TEST_F(WriterTest, WithoutADatanodeNoBlockIsAdded) {
  AddBlockRequest request;
  request.path = "/f";
  request.client_name = "client";
  for (int i = 0; i < 3; ++i) request.excluded.push_back(TestNamenode::DatanodeUuid(i));
  const auto status = nn_->AddBlock(kSuper, request, nullptr).value.status();
  EXPECT_THAT(status, IsFsError(FsError::kIo));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("could only be written to 0 of the 1 minReplication nodes"));
}

TEST_F(WriterTest, WithoutADatanodeTheMessageTellsTheMinimumAskedFor) {
  TestNamenode::Options options;
  options.namenode.min_replication = options.namenode.blocks.min_replication = 2;
  options.datanodes = 0;
  TestNamenode nn(options);
  nn.Create("/g");
  AddBlockRequest request;
  request.path = "/g";
  request.client_name = "client";
  EXPECT_THAT(std::string(nn->AddBlock(kSuper, request, nullptr).value.status().message()),
              HasSubstr("could only be written to 0 of the 2 minReplication nodes"));
}

TEST_F(WriterTest, AFileHasALimitOfBlocks) {
  TestNamenode::Options options;
  options.namenode.max_blocks_per_file = 2;
  TestNamenode nn(options);
  nn.Create("/f");
  BlockVersion first = nn.AddBlock("/f").block;
  nn.ReportFinalized(first);
  const BlockVersion second = nn.AddBlock("/f", first).block;
  AddBlockRequest request;
  request.path = "/f";
  request.client_name = "client";
  request.previous = second;
  EXPECT_THAT(nn->AddBlock(kSuper, request, nullptr).value, IsFsError(FsError::kIo));
}

// ---- abandonBlock

TEST_F(WriterTest, AnAbandonedBlockIsGoneAndAbandoningAgainIsFine) {
  const BlockVersion block = AddBlock(std::nullopt).value->block;
  ASSERT_OK(nn_->AbandonBlock(kSuper, "/f", kNoInode, "client", block).value);
  EXPECT_OK(nn_->AbandonBlock(kSuper, "/f", kNoInode, "client", block).value);
  EXPECT_NE(AddBlock(std::nullopt).value->block.id, block.id);
  nn_.ExpectConsistent();
}

TEST_F(WriterTest, AfterAnAbandonedBlockTheNextFollowsTheOneBefore) {
  const BlockVersion first = AddBlock(std::nullopt).value->block;
  nn_.ReportFinalized(WithLength(first, 100));
  const BlockVersion second = AddBlock(WithLength(first, 100)).value->block;
  ASSERT_OK(nn_->AbandonBlock(kSuper, "/f", kNoInode, "client", second).value);
  ASSERT_OK(AddBlock(WithLength(first, 100)).value);
}

TEST_F(WriterTest, AbandoningNeedsTheLease) {
  const BlockVersion block = AddBlock(std::nullopt).value->block;
  EXPECT_THAT(nn_->AbandonBlock(kSuper, "/f", kNoInode, "other", block).value,
              IsFsError(FsError::kLeaseExpired));
}

// ---- complete

TEST_F(WriterTest, AFileWithoutBlocksIsCompleteAtOnce) {
  EXPECT_THAT(Complete(std::nullopt).value, IsOkAndHolds(true));
  EXPECT_THAT(nn_->IsFileClosed(kSuper, "/f").value, IsOkAndHolds(true));
}

TEST_F(WriterTest, CompleteWaitsForAReplicaOfTheLastBlock) {
  const BlockVersion block = WithLength(AddBlock(std::nullopt).value->block, 100);
  std::atomic<int> woken{0};
  EXPECT_THAT(nn_->Complete(kSuper, "/f", kNoInode, "client", block, [&] { ++woken; }).value,
              IsOkAndHolds(false));
  EXPECT_EQ(nn_.Stat("/f")->length, 100u);
  EXPECT_EQ(woken, 0);
  EXPECT_THAT(Complete(block).value, IsOkAndHolds(false));
  EXPECT_THAT(Complete(std::nullopt).value, IsOkAndHolds(false)) << "as Go repeats it";
  nn_.ReportFinalized(block);
  EXPECT_EQ(woken, 1);
  EXPECT_THAT(Complete(std::nullopt).value, IsOkAndHolds(true));
  EXPECT_THAT(Complete(block).value, IsOkAndHolds(true)) << "a repetition";
}

TEST_F(WriterTest, CompleteWaitsForTheBlockBeforeTheLastAsWell) {
  const BlockVersion first = WithLength(AddBlock(std::nullopt).value->block, 100);
  const BlockVersion second = WithLength(AddBlock(first).value->block, 50);
  nn_.ReportFinalized(second);
  EXPECT_THAT(Complete(second).value, IsOkAndHolds(false));
  nn_.ReportFinalized(first);
  EXPECT_THAT(Complete(second).value, IsOkAndHolds(true));
  EXPECT_EQ(nn_.Stat("/f")->length, 150u);
}

TEST_F(WriterTest, AReplicaOfAnotherLengthDoesNotCount) {
  const BlockVersion block = WithLength(AddBlock(std::nullopt).value->block, 100);
  nn_.ReportFinalized(WithLength(block, 99));
  EXPECT_THAT(Complete(block).value, IsOkAndHolds(false));
  nn_.ReportFinalized(block, 1, 1);
  EXPECT_THAT(Complete(block).value, IsOkAndHolds(true));
}

TEST_F(WriterTest, CompleteNamesTheLastBlockItself) {
  const BlockVersion block = AddBlock(std::nullopt).value->block;
  BlockVersion other = block;
  other.id = BlockId{ToInt(block.id) + 1};
  EXPECT_THAT(Complete(other).value, IsFsError(FsError::kIo));
  EXPECT_THAT(Complete(WithStamp(block, GenerationStamp{1})).value, IsFsError(FsError::kIo));
  EXPECT_THAT(Complete(std::nullopt).value, IsFsError(FsError::kIo));
}

TEST_F(WriterTest, AClosedFilesWriterMayRepeatItsComplete) {
  const BlockVersion block = WithLength(AddBlock(std::nullopt).value->block, 10);
  nn_.ReportFinalized(block);
  ASSERT_THAT(Complete(block).value, IsOkAndHolds(true));
  EXPECT_THAT(Complete(block, file_).value, IsOkAndHolds(true));
  BlockVersion other = block;
  other.id = BlockId{ToInt(block.id) + 1};
  EXPECT_THAT(Complete(other).value, IsFsError(FsError::kLeaseExpired));
}

// What complete() said before a crash holds after it.
TEST_F(WriterTest, ACommittedLastBlockIsStillCommittedAfterARestart) {
  const BlockVersion block = WithLength(AddBlock(std::nullopt).value->block, 100);
  ASSERT_THAT(Complete(block).value, IsOkAndHolds(false));
  for (const bool flush : {false, true}) {
    if (flush) nn_.Flush();
    nn_.Restart();
    EXPECT_THAT(Complete(std::nullopt).value, IsOkAndHolds(false)) << flush;
  }
  nn_.ReportFinalized(block);
  EXPECT_THAT(Complete(std::nullopt).value, IsOkAndHolds(true));
}

TEST_F(WriterTest, AWriterGoesOnAfterARestart) {
  const BlockVersion first = WithLength(AddBlock(std::nullopt).value->block, 100);
  nn_.ReportFinalized(first);
  const BlockVersion second = AddBlock(first).value->block;
  for (const bool flush : {false, true}) {
    if (flush) nn_.Flush();
    nn_.Restart();
    const LocatedBlock again = *AddBlock(first).value;
    EXPECT_EQ(again.block.id, second.id) << flush;
    EXPECT_EQ(again.storages.size(), 3u) << "who was chosen is not stored, so others may be";
  }
  nn_.ReportFinalized(first);
  nn_.ReportFinalized(WithLength(second, 40));
  EXPECT_THAT(Complete(WithLength(second, 40)).value, IsOkAndHolds(true));
  EXPECT_EQ(nn_.Stat("/f")->length, 140u);
}

// ---- fsync

TEST_F(WriterTest, FsyncRaisesTheRecordedLength) {
  AddBlock(std::nullopt);
  ASSERT_OK(nn_->Fsync(kSuper, "/f", kNoInode, "client", 50).value);
  EXPECT_EQ(nn_.Stat("/f")->length, 50u);
  ASSERT_OK(nn_->Fsync(kSuper, "/f", kNoInode, "client", 40).value);
  ASSERT_OK(nn_->Fsync(kSuper, "/f", kNoInode, "client", std::nullopt).value);
  EXPECT_EQ(nn_.Stat("/f")->length, 50u) << "it never shrinks";
  EXPECT_THAT(nn_->Fsync(kSuper, "/f", kNoInode, "client", kBlockBytes + 1).value,
              IsFsError(FsError::kIo));
  nn_.Restart();
  EXPECT_EQ(nn_.Stat("/f")->length, 50u);
}

// ---- pipelines

TEST_F(WriterTest, ANewStampIsPromisedWithoutChangingTheBlock) {
  const BlockVersion block = AddBlock(std::nullopt).value->block;
  const auto one = nn_->UpdateBlockForPipeline(kSuper, block, "client");
  ASSERT_OK(one.value);
  EXPECT_EQ(one.value->block.id, block.id);
  EXPECT_GT(one.value->block.stamp, block.stamp);
  const auto two = nn_->UpdateBlockForPipeline(kSuper, block, "client");
  EXPECT_GT(two.value->block.stamp, one.value->block.stamp);
  nn_.ReportFinalized(WithLength(block, 10));
  EXPECT_THAT(Complete(WithLength(block, 10)).value, IsOkAndHolds(true))
      << "the stored stamp is the old one, as Go relies on";
}

TEST_F(WriterTest, AStampIsNotPromisedTwiceThoughAllIsLost) {
  const BlockVersion block = AddBlock(std::nullopt).value->block;
  const auto before = nn_->UpdateBlockForPipeline(kSuper, block, "client");
  ASSERT_OK(before.value);
  nn_.Restart();
  const auto after = nn_->UpdateBlockForPipeline(kSuper, block, "client");
  ASSERT_OK(after.value);
  EXPECT_GT(after.value->block.stamp, before.value->block.stamp);
}

TEST_F(WriterTest, OnlyTheWriterOfAnOpenBlockGetsAStamp) {
  const BlockVersion first = AddBlock(std::nullopt).value->block;
  EXPECT_THAT(nn_->UpdateBlockForPipeline(kSuper, first, "other").value,
              IsFsError(FsError::kLeaseExpired));
  BlockVersion unknown = first;
  unknown.id = BlockId{4};
  EXPECT_THAT(nn_->UpdateBlockForPipeline(kSuper, unknown, "client").value,
              IsFsError(FsError::kIo));
  AddBlock(WithLength(first, 10));
  EXPECT_THAT(nn_->UpdateBlockForPipeline(kSuper, first, "client").value, IsFsError(FsError::kIo))
      << "not the last block";
  nn_->Delete(kSuper, "/f", false);
  EXPECT_FALSE(nn_->UpdateBlockForPipeline(kSuper, first, "client").value.ok());
}

TEST_F(WriterTest, APipelineGoesOnUnderItsNewStamp) {
  const BlockVersion block = AddBlock(std::nullopt).value->block;
  const BlockVersion renewed = WithLength(
      WithStamp(block, nn_->UpdateBlockForPipeline(kSuper, block, "client").value->block.stamp),
      30);
  ASSERT_OK(nn_->UpdatePipeline(kSuper, "client", block, renewed, {TestNamenode::DatanodeUuid(1)},
                                {TestNamenode::StorageUuid(1)})
                .value);
  EXPECT_EQ(nn_.Stat("/f")->length, 30u);
  const auto located = nn_->GetBlockLocations(kSuper, "/f", 0, 100);
  ASSERT_TRUE(located.value->last.has_value());
  EXPECT_THAT(located.value->last->storages, UnorderedElementsAre(1));
  EXPECT_EQ(located.value->last->block.stamp, renewed.stamp);
  // The node that was left behind has the old stamp: it does not count.
  nn_.ReportFinalized(WithLength(block, 40), 1, 0);
  EXPECT_THAT(Complete(WithLength(renewed, 40)).value, IsOkAndHolds(false));
  nn_.ReportFinalized(WithLength(renewed, 40), 1, 1);
  EXPECT_THAT(Complete(WithLength(renewed, 40)).value, IsOkAndHolds(true));
}

TEST_F(WriterTest, APipelineIsRefusedUnlessItsBlockFits) {
  const BlockVersion block = AddBlock(std::nullopt).value->block;
  ASSERT_OK(nn_->Fsync(kSuper, "/f", kNoInode, "client", 20).value);
  const GenerationStamp stamp =
      nn_->UpdateBlockForPipeline(kSuper, block, "client").value->block.stamp;
  const BlockVersion renewed = WithLength(WithStamp(block, stamp), 20);
  const auto update = [&](absl::string_view client, BlockVersion from, BlockVersion to) {
    return nn_->UpdatePipeline(kSuper, client, from, to, {}, {TestNamenode::StorageUuid(0)}).value;
  };
  EXPECT_THAT(update("other", block, renewed), IsFsError(FsError::kLeaseExpired));
  EXPECT_THAT(update("client", WithStamp(block, GenerationStamp{1}), renewed),
              IsFsError(FsError::kIo));
  EXPECT_THAT(update("client", block, WithStamp(renewed, block.stamp)), IsFsError(FsError::kIo));
  EXPECT_THAT(update("client", block, WithLength(renewed, 19)), IsFsError(FsError::kIo));
  EXPECT_THAT(update("client", block, WithLength(renewed, kBlockBytes + 1)),
              IsFsError(FsError::kIo));
  EXPECT_THAT(update("client", block, WithStamp(renewed, GenerationStamp{uint64_t{1} << 60})),
              IsFsError(FsError::kIo))
      << "a stamp that was never given out";
  BlockVersion other = renewed;
  other.id = BlockId{ToInt(block.id) + 1};
  EXPECT_THAT(update("client", block, other), IsFsError(FsError::kIo));
  EXPECT_OK(update("client", block, renewed));
}

TEST_F(WriterTest, AnAdditionalDatanodeIsNoneOfThoseInUse) {
  const LocatedBlock block = *AddBlock(std::nullopt).value;
  const auto more = nn_->GetAdditionalDatanode(kSuper, "/f", kNoInode, block.block,
                                               {TestNamenode::StorageUuid(0)},
                                               {TestNamenode::DatanodeUuid(1)}, 1, "client");
  ASSERT_OK(more.value);
  EXPECT_THAT(more.value->storages, ::testing::ElementsAre(0, 2));
}

}  // namespace
}  // namespace cairn::namenode
