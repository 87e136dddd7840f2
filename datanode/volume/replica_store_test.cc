// Who may create, write and read what, and what errors of the disk do.
#include "datanode/volume/replica_store.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/crash_point.h"
#include "common/testing/status_matchers.h"
#include "datanode/testing/replica_test.h"

namespace cairn::datanode {
namespace {

using testing::kBlock;
using testing::kNewStamp;
using testing::kStamp;
using testing::ReplicaStoreTest;
using ::testing::SizeIs;

TEST_F(ReplicaStoreTest, StampsDecideWhoMayCreateAndAppend) {
  Open();
  ASSERT_OK(WriteFinalized(1000));
  EXPECT_THAT(Create(), StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(Create(GenerationStamp{1000}), StatusIs(absl::StatusCode::kAlreadyExists));
  const auto aborted = StatusIs(absl::StatusCode::kAborted);
  EXPECT_THAT(store_->OpenForAppend(kBlock, kStamp, GenerationStamp{1002}, 999, false), aborted);
  EXPECT_THAT(
      store_->OpenForAppend(kBlock, GenerationStamp{1002}, GenerationStamp{1003}, 1000, false),
      aborted);
  EXPECT_THAT(store_->OpenForStreamingRecovery(kBlock, kStamp, GenerationStamp{1002}, 0), aborted);
  ASSERT_OK_AND_ASSIGN(auto writer, store_->OpenForAppend(kBlock, kStamp, kStamp, 1000, false));
  EXPECT_THAT(store_->OpenForAppend(kBlock, kStamp, kStamp, 1000, true),
              StatusIs(absl::StatusCode::kUnavailable));
  writer.reset();
  ASSERT_OK(Create(GenerationStamp{1005}));  // newer: what was there gives way
  EXPECT_THAT(events_.Of(ReplicaEvents::Kind::kDeleted), SizeIs(1));
}

TEST_F(ReplicaStoreTest, ACopyThatEndsTakesNoFilesOfTheNextOneAlong) {
  Open();
  const ReplicaStore::NewReplica copy{.block = kBlock, .stamp = kStamp, .temporary = true};
  ASSERT_OK_AND_ASSIGN(auto writer, store_->Create(copy));
  int tried = 0;
  hooked_.before_remove = [&] {
    if (++tried > 1) return;
    EXPECT_THAT(store_->Create(copy), StatusIs(absl::StatusCode::kAlreadyExists));
  };
  writer.reset();
  hooked_.before_remove = nullptr;
  EXPECT_EQ(tried, 2);
  EXPECT_OK(store_->Create(copy));
}

TEST_F(ReplicaStoreTest, ACopyThatCannotBeCreatedTakesNothingOfTheNextOneAlong) {
  Open();
  const ReplicaStore::NewReplica copy{.block = kBlock, .stamp = kStamp, .temporary = true};
  std::unique_ptr<ReplicaWriter> next;  // as soon as the block's name is free
  hooked_.before_remove = [&] {
    if (next != nullptr) return;
    if (auto created = store_->Create(copy); created.ok()) next = *std::move(created);
  };
  fs_.FailCall(FileCall::kCreate, 2, absl::ResourceExhaustedError("ENOSPC"));  // the meta file
  EXPECT_THAT(store_->Create(copy), StatusIs(absl::StatusCode::kResourceExhausted));
  hooked_.before_remove = nullptr;
  if (next == nullptr) {
    ASSERT_OK_AND_ASSIGN(next, store_->Create(copy));
  }
  ASSERT_TRUE(store_->Find(kBlock).has_value());
  EXPECT_TRUE(fs_.Exists(Paths().data));
  EXPECT_TRUE(fs_.Exists(Paths().meta));
}

// The record of a full last chunk costs no sync of its own.
TEST_F(ReplicaStoreTest, AnHsyncSyncsNoMoreThanItMust) {
  Open();
  ASSERT_OK_AND_ASSIGN(const auto writer, Create());
  const auto hsync = [&](uint64_t end) {
    EXPECT_OK(WriteTo(*writer, end));
    const std::pair before(fs_.calls(FileCall::kSync), fs_.calls(FileCall::kSyncDirectory));
    EXPECT_OK(writer->Sync());
    return std::pair(fs_.calls(FileCall::kSync) - before.first,
                     fs_.calls(FileCall::kSyncDirectory) - before.second);
  };
  EXPECT_EQ(hsync(512), std::pair(2, 1));  // data and checksums; the new files' names
  EXPECT_EQ(hsync(1024), std::pair(2, 0));
  EXPECT_EQ(hsync(1100), std::pair(3, 0));  // and what the chunk's checksum was
}

// Of the meta file, of the data; behind both.
TEST_F(ReplicaStoreTest, AFailedFinalizeCanBeRecovered) {
  const auto full = absl::ResourceExhaustedError("ENOSPC");
  Open();
  ASSERT_OK(WriteFinalized(10));  // their directories are made
  ASSERT_OK(store_->Invalidate(kBlock, kStamp));
  ASSERT_OK(WriteFinalized(10));
  ASSERT_OK(store_->Invalidate(kBlock, kStamp));
  for (const auto& [call, nth] :
       {std::pair(FileCall::kRename, 1), {FileCall::kRename, 2}, {FileCall::kSyncDirectory, 1}}) {
    SCOPED_TRACE(absl::StrCat(static_cast<int>(call), " ", nth));
    ASSERT_OK_AND_ASSIGN(auto writer, Create());
    ASSERT_OK(WriteTo(*writer, 1000));
    writer->open().SetAcked(1000);
    fs_.FailCall(call, nth, full);
    EXPECT_THAT(writer->Finalize(), StatusIs(absl::StatusCode::kResourceExhausted));
    writer.reset();
    EXPECT_THAT(ReadAll(), IsOkAndHolds(data_.substr(0, 1000)));
    ASSERT_OK_AND_ASSIGN(const ReplicaInfo info, store_->InitRecovery(kBlock, kNewStamp));
    EXPECT_EQ(info.length, 1000u);
    EXPECT_OK(store_->FinishRecovery(kBlock, kNewStamp, 1000));
    EXPECT_THAT(ReadAll(), IsOkAndHolds(data_.substr(0, 1000)));
    ASSERT_OK(store_->Invalidate(kBlock, kNewStamp));
  }
}

TEST_F(ReplicaStoreTest, AReplicaIsReadWhileItIsFinalized) {
  Open();
  ASSERT_OK_AND_ASSIGN(auto writer, Create());
  ASSERT_OK(WriteTo(*writer, 1000));
  writer->open().SetAcked(1000);
  int times = 0;
  SetCrashPointHook([&](absl::string_view name) {
    if (!absl::StartsWith(name, "datanode_finalize_be")) return;
    ++times;
    EXPECT_THAT(ReadAll(), IsOkAndHolds(data_.substr(0, 1000))) << name;
  });
  ASSERT_OK(writer->Finalize());
  SetCrashPointHook(nullptr);
  EXPECT_EQ(times, 3);
}

// Its recovery may end between the look at the replica and the claim.
TEST_F(ReplicaStoreTest, WhatHasBecomeNewerMeanwhileIsNotReplaced) {
  Open();
  ASSERT_OK(WriteFinalized(1000));
  SetCrashPointHook([&](absl::string_view name) {
    if (name != "datanode_create_before_claim") return;
    EXPECT_OK(store_->InitRecovery(kBlock, kNewStamp));
    EXPECT_OK(store_->FinishRecovery(kBlock, kNewStamp, 1000));
  });
  EXPECT_THAT(Create(kNewStamp), StatusIs(absl::StatusCode::kAlreadyExists));
  SetCrashPointHook(nullptr);
  EXPECT_EQ(store_->Find(kBlock)->stamp, kNewStamp);
  EXPECT_THAT(ReadAll(), IsOkAndHolds(data_.substr(0, 1000)));
  EXPECT_OK(Create(GenerationStamp{1003})) << "it was given back";
}

TEST_F(ReplicaStoreTest, VerifyFindsRotInAnyChunk) {
  Open();
  for (const uint64_t offset : {0u, 70'000u, 100'099u}) {
    ASSERT_OK(WriteFinalized(100'100));
    ASSERT_OK(store_->Verify(kBlock, kStamp));
    ASSERT_OK(fs_.FlipBit(Paths().data, offset, 0));
    EXPECT_THAT(store_->Verify(kBlock, kStamp), StatusIs(absl::StatusCode::kDataLoss));
    EXPECT_EQ(store_->Find(kBlock)->state, ReplicaState::kCorrupt);
    ASSERT_OK(store_->Invalidate(kBlock, kStamp));
  }
}

TEST_F(ReplicaStoreTest, AFullDiskFailsTheWriteAndNothingElse) {
  Open();
  ASSERT_OK_AND_ASSIGN(const auto writer, Create());
  fs_.SetCapacity(8192);
  EXPECT_THAT(WriteTo(*writer, 200'000), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_FALSE(store_->volumes()[0]->failed());
}

TEST_F(ReplicaStoreTest, AnIoErrorMarksItsVolumeAndOthersServeOn) {
  Open();
  ASSERT_OK_AND_ASSIGN(auto writer, Create());
  ASSERT_OK(WriteTo(*writer, 1000));
  fs_.FailCall(FileCall::kSync, 1, absl::DataLossError("EIO"));
  EXPECT_THAT(writer->Finalize(), StatusIs(absl::StatusCode::kDataLoss));
  writer.reset();
  int failed = 0;
  for (const auto& volume : store_->volumes()) failed += volume->failed() ? 1 : 0;
  EXPECT_EQ(failed, 1);
  EXPECT_OK(store_->Create({.block = BlockId{2}, .stamp = kStamp}));
  EXPECT_OK(store_->Create({.block = BlockId{3}, .stamp = kStamp}));
}

}  // namespace
}  // namespace cairn::datanode
