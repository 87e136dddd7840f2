// What the namenode orders of a replica.
#include <latch>
#include <thread>

#include "common/testing/status_matchers.h"
#include "datanode/scanner/directory_sweep.h"
#include "datanode/testing/replica_test.h"

namespace cairn::datanode {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kBlock;
using testing::kNewStamp;
using testing::kStamp;
using testing::ReplicaStoreTest;
using ::testing::SizeIs;

TEST_F(ReplicaStoreTest, InvalidateSparesNewerStampsAndWaitsForTheWriter) {
  Open();
  ASSERT_OK_AND_ASSIGN(auto writer, Create());
  EXPECT_OK(store_->Invalidate(kBlock, GenerationStamp{1000}));
  EXPECT_THAT(events_.Of(ReplicaEvents::Kind::kDeleted), IsEmpty());
  bool stopped = false;
  writer->open().SetStopper([&] { stopped = true; });
  EXPECT_OK(store_->Invalidate(kBlock, kStamp));
  EXPECT_TRUE(stopped);
  EXPECT_TRUE(store_->Find(kBlock).has_value());
  writer.reset();
  EXPECT_FALSE(store_->Find(kBlock).has_value());
  EXPECT_THAT(events_.Of(ReplicaEvents::Kind::kDeleted), SizeIs(1));
}

TEST_F(ReplicaStoreTest, AReplicaThatIsNewerThanTheOneToBeDeletedIsToldOfAgain) {
  Open();
  ASSERT_OK(WriteFinalized(1000));
  using Kind = ReplicaEvents::Kind;
  ASSERT_THAT(events_.Of(Kind::kFinalized), SizeIs(1));
  EXPECT_OK(store_->Invalidate(kBlock, GenerationStamp{1000}));
  const auto told = events_.Of(Kind::kFinalized);
  ASSERT_THAT(told, SizeIs(2));
  EXPECT_EQ(told[1].replica, *store_->Find(kBlock));
  EXPECT_THAT(events_.Of(Kind::kDeleted), IsEmpty());
}

TEST_F(ReplicaStoreTest, ADeletionThatWaitsForAWriterIsAskedWhetherItIsStillValid) {
  Open();
  ASSERT_OK_AND_ASSIGN(auto writer, Create());
  bool valid = true;
  ASSERT_OK(store_->Invalidate(kBlock, kStamp, [&] { return valid; }));
  valid = false;
  writer.reset();
  EXPECT_TRUE(store_->Find(kBlock).has_value());
  valid = true;
  ASSERT_OK(store_->Invalidate(kBlock, kStamp, [&] { return valid; }));
  EXPECT_FALSE(store_->Find(kBlock).has_value());
}

// A copy may arrive between the look for the replica and the word that there is none.
TEST_F(ReplicaStoreTest, NoReplicaThatIsHereIsSaidToBeAbsent) {
  Open();
  ASSERT_OK(WriteFinalized(1000));
  const int volume = store_->Find(kBlock)->volume;
  store_->TellAbsent(kBlock, kStamp);
  const auto told = events_.Of(ReplicaEvents::Kind::kDeleted);
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].volume, store_->volumes()[static_cast<size_t>(1 - volume)]->path());
}

TEST_F(ReplicaStoreTest, AnUnfinishedCopyIsNoReplicaThatIsHere) {
  Open();
  ASSERT_OK_AND_ASSIGN(const auto writer,
                       store_->Create({.block = kBlock, .stamp = kStamp, .temporary = true}));
  store_->TellAbsent(kBlock, kStamp);
  EXPECT_THAT(events_.Of(ReplicaEvents::Kind::kDeleted), SizeIs(2));
}

// The removal may hang, and be carried out under a namenode that knows nothing of the order: were
// it told of this replica, it might have another one deleted instead.
TEST_F(ReplicaStoreTest, AReplicaWhoseFilesAreBeingRemovedIsNotThereForAnybodyElse) {
  Open();
  ASSERT_OK(WriteFinalized(1000));
  const int volume = store_->Find(kBlock)->volume;
  int times = 0;
  hooked_.before_remove = [&] {
    ++times;
    EXPECT_FALSE(store_->Find(kBlock).has_value());
    EXPECT_THAT(store_->List(volume), IsEmpty());
    EXPECT_THAT(store_->ListAfter(volume, BlockId{0}, 10).replicas, IsEmpty());
    EXPECT_THAT(store_->Summarize(volume, 10).buckets, IsEmpty());
    EXPECT_THAT(store_->OpenForRead(kBlock, kStamp), IsFsError(FsError::kReplicaNotFound));
    EXPECT_THAT(Create(kNewStamp), StatusIs(absl::StatusCode::kAlreadyExists));
    EXPECT_OK(store_->Invalidate(kBlock, kStamp));  // ordered again
    EXPECT_THAT(events_.Of(ReplicaEvents::Kind::kDeleted), IsEmpty());
  };
  ASSERT_OK(store_->Invalidate(kBlock, kStamp));
  hooked_.before_remove = nullptr;
  EXPECT_GT(times, 0);
  EXPECT_THAT(events_.Of(ReplicaEvents::Kind::kDeleted), SizeIs(1));
  EXPECT_OK(Create());
}

