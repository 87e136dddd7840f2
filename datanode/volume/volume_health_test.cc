// What becomes of a volume, and of all that lies on it, when its disk fails in one way or another.
#include "datanode/volume/volume_health.h"

#include <functional>

#include "common/fs_error.h"
#include "common/testing/eventually.h"
#include "common/testing/status_matchers.h"
#include "datanode/testing/test_store.h"
#include "datanode/volume/volume_watch.h"

namespace cairn::datanode {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Pattern;
using ::testing::SizeIs;
using testing::TestStore;

constexpr BlockId kHere{1073741825};       // on the volume that fails
constexpr BlockId kElsewhere{1073741826};  // on the other
constexpr BlockId kNew{1073741827};
constexpr GenerationStamp kStamp{1001};
constexpr GenerationStamp kNewStamp{1002};

const absl::Status& Eio() {
  static const absl::Status* const status = new absl::Status(absl::DataLossError("EIO"));
  return *status;
}

TEST(JudgeVolumeTest, AFailedWriteIsFinalAndAFailedReadAReasonToLook) {
  EXPECT_EQ(JudgeVolume(VolumeUse::kWrite, Eio()), VolumeVerdict::kFailed);
  EXPECT_EQ(JudgeVolume(VolumeUse::kRead, Eio()), VolumeVerdict::kCheck);
  EXPECT_EQ(JudgeVolume(VolumeUse::kWrite, absl::NotFoundError("")), VolumeVerdict::kCheck);
  EXPECT_EQ(JudgeVolume(VolumeUse::kWrite, absl::InternalError("EROFS")), VolumeVerdict::kCheck);
  EXPECT_EQ(JudgeVolume(VolumeUse::kWrite, absl::ResourceExhaustedError("ENOSPC")),
            VolumeVerdict::kWell);
  EXPECT_EQ(JudgeVolume(VolumeUse::kRead, absl::OkStatus()), VolumeVerdict::kWell);
}

TEST(TooManyFailedTest, OneVolumeMustAlwaysBeLeft) {
  EXPECT_FALSE(TooManyFailed(3, 0, 0));
  EXPECT_TRUE(TooManyFailed(3, 1, 0));
  EXPECT_FALSE(TooManyFailed(3, 1, 1));
  EXPECT_TRUE(TooManyFailed(3, 2, 1));
  EXPECT_FALSE(TooManyFailed(3, 2, -1));
  EXPECT_TRUE(TooManyFailed(3, 3, -1));
  EXPECT_TRUE(TooManyFailed(1, 1, 5));
}

class VolumeHealthTest : public ::testing::Test {
 protected:
  VolumeHealthTest() {
    EXPECT_OK(store_.WriteFinalized(kHere, kStamp, 0, 10'000));
    EXPECT_OK(store_.WriteFinalized(kElsewhere, kStamp, 1, 10'000));
  }
  // Volume 0 has failed with all that was on it, and nothing else has.
  void ExpectOnlyTheFirstHasFailed() {
    EXPECT_TRUE(store_.volume(0).failed());
    EXPECT_FALSE(store_.volume(1).failed());
    EXPECT_THAT(store_.events.failed_volumes(), ElementsAre("/v1"));
    EXPECT_THAT(store_.events.Of(ReplicaEvents::Kind::kCorrupt), IsEmpty());
    EXPECT_EQ(store_->Find(kHere), std::nullopt);
    EXPECT_THAT(store_->List(0), IsEmpty());
    EXPECT_THAT(store_->OpenForRead(kHere, kStamp), IsFsError(FsError::kReplicaNotFound));
    EXPECT_THAT(store_.Read(kElsewhere), IsOkAndHolds(Pattern(10'000)));
    for (const uint64_t id : {1, 2, 3}) {
      EXPECT_OK(store_.WriteFinalized(BlockId{id}, kStamp, 0, 100));  // goes to the other one
      EXPECT_EQ(store_->Find(BlockId{id})->volume, 1);
    }
  }
  // A replica is written, with `call` failing once.
  void WriteWhile(FileCall call) {
    ASSERT_OK_AND_ASSIGN(auto writer, store_.Create(kNew, kStamp, 0));
    store_.fs.FailCall(call, 1, Eio());
    absl::Status status = TestStore::WriteTo(*writer, 5'000);
    if (status.ok()) status = writer->Finalize();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss));
    writer.reset();
    EXPECT_EQ(store_->Find(kNew), std::nullopt);
  }
  void Vanish() { ASSERT_OK(store_.fs.Rename("/v1/current", "/v1/gone")); }

  TestStore store_;
};

TEST_F(VolumeHealthTest, AWriteThatFailsTakesTheVolumeOut) {
  WriteWhile(FileCall::kWrite);
  ExpectOnlyTheFirstHasFailed();
}

TEST_F(VolumeHealthTest, ASyncThatFailsTakesTheVolumeOut) {
  WriteWhile(FileCall::kSync);
  ExpectOnlyTheFirstHasFailed();
}

TEST_F(VolumeHealthTest, ARenameThatFailsTakesTheVolumeOut) {
  WriteWhile(FileCall::kRename);
  ExpectOnlyTheFirstHasFailed();
}

TEST_F(VolumeHealthTest, ADirectorySyncThatFailsTakesTheVolumeOut) {
  WriteWhile(FileCall::kSyncDirectory);
  ExpectOnlyTheFirstHasFailed();
}

TEST_F(VolumeHealthTest, AFileThatCannotBeMadeTakesTheVolumeOut) {
  store_.fs.FailCall(FileCall::kCreate, 1, Eio());
  EXPECT_THAT(store_.Create(kNew, kStamp, 0), StatusIs(absl::StatusCode::kDataLoss));
  ExpectOnlyTheFirstHasFailed();
}

// A bad sector costs the replica, which is reported; the disk goes on.
TEST_F(VolumeHealthTest, AReadThatFailsOnAHealthyDiskCostsOneReplica) {
  store_.fs.FailCall(FileCall::kRead, 3, Eio());  // of data
  EXPECT_THAT(store_->Verify(kHere, kStamp), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_FALSE(store_.volume(0).failed());
  EXPECT_EQ(store_->Find(kHere)->state, ReplicaState::kCorrupt);
  EXPECT_THAT(store_.events.Of(ReplicaEvents::Kind::kCorrupt), SizeIs(1));
}

TEST_F(VolumeHealthTest, AReadThatFailsOnADiskThatCannotBeWrittenEither) {
  store_.fs.FailCall(FileCall::kRead, 3, Eio());                         // of data
  store_.fs.FailCall(FileCall::kSync, 1, absl::InternalError("EROFS"));  // the check's
  EXPECT_FALSE(store_->Verify(kHere, kStamp).ok());
  ExpectOnlyTheFirstHasFailed();
}

TEST_F(VolumeHealthTest, AReaderOfAVanishedDirectoryCondemnsNoReplica) {
  Vanish();
  EXPECT_THAT(store_->OpenForRead(kHere, kStamp), IsFsError(FsError::kReplicaNotFound));
  ExpectOnlyTheFirstHasFailed();
}

TEST_F(VolumeHealthTest, AWriterToAVanishedDirectoryFindsOut) {
  Vanish();
  EXPECT_FALSE(store_.Create(kNew, kStamp, 0).ok());
  ExpectOnlyTheFirstHasFailed();
}

TEST_F(VolumeHealthTest, NobodyNeedsToUseAVanishedDirectoryForItToBeNoticed) {
  Vanish();
  EXPECT_FALSE(store_.volume(0).CheckPresence().ok());
  EXPECT_OK(store_.volume(1).CheckPresence());
  ExpectOnlyTheFirstHasFailed();
}

TEST_F(VolumeHealthTest, AnotherDiskInItsPlaceIsNotTakenForIt) {
  ASSERT_OK(store_.fs.WriteDurably(
      "/v1/current/VERSION",
      FormatIdentity({.storage_uuid = "DS-other", .datanode_uuid = "dn-uuid"})));
  EXPECT_THAT(store_.volume(0).CheckPresence(),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("DS-other")));
  ExpectOnlyTheFirstHasFailed();
}

TEST_F(VolumeHealthTest, AFullDiskIsWell) {
  store_.fs.SetCapacity(1);
  EXPECT_OK(store_.volume(0).Check());
  EXPECT_FALSE(store_.volume(0).failed());
}

TEST_F(VolumeHealthTest, WritersOnAFailedVolumeAreStoppedAndTheirReplicasForgotten) {
  ASSERT_OK_AND_ASSIGN(auto writer, store_.Create(kNew, kStamp, 0));
  ASSERT_OK(TestStore::WriteTo(*writer, 1000));
  bool stopped = false;
  writer->open().SetStopper([&] { stopped = true; });
  store_.volume(0).MarkFailed(Eio());
  EXPECT_TRUE(stopped);
  EXPECT_THAT(TestStore::WriteTo(*writer, 2000), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(writer->Sync(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(writer->Finalize(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_TRUE(store_->Find(kNew).has_value());  // its files have an owner
  writer.reset();
  EXPECT_EQ(store_->Find(kNew), std::nullopt);
  EXPECT_OK(store_.Create(kNew, kStamp, 1));  // by a copy, say
  ExpectOnlyTheFirstHasFailed();
}

// The kernel may have dropped the pages and call them clean: a second sync proves nothing.
TEST_F(VolumeHealthTest, AFailedSyncIsNotTriedAgainAndRecoveryWritesTheBytesAnew) {
  ASSERT_OK_AND_ASSIGN(auto writer, store_.Create(kNew, kStamp, 0));
  ASSERT_OK(TestStore::WriteTo(*writer, 5'000));
  writer->open().SetAcked(5'000);
  const auto no_space = absl::ResourceExhaustedError("ENOSPC");
  store_.fs.FailCall(FileCall::kSync, 1, no_space);
  EXPECT_EQ(writer->Sync(), no_space);
  const int syncs = store_.fs.calls(FileCall::kSync);
  EXPECT_EQ(writer->Sync(), no_space);
  EXPECT_EQ(writer->Finalize(), no_space);
  EXPECT_EQ(store_.fs.calls(FileCall::kSync), syncs);
  EXPECT_FALSE(store_.volume(0).failed());
  writer.reset();
  ASSERT_OK(store_->InitRecovery(kNew, kNewStamp));
  ASSERT_OK(store_->FinishRecovery(kNew, kNewStamp, 4'000));
  store_.fs.Crash();
  store_.Restart();
  EXPECT_THAT(store_.Read(kNew), IsOkAndHolds(Pattern(4'000)));
}

TEST_F(VolumeHealthTest, AVolumeThatCannotBeListedAtStartTakesNothingOfTheOthersAlong) {
  store_.fs.FailCall(FileCall::kList, 1, Eio());  // of either volume: both are read at a time
  store_.Restart();
  EXPECT_OK(store_.loaded);
  // It is given up before the thread that found it failed has told of it.
  EVENTUALLY(!store_.events.failed_volumes().empty());
  EXPECT_THAT(store_.events.failed_volumes(), SizeIs(1));
  EXPECT_EQ(store_->size(), 1u);
  EXPECT_OK(CheckVolumes(*store_, {.tolerated = 1}));
  EXPECT_THAT(CheckVolumes(*store_, {.tolerated = 0}),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("1 of 2, dfs.datanode.failed.volumes.tolerated is 0")));
}

}  // namespace
}  // namespace cairn::datanode
