// What a start makes of the files it finds.
#include "datanode/volume/replica_loader.h"

#include "absl/strings/str_cat.h"
#include "common/crash_point.h"
#include "common/testing/status_matchers.h"
#include "datanode/testing/replica_test.h"

namespace cairn::datanode {
namespace {

using ::testing::IsEmpty;
using testing::kBlock;
using testing::kNewStamp;
using testing::kStamp;
using testing::ReplicaStoreTest;
using ::testing::SizeIs;

// A replica that nobody can load would be in the way of a recovery, and of a copy, for ever. (Found
// by tests/sim.)
TEST_F(ReplicaStoreTest, AReplicaThatLostItsHeaderBeforeAnySyncBeginsAnew) {
  Open();
  ASSERT_OK_AND_ASSIGN(auto writer, Create());
  ASSERT_OK(WriteTo(*writer, 1'000));
  writer.reset();
  const std::string meta = store_->volumes()[0]->RbwDirectory() + "/blk_" +
                           absl::StrCat(ToInt(kBlock), "_", ToInt(kStamp), ".meta");
  store_.reset();
  {
    ASSERT_OK_AND_ASSIGN(const auto file, fs_.Open(meta, {.write = true}));
    ASSERT_OK(file->Truncate(0));
  }
  Open();
  ASSERT_TRUE(store_->Find(kBlock).has_value());
  EXPECT_EQ(store_->Find(kBlock)->state, ReplicaState::kWaitingRecovery);
  EXPECT_EQ(store_->Find(kBlock)->length, 0u);
  ASSERT_OK(store_->InitRecovery(kBlock, kNewStamp));
  EXPECT_OK(store_->FinishRecovery(kBlock, kNewStamp, 0));
}

// What hflush acknowledged survives everything but a power cut, which tears no header.
TEST_F(ReplicaStoreTest, AReplicaWhoseHeaderRottedIsReportedAndLeftAsItIs) {
  Open();
  ASSERT_OK_AND_ASSIGN(auto writer, Create());
  ASSERT_OK(WriteTo(*writer, 1'024));
  writer.reset();
  const ReplicaPaths paths = Paths();
  ASSERT_OK(fs_.FlipBit(paths.meta, 1, 3));
  ASSERT_OK_AND_ASSIGN(const std::string meta, fs_.ReadAll(paths.meta, 1 << 20));
  Open();
  ASSERT_TRUE(store_->Find(kBlock).has_value());
  EXPECT_EQ(store_->Find(kBlock)->state, ReplicaState::kCorrupt);
  EXPECT_THAT(fs_.ReadAll(paths.data, 1 << 20), IsOkAndHolds(data_.substr(0, 1'024)));
  EXPECT_THAT(fs_.ReadAll(paths.meta, 1 << 20), IsOkAndHolds(meta));
  EXPECT_OK(Create(kNewStamp));  // a newer one takes its place
}

// Nobody would come back to it, since the scanner looks for replicas in finalized/ only; and a
// recovery would do without it.
TEST_F(ReplicaStoreTest, AnOpenReplicaThatCannotBeReadForWantOfMemoryOrDescriptorsFailsTheStart) {
  Open();
  ASSERT_OK_AND_ASSIGN(auto writer, Create());
  ASSERT_OK(WriteTo(*writer, 70'001));
  ASSERT_OK(writer->Sync());
  writer.reset();
  const ReplicaPaths paths = Paths();
  for (const std::string& file : {paths.data, paths.meta, paths.tail}) {
    SCOPED_TRACE(file);
    hooked_.before_open = [&](const std::string& path) -> absl::Status {
      return path == file ? absl::ResourceExhaustedError("EMFILE") : absl::OkStatus();
    };
    OpenUnread();
    EXPECT_THAT(store_->Load(), StatusIs(absl::StatusCode::kResourceExhausted));
    hooked_.before_open = nullptr;
    Open();
    EXPECT_EQ(store_->Find(kBlock)->state, ReplicaState::kWaitingRecovery);
    EXPECT_THAT(ReadAll(), IsOkAndHolds(data_.substr(0, 70'001)));
  }
}

// With its bytes unreadable it would pass for one that never synced anything.
TEST_F(ReplicaStoreTest, ATailFileThatCannotBeReadIsNotTakenForNone) {
  Open();
  ASSERT_OK_AND_ASSIGN(auto writer, Create());
  ASSERT_OK(WriteTo(*writer, 70'001));
  ASSERT_OK(writer->Sync());
  writer.reset();
  const ReplicaPaths paths = Paths();
  ASSERT_OK(fs_.FlipBit(paths.data, 1000, 3));
  hooked_.before_open = [&](const std::string& path) -> absl::Status {
    return path == paths.tail ? absl::DataLossError("EIO") : absl::OkStatus();
  };
  Open();
  hooked_.before_open = nullptr;
  EXPECT_EQ(store_->Find(kBlock)->state, ReplicaState::kCorrupt);
  ASSERT_OK_AND_ASSIGN(const std::string left, fs_.ReadAll(paths.data, 1 << 20));
  EXPECT_EQ(left.size(), 70'001u);
}

TEST_F(ReplicaStoreTest, ADirectoryThatCannotBeListedForNowFailsTheStartAndNotTheVolume) {
  Open();
  ASSERT_OK(WriteFinalized(1000));
  for (int nth = 1;; ++nth) {
    SCOPED_TRACE(nth);
    OpenUnread();
    const int before = fs_.calls(FileCall::kList);
    fs_.FailCall(FileCall::kList, nth, absl::ResourceExhaustedError("EMFILE"));
    const absl::Status loaded = store_->Load();
    if (fs_.calls(FileCall::kList) - before < nth) break;  // none was left to fail
    EXPECT_THAT(loaded, StatusIs(absl::StatusCode::kResourceExhausted));
    for (const Volume* const volume : store_->volumes()) EXPECT_FALSE(volume->failed());
  }
  fs_.ClearFaults();
  Open();
  EXPECT_THAT(ReadAll(), IsOkAndHolds(data_.substr(0, 1000)));
}

// What was synced cannot be a torn write: it is no beginning of the block to go on from.
TEST_F(ReplicaStoreTest, RotBelowAnHsyncIsReportedAtStartAndNothingIsCut) {
  for (const uint64_t length : {70'001u, 70'144u}) {  // 70'144: at a chunk boundary
    SCOPED_TRACE(length);
    Open();
    ASSERT_OK_AND_ASSIGN(auto writer, Create());
    ASSERT_OK(WriteTo(*writer, length));
    ASSERT_OK(writer->Sync());
    writer.reset();
    ExpectDamagedAtStartWithRotAt(1000);
    ASSERT_OK(store_->Invalidate(kBlock, kStamp));
    EXPECT_THAT(FilesOfTheBlock(), IsEmpty());
  }
}

TEST_F(ReplicaStoreTest, WhatAnHsyncDidNotCoverIsCutAtStart) {
  Open();
  ASSERT_OK_AND_ASSIGN(auto writer, Create());
  ASSERT_OK(WriteTo(*writer, 1024));
  ASSERT_OK(writer->Sync());
  ASSERT_OK(WriteTo(*writer, 2048));
  writer.reset();
  ASSERT_OK(fs_.FlipBit(Paths().data, 1024, 3));
  Open();
  EXPECT_EQ(store_->Find(kBlock)->state, ReplicaState::kWaitingRecovery);
  EXPECT_THAT(ReadAll(), IsOkAndHolds(data_.substr(0, 1024)));
}

// What was finalized is on stable media, and stays so when somebody writes on.
TEST_F(ReplicaStoreTest, RotBelowWhereAnAppendBeganIsReportedAtStart) {
  for (const uint64_t length : {1024u, 1300u}) {
    SCOPED_TRACE(length);
    Open();
    ASSERT_OK(WriteFinalized(length));
    ASSERT_OK_AND_ASSIGN(auto writer,
                         store_->OpenForAppend(kBlock, kStamp, kNewStamp, length, false));
    ASSERT_OK(WriteTo(*writer, 3000));
    writer.reset();
    ExpectDamagedAtStartWithRotAt(100);
    ASSERT_OK(store_->Invalidate(kBlock, kNewStamp));
  }
}

TEST_F(ReplicaStoreTest, RotBelowWhatARecoveryKeptOfAnHsyncIsReportedAtStart) {
  for (const uint64_t kept : {1024u, 1300u}) {
    SCOPED_TRACE(kept);
    Open();
    ASSERT_OK_AND_ASSIGN(auto writer, Create());
    ASSERT_OK(WriteTo(*writer, 2000));
    ASSERT_OK(writer->Sync());
    writer->open().SetAcked(kept);
    writer.reset();
    ASSERT_OK(store_->OpenForStreamingRecovery(kBlock, kStamp, kNewStamp, kept));
    ExpectDamagedAtStartWithRotAt(100);
    ASSERT_OK(store_->Invalidate(kBlock, kNewStamp));
  }
}

// The header says how the rest is read: with another chunk size, or none, nothing would match.
TEST_F(ReplicaStoreTest, ARottenHeaderOfWhatWasSyncedIsReportedAtStart) {
  const std::pair<uint64_t, int> bits[] = {{1, 3}, {2, 1}, {5, 0}};  // version, type, chunk size
  for (const auto& [offset, bit] : bits) {
    SCOPED_TRACE(offset);
    Open();
    ASSERT_OK_AND_ASSIGN(auto writer, Create());
    ASSERT_OK(WriteTo(*writer, 1024));
    ASSERT_OK(writer->Sync());
    writer.reset();
    ASSERT_OK(fs_.FlipBit(Paths().meta, offset, bit));
    ASSERT_OK_AND_ASSIGN(const std::string meta, fs_.ReadAll(Paths().meta, 1 << 20));
    const ReplicaPaths paths = Paths();
    Open();
    ASSERT_TRUE(store_->Find(kBlock).has_value());
    EXPECT_EQ(store_->Find(kBlock)->state, ReplicaState::kCorrupt);
    EXPECT_THAT(fs_.ReadAll(paths.meta, 1 << 20), IsOkAndHolds(meta));
    EXPECT_THAT(fs_.ReadAll(paths.data, 1 << 20), IsOkAndHolds(data_.substr(0, 1024)));
    ASSERT_OK(store_->Invalidate(kBlock, kStamp));
  }
}

TEST_F(ReplicaStoreTest, AMetaFileWithoutDataIsRemoved) {
  for (const bool beside_finalized : {false, true}) {
    SCOPED_TRACE(beside_finalized);
    Open();
    ASSERT_OK_AND_ASSIGN(auto writer, Create());
    ASSERT_OK(WriteTo(*writer, 1'000));
    const std::string meta = Paths().meta;
    if (beside_finalized) {
      ASSERT_OK(writer->Finalize());
      ASSERT_OK(fs_.Link(Paths().meta, meta));
    }
    writer.reset();
    if (!beside_finalized) {
      ASSERT_OK(fs_.Remove(Paths().data));
    }
    Open();
    EXPECT_FALSE(fs_.Exists(meta));
    EXPECT_EQ(store_->Find(kBlock).has_value(), beside_finalized);
  }
  EXPECT_THAT(ReadAll(), IsOkAndHolds(data_.substr(0, 1000)));
}

// What was synced is missed, and somebody has to hear of it.
TEST_F(ReplicaStoreTest, SyncedDataThatLostTheirMetaFileAreReportedAndGiveWay) {
  Open();
  ASSERT_OK_AND_ASSIGN(auto writer, Create());
  ASSERT_OK(WriteTo(*writer, 1'024));
  ASSERT_OK(writer->Sync());
  writer.reset();
  const ReplicaPaths paths = Paths();
  ASSERT_OK(fs_.Remove(paths.meta));
  Open();
  ASSERT_TRUE(store_->Find(kBlock).has_value());
  EXPECT_EQ(store_->Find(kBlock)->state, ReplicaState::kCorrupt);
  EXPECT_THAT(fs_.ReadAll(paths.data, 1 << 20), IsOkAndHolds(data_.substr(0, 1024)));
  ASSERT_OK(WriteFinalized(500));  // of any stamp
  EXPECT_THAT(FilesOfTheBlock(), IsEmpty());
}

// Data that were never synced, and whose meta file a power cut took, are left alone. When a copy of
// the block is interrupted between its two renames, they are not taken for its data.
TEST_F(ReplicaStoreTest, DataWithoutAMetaFileAreNotTakenForThoseOfAnInterruptedCopy) {
  Open();
  ReplicaStore::NewReplica wanted{.block = kBlock, .stamp = kStamp};
  wanted.storage_uuid = store_->volumes()[0]->identity().storage_uuid;
  ASSERT_OK_AND_ASSIGN(auto writer, store_->Create(wanted));
  ASSERT_OK(WriteTo(*writer, 1'000));
  writer.reset();
  const ReplicaPaths paths = Paths();
  ASSERT_OK(fs_.Remove(paths.meta));
  Open();
  EXPECT_FALSE(store_->Find(kBlock).has_value());
  EXPECT_TRUE(fs_.Exists(paths.data));

  wanted.temporary = true;
  ASSERT_OK_AND_ASSIGN(writer, store_->Create(wanted));
  ASSERT_OK(WriteTo(*writer, 2'000));
  SetCrashPointHook([&](absl::string_view name) {
    if (name == "datanode_finalize_between_renames") fs_.CutPowerAt(1);
  });
  EXPECT_FALSE(writer->Finalize().ok());
  SetCrashPointHook(nullptr);
  writer.reset();
  store_.reset();
  fs_.ClearFaults();  // the process was killed, and nothing is lost
  Open();
  EXPECT_FALSE(store_->Find(kBlock).has_value());
}

// What a kill between the deletions of a replica's data and meta file leaves. (Found by the
// thrasher.)
TEST_F(ReplicaStoreTest, AMetaFileWithoutDataIsRemovedFromFinalized) {
  Open();
  ASSERT_OK(WriteFinalized(1000));
  const ReplicaPaths paths = Paths();
  ASSERT_OK(fs_.Remove(paths.data));
  Open();
  EXPECT_FALSE(store_->Find(kBlock).has_value());
  EXPECT_FALSE(fs_.Exists(paths.meta));
}

TEST_F(ReplicaStoreTest, WhatIsLeftOfAReplicaWhoseDataAreGoneIsRemoved) {
  Open();
  ASSERT_OK(WriteFinalized(1000));
  const auto info = store_->Find(kBlock);
  const ReplicaPaths paths = Paths();
  EXPECT_FALSE(store_->ForgetVanished(*info)) << "its data are there";
  ASSERT_TRUE(store_->Find(kBlock).has_value());
  ASSERT_OK(fs_.Remove(paths.data));
  EXPECT_TRUE(store_->ForgetVanished(*info));
  EXPECT_FALSE(store_->Find(kBlock).has_value());
  EXPECT_FALSE(fs_.Exists(paths.meta));
}

// As a version of this program left it that did not remove the older meta file. The replica is
// opened again, and killed between the renames of its two files.
TEST_F(ReplicaStoreTest, AnOlderMetaFileIsNotInTheWayOfAReopening) {
  Open();
  ASSERT_OK(WriteFinalized(1000));
  const std::string older = MetaOfStamp(ToInt(kStamp) - 1);
  ASSERT_OK(fs_.Link(Paths().meta, older));
  Open();
  EXPECT_FALSE(fs_.Exists(older));
  EXPECT_EQ(store_->Find(kBlock)->stamp, kStamp);
  SetCrashPointHook([&](absl::string_view name) {
    if (name == "datanode_reopen_between_renames") fs_.CutPowerAt(1);
  });
  EXPECT_FALSE(store_->OpenForAppend(kBlock, kStamp, kNewStamp, 1000, false).ok());
  SetCrashPointHook(nullptr);
  store_.reset();
  fs_.ClearFaults();  // the process was killed, and nothing is lost
  Open();
  ASSERT_TRUE(store_->Find(kBlock).has_value());
  EXPECT_EQ(store_->Find(kBlock)->stamp, kNewStamp);
  EXPECT_EQ(store_->Find(kBlock)->state, ReplicaState::kWaitingRecovery);
  EXPECT_EQ(store_->Find(kBlock)->length, 1000u);
}

// The newer one may be the stray: its deletion failed, and an older replica came after it.
TEST_F(ReplicaStoreTest, OfTwoMetaFilesBesideDataTheOneThatMatchesThemIsKept) {
  Open();
  ASSERT_OK(WriteFinalized(2000));
  ASSERT_OK_AND_ASSIGN(const std::string of_other_data, fs_.ReadAll(Paths().meta, 1 << 20));
  ASSERT_OK(store_->Invalidate(kBlock, kStamp));
  for (const uint64_t length : {1300u, 1024u}) {  // with another number of checksums, or the same
    for (const int difference : {-1, 1}) {
      SCOPED_TRACE(absl::StrCat(length, " ", difference));
      ASSERT_OK(WriteFinalized(length));
      const std::string stray = MetaOfStamp(ToInt(kStamp) + static_cast<uint64_t>(difference));
      ASSERT_OK_AND_ASSIGN(const auto file, fs_.Open(stray, {.create = true, .write = true}));
      const auto bytes = std::as_bytes(std::span(of_other_data));
      ASSERT_OK(file->WriteAt(0, length == 1024 ? bytes.first(7 + 8) : bytes));
      if (length == 1024) {
        ASSERT_OK(fs_.FlipBit(stray, 9, 1));
      }
      Open();
      ASSERT_TRUE(store_->Find(kBlock).has_value());
      EXPECT_EQ(store_->Find(kBlock)->stamp, kStamp);
      EXPECT_FALSE(fs_.Exists(stray));
      EXPECT_THAT(ReadAll(), IsOkAndHolds(data_.substr(0, length)));
      ASSERT_OK(store_->Invalidate(kBlock, kStamp));
    }
  }
}

TEST_F(ReplicaStoreTest, OfTwoMetaFilesBesideRottenDataNoneIsRemoved) {
  Open();
  ASSERT_OK(WriteFinalized(2000));
  const ReplicaPaths paths = Paths();
  const std::string newer = MetaOfStamp(ToInt(kStamp) + 1);
  ASSERT_OK(fs_.Link(paths.meta, newer));
  ASSERT_OK(fs_.FlipBit(paths.data, 100, 1));
  Open();
  EXPECT_TRUE(fs_.Exists(paths.meta));
  EXPECT_TRUE(fs_.Exists(newer));
  EXPECT_THAT(store_->Verify(kBlock, store_->Find(kBlock)->stamp),
              StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(ReplicaStoreTest, AnEmptyDataFileWithoutAMetaFileIsRemoved) {
  Open();
  ASSERT_OK(Create());
  ASSERT_OK(fs_.Remove(Paths().meta));
  Open();
  EXPECT_FALSE(store_->Find(kBlock).has_value());
  EXPECT_THAT(FilesOfTheBlock(), IsEmpty());
}

TEST_F(ReplicaStoreTest, OfTwoReplicasOfOneBlockTheNewerIsKept) {
  Open();
  ASSERT_OK(WriteFinalized(1000));
  const int volume = store_->Find(kBlock)->volume;
  const ReplicaPaths from = PathsIn(
      store_->volumes()[static_cast<size_t>(volume)]->FinalizedDirectory(kBlock), kBlock, kStamp);
  Volume& other = *store_->volumes()[static_cast<size_t>(1 - volume)];
  ASSERT_OK(other.MakeFinalizedDirectory(kBlock));
  const ReplicaPaths to = PathsIn(other.FinalizedDirectory(kBlock), kBlock, GenerationStamp{1002});
  ASSERT_OK(fs_.Link(from.data, to.data));
  ASSERT_OK(fs_.Link(from.meta, to.meta));
  Open();
  EXPECT_EQ(store_->Find(kBlock)->stamp, GenerationStamp{1002});
  EXPECT_FALSE(fs_.Exists(from.data));
  EXPECT_EQ(store_->size(), 1u);
}

// Too many files are open, or memory is short: the replica is as good as before.
TEST_F(ReplicaStoreTest, AReplicaThatCannotBeOpenedAtStartForNowIsNotCondemned) {
  Open();
  ASSERT_OK(WriteFinalized(1000));
  for (int nth = 1; nth < 20; ++nth) {
    const int before = fs_.calls(FileCall::kOpenExisting);
    fs_.FailCall(FileCall::kOpenExisting, nth, absl::ResourceExhaustedError("ENOMEM"));
    store_.reset();
    std::vector<std::unique_ptr<Volume>> volumes;
    auto volume = Volume::Open(hooked_, {.path = "/v1"}, 0, "dn-uuid");
    if (!volume.ok()) continue;
    volumes.push_back(*std::move(volume));
    store_ = std::make_unique<ReplicaStore>(std::move(volumes), StoreOptions{}, events_);
    ASSERT_OK(store_->Load());
    const auto found = store_->Find(kBlock);
    EXPECT_TRUE(!found.has_value() || found->state == ReplicaState::kFinalized) << nth;
    if (fs_.calls(FileCall::kOpenExisting) - before < nth) break;  // none was left to fail
  }
}

// As a restored backup may leave it: nobody looks for a block there, and nothing else is harmed.
TEST_F(ReplicaStoreTest, AFileInAWrongDirectoryIsLeftAloneAndHarmsNothing) {
  Open();
  ASSERT_OK(WriteFinalized(1000));
  const ReplicaPaths good = Paths();
  const std::string root = store_->volumes()[0]->FinalizedRoot();
  for (const char* wrong : {"/subdir0", "/subdir9"}) {  // listed before and after the right one
    const std::string directory = absl::StrCat(root, wrong, "/subdir31");
    ASSERT_OK(fs_.MakeDirectories(directory));
    ASSERT_OK(fs_.Link(good.data, PathsIn(directory, kBlock, kStamp).data));
    ASSERT_OK(fs_.Link(good.meta, PathsIn(directory, kBlock, kStamp).meta));
    ASSERT_OK(fs_.Link(good.data, PathsIn(directory, BlockId{3}, kStamp).data));
  }
  Open();
  EXPECT_THAT(ReadAll(), IsOkAndHolds(data_.substr(0, 1000)));
  EXPECT_EQ(store_->size(), 1u);
  EXPECT_TRUE(fs_.Exists(root + "/subdir9/subdir31/" + DataFileName(kBlock)));
}

TEST_F(ReplicaStoreTest, TemporaryCopiesAreGoneAfterARestart) {
  Open();
  ASSERT_OK_AND_ASSIGN(auto writer,
                       store_->Create({.block = kBlock, .stamp = kStamp, .temporary = true}));
  ASSERT_OK(WriteTo(*writer, 1000));
  EXPECT_THAT(store_->OpenForRead(kBlock, kStamp), IsFsError(FsError::kReplicaNotFound));
  const std::string tmp = store_->volumes()[0]->TmpDirectory();
  fs_.Crash();
  // The process that held them is gone: no destructor runs.
  [[maybe_unused]] static const void* volatile dead[2];
  dead[0] = writer.release();
  dead[1] = store_.release();
  Open();
  EXPECT_EQ(store_->size(), 0u);
  EXPECT_THAT(*fs_.List(tmp), SizeIs(0));
}

}  // namespace
}  // namespace cairn::datanode