// The namenode would count a replica without files.
TEST_F(ReplicaStoreTest, ASweepThatMeetsADeletionDoesNotAdoptWhatIsGone) {
  Open();
  ASSERT_OK(WriteFinalized(1000));
  const int volume = store_->Find(kBlock)->volume;
  const std::string data_path = Paths().data;
  std::latch deleting(1);
  std::latch seen(1);
  hooked_.before_remove = [&, first = true]() mutable {
    if (!std::exchange(first, false)) return;
    deleting.count_down();
    seen.wait();
  };
  std::thread remover([&] { EXPECT_OK(store_->Invalidate(kBlock, kStamp)); });
  const auto finish_deletion = [&] {
    if (!remover.joinable()) return;
    seen.count_down();
    remover.join();
  };
  deleting.wait();
  bool opened = false;
  hooked_.after_open = [&](const std::string& path) {
    if (path != data_path) return;
    opened = true;
    finish_deletion();
  };
  EXPECT_EQ(SweepDirectories(*store_, volume, [] { return true; }).adopted, 0u);
  finish_deletion();
  EXPECT_TRUE(opened);
  EXPECT_EQ(store_->Find(kBlock), std::nullopt);
  using Kind = ReplicaEvents::Kind;
  EXPECT_THAT(events_.kinds(), ElementsAre(Kind::kBeingWritten, Kind::kFinalized, Kind::kDeleted));
  EXPECT_OK(Create());
}

TEST_F(ReplicaStoreTest, ADeletionIsNeverToldBeforeTheReplicaThatIsDeleted) {
  Open();
  events_.before_change = [this](ReplicaEvents::Kind kind, const ReplicaInfo& replica) {
    if (kind == ReplicaEvents::Kind::kFinalized) {
      EXPECT_OK(store_->Invalidate(replica.block, replica.stamp));
    }
  };
  ASSERT_OK(WriteFinalized(1000));
  using Kind = ReplicaEvents::Kind;
  EXPECT_THAT(events_.kinds(), ElementsAre(Kind::kBeingWritten, Kind::kFinalized, Kind::kDeleted));
  EXPECT_FALSE(store_->Find(kBlock).has_value());
}

// Else the namenode would wait for ever to hear that it is gone, and send no copy here.
TEST_F(ReplicaStoreTest, OfWhatIsNotThereItIsSaidThatItIsDeleted) {
  Open();
  EXPECT_OK(store_->Invalidate(kBlock, kStamp));
  const auto deleted = events_.Of(ReplicaEvents::Kind::kDeleted);
  ASSERT_THAT(deleted, SizeIs(store_->volumes().size()));
  EXPECT_EQ(deleted.front().replica.block, kBlock);
}

