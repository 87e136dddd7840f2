// A replica goes on: for a writer, a pipeline's recovery, a truncation.
#include "common/testing/status_matchers.h"
#include "datanode/testing/replica_test.h"

namespace cairn::datanode {
namespace {

using testing::kBlock;
using testing::kNewStamp;
using testing::kStamp;
using testing::ReplicaStoreTest;
using ::testing::SizeIs;

// A checksum that is computed anew must not vouch for bytes that have rotted.
TEST_F(ReplicaStoreTest, AnAppendToARottenChunkIsRefusedAndTheReplicaReported) {
  Open();
  ASSERT_OK(WriteFinalized(700));
  ExpectRefusedWithRotAt(
      600, [&] { return store_->OpenForAppend(kBlock, kStamp, kNewStamp, 700, false).status(); });
  EXPECT_EQ(store_->Find(kBlock)->state, ReplicaState::kCorrupt);
  EXPECT_THAT(events_.Of(ReplicaEvents::Kind::kCorrupt), SizeIs(1));
}

TEST_F(ReplicaStoreTest, ATruncationIntoARottenChunkIsRefusedAndTheReplicaReported) {
  for (const uint64_t offset : {600u, 900u}) {  // before the cut and behind it, in one chunk
    SCOPED_TRACE(offset);
    Open();
    ASSERT_OK(WriteFinalized(1500));
    ExpectRefusedWithRotAt(offset,
                           [&] { return store_->Truncate(kBlock, kStamp, kNewStamp, 700); });
    EXPECT_EQ(store_->Find(kBlock)->state, ReplicaState::kCorrupt);
    ASSERT_OK(store_->Invalidate(kBlock, kStamp));
  }
  EXPECT_THAT(events_.Of(ReplicaEvents::Kind::kCorrupt), SizeIs(2));
}

TEST_F(ReplicaStoreTest, NoRecoveryGoesOnAfterARottenChunk) {
  Open();
  ASSERT_OK_AND_ASSIGN(auto writer, Create());
  ASSERT_OK(WriteTo(*writer, 700));
  writer->open().SetAcked(700);
  writer.reset();
  ExpectRefusedWithRotAt(600, [&] {
    return store_->OpenForStreamingRecovery(kBlock, kStamp, kNewStamp, 700).status();
  });
  EXPECT_THAT(store_->RecoverClose(kBlock, kStamp, kNewStamp, 700),
              StatusIs(absl::StatusCode::kDataLoss));
  ASSERT_OK(store_->InitRecovery(kBlock, kNewStamp));
  EXPECT_THAT(store_->FinishRecovery(kBlock, kNewStamp, 600),
              StatusIs(absl::StatusCode::kDataLoss));
  ASSERT_OK(fs_.FlipBit(Paths().data, 600, 3));  // back to what it was
  EXPECT_OK(store_->FinishRecovery(kBlock, kNewStamp, 600));
  EXPECT_THAT(ReadAll(), IsOkAndHolds(data_.substr(0, 600)));
}

// What was written of the chunk and what its checksum says may differ then; what is kept verifies.
TEST_F(ReplicaStoreTest, RecoveryGoesOnAfterAWriteThatFailedHalfWay) {
  Open();
  for (const int failing : {1, 2}) {  // of the data; of their checksums
    ASSERT_OK_AND_ASSIGN(auto writer, Create());
    ASSERT_OK(WriteTo(*writer, 700));
    writer->open().SetAcked(650);
    fs_.FailCall(FileCall::kWrite, failing, absl::ResourceExhaustedError("ENOSPC"), /*torn=*/true);
    EXPECT_FALSE(WriteTo(*writer, 900).ok());
    writer.reset();
    ASSERT_OK_AND_ASSIGN(writer, store_->OpenForStreamingRecovery(kBlock, kStamp, kNewStamp, 650));
    EXPECT_EQ(writer->length(), 650u);
    ASSERT_OK(WriteTo(*writer, 2000));
    ASSERT_OK(writer->Finalize());
    writer.reset();
    EXPECT_THAT(ReadAll(), IsOkAndHolds(data_.substr(0, 2000)));
    ASSERT_OK(store_->Invalidate(kBlock, kNewStamp));
  }
}

TEST_F(ReplicaStoreTest, AFailedReopenLeavesMapAndFilesInStep) {
  Open();
  ASSERT_OK(WriteFinalized(10'240));
  // The second rename: the first is taken back.
  fs_.FailCall(FileCall::kRename, 2, absl::ResourceExhaustedError("ENOSPC"));
  EXPECT_FALSE(store_->Truncate(kBlock, kStamp, kNewStamp, 5'120).ok());
  EXPECT_EQ(store_->Find(kBlock)->state, ReplicaState::kFinalized);
  EXPECT_EQ(store_->Find(kBlock)->stamp, kStamp);
  EXPECT_THAT(ReadAll(), IsOkAndHolds(data_.substr(0, 10'240)));
  // Behind the renames; the first one is that of the record.
  fs_.FailCall(FileCall::kSyncDirectory, 2, absl::ResourceExhaustedError("ENOSPC"));
  EXPECT_FALSE(store_->Truncate(kBlock, kStamp, kNewStamp, 5'120).ok());
  const ReplicaInfo info = *store_->Find(kBlock);
  EXPECT_EQ(info.state, ReplicaState::kWaitingRecovery);
  EXPECT_EQ(info.stamp, kNewStamp);
  EXPECT_EQ(info.length, 10'240u);
  EXPECT_THAT(ReadAll(), IsOkAndHolds(data_.substr(0, 10'240)));
  EXPECT_OK(store_->Truncate(kBlock, kNewStamp, GenerationStamp{1003}, 5'120));
  EXPECT_THAT(ReadAll(), IsOkAndHolds(data_.substr(0, 5'120)));
}

// The packet that asked for the sync may be what was lost. So with what a pipeline's recovery
// finds.
TEST_F(ReplicaStoreTest, ClosingByRecoverySyncsThoughTheDatanodeDoesNot) {
  Open({.sync_on_finalize = false});
  ASSERT_OK_AND_ASSIGN(auto writer, Create());
  ASSERT_OK(WriteTo(*writer, 1024));
  writer->open().SetAcked(1024);
  writer.reset();
  ASSERT_OK(store_->RecoverClose(kBlock, kStamp, kNewStamp, 1024));
  fs_.Crash();
  Open();
  EXPECT_EQ(store_->Find(kBlock)->state, ReplicaState::kFinalized);
  EXPECT_THAT(ReadAll(), IsOkAndHolds(data_.substr(0, 1024)));
}

TEST_F(ReplicaStoreTest, AnHsyncIsRememberedAcrossARecoveryOfThePipeline) {
  Open({.sync_on_finalize = false});
  ASSERT_OK_AND_ASSIGN(auto writer, Create());
  ASSERT_OK(WriteTo(*writer, 1024));
  ASSERT_OK(writer->Sync());
  writer->open().SetAcked(1024);
  writer.reset();
  ASSERT_OK_AND_ASSIGN(writer, store_->OpenForStreamingRecovery(kBlock, kStamp, kNewStamp, 1024));
  ASSERT_OK(writer->Finalize());
  writer.reset();
  fs_.Crash();
  Open();
  EXPECT_EQ(store_->Find(kBlock)->state, ReplicaState::kFinalized);
}

// A pipeline's recovery has its new node given a copy: what was promised of the bytes is not known
// there.
TEST_F(ReplicaStoreTest, AnHsyncIsAssumedOfACopyThatGoesOnBeingWritten) {
  Open({.sync_on_finalize = false});
  ASSERT_OK_AND_ASSIGN(auto writer,
                       store_->Create({.block = kBlock, .stamp = kStamp, .temporary = true}));
  ASSERT_OK(WriteTo(*writer, 1024));
  ASSERT_OK(writer->BecomeBeingWritten());
  writer.reset();
  ASSERT_OK_AND_ASSIGN(writer, store_->OpenForStreamingRecovery(kBlock, kStamp, kNewStamp, 1024));
  ASSERT_OK(writer->Finalize());
  writer.reset();
  fs_.Crash();
  Open();
  ASSERT_TRUE(store_->Find(kBlock).has_value());
  EXPECT_EQ(store_->Find(kBlock)->state, ReplicaState::kFinalized);
  EXPECT_THAT(ReadAll(), IsOkAndHolds(data_.substr(0, 1024)));
}

}  // namespace
}  // namespace cairn::datanode