TEST_F(ReplicaStoreTest, TruncateCutsInsideAChunkAndIsRepeatable) {
  Open();
  ASSERT_OK(WriteFinalized(10'000));
  for (int i = 0; i < 2; ++i) {
    ASSERT_OK(store_->Truncate(kBlock, kStamp, GenerationStamp{1002}, 5'300));
    EXPECT_THAT(ReadAll(), IsOkAndHolds(data_.substr(0, 5'300)));
  }
  EXPECT_EQ(store_->Find(kBlock)->stamp, GenerationStamp{1002});
  EXPECT_THAT(store_->Truncate(kBlock, kStamp, GenerationStamp{1003}, 6'000),
              StatusIs(absl::StatusCode::kAborted));
}

TEST_F(ReplicaStoreTest, AReaderWhoMeetsATruncationDoesNotCondemnTheReplica) {
  Open();
  ASSERT_OK(WriteFinalized(10'000));
  int times = 0;
  hooked_.before_sync = [&] {
    ++times;
    store_->MarkCorrupt(kBlock, kStamp);
  };
  ASSERT_OK(store_->Truncate(kBlock, kStamp, kNewStamp, 5'300));
  hooked_.before_sync = nullptr;
  EXPECT_GT(times, 0);
  EXPECT_THAT(events_.Of(ReplicaEvents::Kind::kCorrupt), SizeIs(0));
  EXPECT_THAT(ReadAll(), IsOkAndHolds(data_.substr(0, 5'300)));
}

TEST_F(ReplicaStoreTest, RecoveryFinalizesAtTheAgreedLengthAndRefusesOlderOnes) {
  Open();
  ASSERT_OK_AND_ASSIGN(auto writer, Create());
  ASSERT_OK(WriteTo(*writer, 2000));
  writer.reset();
  ASSERT_OK_AND_ASSIGN(const ReplicaInfo info, store_->InitRecovery(kBlock, GenerationStamp{1010}));
  EXPECT_EQ(info.length, 2000u);
  EXPECT_THAT(store_->InitRecovery(kBlock, GenerationStamp{1009}),
              StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(store_->FinishRecovery(kBlock, GenerationStamp{1009}, 2000),
              StatusIs(absl::StatusCode::kAborted));
  ASSERT_OK(store_->FinishRecovery(kBlock, GenerationStamp{1010}, 1500));
  EXPECT_OK(store_->FinishRecovery(kBlock, GenerationStamp{1010}, 1500));
  EXPECT_THAT(ReadAll(), IsOkAndHolds(data_.substr(0, 1500)));
  EXPECT_OK(store_->InitRecovery(kBlock, GenerationStamp{1010}));  // asked again: it is done
}

// The namenode took it for one that was left behind.
TEST_F(ReplicaStoreTest, ADeletionOfTheOlderVersionSparesWhatIsJustBeingRecovered) {
  Open();
  ASSERT_OK(WriteFinalized(2000));
  ASSERT_OK(store_->InitRecovery(kBlock, kNewStamp));
  int times = 0;
  hooked_.before_sync = [&] {
    if (++times > 1) return;
    EXPECT_OK(store_->Invalidate(kBlock, kStamp));
  };
  ASSERT_OK(store_->FinishRecovery(kBlock, kNewStamp, 1500));
  hooked_.before_sync = nullptr;
  EXPECT_GT(times, 0);
  ASSERT_TRUE(store_->Find(kBlock).has_value());
  EXPECT_EQ(store_->Find(kBlock)->stamp, kNewStamp);
  EXPECT_THAT(ReadAll(), IsOkAndHolds(data_.substr(0, 1500)));
  EXPECT_THAT(events_.Of(ReplicaEvents::Kind::kDeleted), IsEmpty());
}

TEST_F(ReplicaStoreTest, AfterARecoveryBeganOlderStampsAreRefused) {
  Open();
  ASSERT_OK_AND_ASSIGN(auto writer, Create());
  ASSERT_OK(WriteTo(*writer, 700));
  writer->open().SetAcked(700);
  writer.reset();
  ASSERT_OK(store_->InitRecovery(kBlock, GenerationStamp{1010}));
  const auto aborted = StatusIs(absl::StatusCode::kAborted, HasSubstr("recovery 1010"));
  const GenerationStamp old{1009};
  EXPECT_THAT(store_->OpenForAppend(kBlock, kStamp, old, 700, true), aborted);
  EXPECT_THAT(store_->OpenForStreamingRecovery(kBlock, kStamp, old, 700), aborted);
  EXPECT_THAT(store_->RecoverClose(kBlock, kStamp, old, 700), aborted);
  EXPECT_THAT(store_->Truncate(kBlock, kStamp, old, 600), aborted);
  EXPECT_THAT(Create(old), aborted);
  ASSERT_OK(store_->OpenForStreamingRecovery(kBlock, kStamp, GenerationStamp{1011}, 700));
  EXPECT_THAT(store_->FinishRecovery(kBlock, GenerationStamp{1010}, 700),
              StatusIs(absl::StatusCode::kAborted));  // the newer writer has ended it

  ASSERT_OK(store_->InitRecovery(kBlock, GenerationStamp{1020}));
  ASSERT_OK(store_->Invalidate(kBlock, GenerationStamp{1020}));
  EXPECT_OK(Create());  // what is gone leaves nothing behind
}

}  // namespace
}  // namespace cairn::datanode
