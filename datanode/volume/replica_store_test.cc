// The store over a file system in memory that can lose power between any two of its calls.
#include "datanode/volume/replica_store.h"

#include <cstring>
#include <functional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/crash_point.h"
#include "common/testing/faulty_file_system.h"
#include "common/testing/status_matchers.h"
#include "common/testing/wrapped_file_system.h"
#include "datanode/testing/test_node.h"
#include "wire/transfer/big_endian.h"
#include "wire/transfer/meta_file.h"

namespace cairn::datanode {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Pattern;
using testing::RecordedEvents;
using ::testing::SizeIs;
using transfer::DataChecksum;

constexpr BlockId kBlock{1073741825};
constexpr GenerationStamp kStamp{1001};
constexpr GenerationStamp kNewStamp{1002};

// Calls `before_sync` ahead of each SyncDirectory: the middle of a change, for what happens there.
class HookedFileSystem final : public FileSystemWrapper {
 public:
  using FileSystemWrapper::FileSystemWrapper;
  absl::Status SyncDirectory(const std::string& directory) override {
    if (before_sync) before_sync();
    return FileSystemWrapper::SyncDirectory(directory);
  }

  absl::Status Remove(const std::string& path) override {
    if (before_remove) before_remove();
    return FileSystemWrapper::Remove(path);
  }

  std::function<void()> before_sync, before_remove;
};

class ReplicaStoreTest : public ::testing::Test {
 protected:
  void Open(StoreOptions options = {}) {
    store_.reset();
    std::vector<std::unique_ptr<Volume>> volumes;
    for (const char* path : {"/v1", "/v2"}) {
      auto volume = Volume::Open(hooked_, {.path = path}, 0, "dn-uuid");
      ASSERT_OK(volume);
      volumes.push_back(*std::move(volume));
    }
    store_ = std::make_unique<ReplicaStore>(std::move(volumes), options, events_);
    ASSERT_OK(store_->Load());
  }

  // Writes bytes [writer.length(), end) of data_ as one piece.
  absl::Status WriteTo(ReplicaWriter& writer, uint64_t end) {
    const auto data = std::as_bytes(std::span(data_.data(), end));
    const uint64_t from = writer.length();
    const uint64_t crc_from = DataChecksum().RoundDown(from);
    std::vector<std::byte> crcs(DataChecksum().ChecksumBytes(end - crc_from));
    DataChecksum().Compute(data.subspan(crc_from), crcs);
    // O_DIRECT wants aligned memory.
    std::unique_ptr<void, decltype(&std::free)> memory(
        std::aligned_alloc(4096, (end + 4095) / 4096 * 4096), &std::free);
    std::memcpy(memory.get(), data.data(), data.size());
    return writer.Write(0, std::span(static_cast<std::byte*>(memory.get()), data.size()), from,
                        crc_from, crcs);
  }
  absl::StatusOr<std::unique_ptr<ReplicaWriter>> Create(GenerationStamp stamp = kStamp) {
    return store_->Create({.block = kBlock, .stamp = stamp});
  }
  absl::Status WriteFinalized(uint64_t length) {
    ASSIGN_OR_RETURN(const auto writer, Create());
    RETURN_IF_ERROR(WriteTo(*writer, length));
    return writer->Finalize();
  }
  // What a reader gets, every chunk verified.
  absl::StatusOr<std::string> ReadAll() {
    ASSIGN_OR_RETURN(const ReplicaReader reader, store_->OpenForRead(kBlock, GenerationStamp{0}));
    std::string out(reader.visible(), '\0');
    ASSIGN_OR_RETURN(const size_t count,
                     reader.data->ReadAt(0, std::as_writable_bytes(std::span(out))));
    if (count != out.size()) return absl::DataLossError("short");
    ASSIGN_OR_RETURN(const auto crcs, ReadChecksums(*reader.meta, reader.checksum, 0, out.size()));
    if (reader.checksum.FindMismatch(std::as_bytes(std::span(out)), crcs)) {
      return absl::DataLossError("mismatch");
    }
    return out;
  }

  const std::string data_ = Pattern(300'000);
  // The files of the replica in its present state.
  ReplicaPaths Paths() const {
    const ReplicaInfo info = *store_->Find(kBlock);
    const Volume& volume = *store_->volumes()[static_cast<size_t>(info.volume)];
    return PathsIn(volume.DirectoryOf(kBlock, info.state), kBlock, info.stamp);
  }
  // The disk rots, and `act` finds it: refused, with nothing written.
  template <typename Act>
  void ExpectRefusedWithRotAt(uint64_t offset, Act act) {
    const ReplicaPaths paths = Paths();
    ASSERT_OK(fs_.FlipBit(paths.data, offset, 3));
    ASSERT_OK_AND_ASSIGN(const std::string data, fs_.ReadAll(paths.data, 1 << 20));
    ASSERT_OK_AND_ASSIGN(const std::string meta, fs_.ReadAll(paths.meta, 1 << 20));
    EXPECT_THAT(act(), StatusIs(absl::StatusCode::kDataLoss));
    EXPECT_THAT(fs_.ReadAll(paths.data, 1 << 20), IsOkAndHolds(data));
    EXPECT_THAT(fs_.ReadAll(paths.meta, 1 << 20), IsOkAndHolds(meta));
  }

  // The disk rots, and the next starts find it: corrupt, every byte left as it is.
  void ExpectDamagedAtStartWithRotAt(uint64_t offset) {
    const ReplicaPaths paths = Paths();
    ASSERT_OK(fs_.FlipBit(paths.data, offset, 3));
    ASSERT_OK_AND_ASSIGN(const std::string data, fs_.ReadAll(paths.data, 1 << 20));
    for (int start = 0; start < 2; ++start) {
      Open();
      ASSERT_TRUE(store_->Find(kBlock).has_value());
      const ReplicaInfo info = *store_->Find(kBlock);
      EXPECT_EQ(info.state, ReplicaState::kCorrupt);
      EXPECT_THAT(store_->List(info.volume), ElementsAre(info));
      EXPECT_THAT(store_->OpenForRead(kBlock, kStamp), StatusIs(absl::StatusCode::kDataLoss));
      EXPECT_THAT(store_->InitRecovery(kBlock, GenerationStamp{2000}),
                  IsFsError(FsError::kReplicaNotFound));
      EXPECT_THAT(fs_.ReadAll(paths.data, 1 << 20), IsOkAndHolds(data));
    }
  }
  // In the directory for what is being written.
  std::vector<std::string> FilesOfTheBlock() {
    std::vector<std::string> files;
    for (const Volume* const volume : store_->volumes()) {
      const std::vector<std::string> names = fs_.List(volume->RbwDirectory()).value();
      for (const std::string& name : names) {
        if (absl::StartsWith(name, absl::StrCat("blk_", ToInt(kBlock)))) files.push_back(name);
      }
    }
    return files;
  }

  FaultyFileSystem fs_;
  HookedFileSystem hooked_{fs_};
  RecordedEvents events_;
  std::unique_ptr<ReplicaStore> store_;
};

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

TEST_F(ReplicaStoreTest, AFailedReopenLeavesMapAndFilesInStep) {
  Open();
  ASSERT_OK(WriteFinalized(10'240));
  // The second rename: the first is taken back.
  fs_.FailCall(FileCall::kRename, 2, absl::ResourceExhaustedError("ENOSPC"));
  EXPECT_FALSE(store_->Truncate(kBlock, kStamp, kNewStamp, 5'120).ok());
  EXPECT_EQ(store_->Find(kBlock)->state, ReplicaState::kFinalized);
  EXPECT_EQ(store_->Find(kBlock)->stamp, kStamp);
  EXPECT_THAT(ReadAll(), IsOkAndHolds(data_.substr(0, 10'240)));
  // Behind the renames.
  fs_.FailCall(FileCall::kSyncDirectory, 1, absl::ResourceExhaustedError("ENOSPC"));
  EXPECT_FALSE(store_->Truncate(kBlock, kStamp, kNewStamp, 5'120).ok());
  const ReplicaInfo info = *store_->Find(kBlock);
  EXPECT_EQ(info.state, ReplicaState::kWaitingRecovery);
  EXPECT_EQ(info.stamp, kNewStamp);
  EXPECT_EQ(info.length, 10'240u);
  EXPECT_THAT(ReadAll(), IsOkAndHolds(data_.substr(0, 10'240)));
  EXPECT_OK(store_->Truncate(kBlock, kNewStamp, GenerationStamp{1003}, 5'120));
  EXPECT_THAT(ReadAll(), IsOkAndHolds(data_.substr(0, 5'120)));
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

TEST_F(ReplicaStoreTest, AFinalizedReplicaSurvivesThePowerCut) {
  Open();
  ASSERT_OK(WriteFinalized(300'000));
  store_.reset();
  fs_.Crash();
  Open();
  EXPECT_THAT(ReadAll(), IsOkAndHolds(data_));
}

// Every step of create, write, hsync, write on, hsync, finalize: after a cut there, what was synced
// is there, and whatever is there verifies.
TEST_F(ReplicaStoreTest, HsyncedBytesSurviveAPowerCutBetweenAnyTwoCalls) {
  bool finished = false;
  for (int cut = 1; !finished; ++cut) {
    ASSERT_LT(cut, 500);
    for (const uint64_t seed : {0, 7, 8, 9}) {
      SCOPED_TRACE(absl::StrCat("cut at call ", cut, ", seed ", seed));
      if (store_ != nullptr) store_.reset();
      // A fresh replica each time, in a fresh place.
      Open();
      ASSERT_OK(store_->Invalidate(kBlock, GenerationStamp{9999}));
      uint64_t synced = 0;
      bool done = false;
      fs_.CutPowerAt(cut);
      const auto scenario = [&]() -> absl::Status {
        ASSIGN_OR_RETURN(const auto writer, Create());
        for (const uint64_t end : {402u, 512u, 900u, 1024u, 1100u, 70'144u, 140'000u}) {
          RETURN_IF_ERROR(WriteTo(*writer, end));
          RETURN_IF_ERROR(writer->Sync());
          synced = end;
        }
        RETURN_IF_ERROR(WriteTo(*writer, 140'300));
        RETURN_IF_ERROR(writer->Finalize());
        synced = 140'300;
        return absl::OkStatus();
      };
      done = scenario().ok();
      store_.reset();
      fs_.Crash(seed);
      Open();
      if (synced > 0) {
        ASSERT_TRUE(store_->Find(kBlock).has_value());
        ASSERT_OK_AND_ASSIGN(const std::string bytes, ReadAll());
        ASSERT_GE(bytes.size(), synced);
        EXPECT_EQ(bytes, data_.substr(0, bytes.size()));
      }
      finished = done;
    }
  }
}

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

// A recovery may keep less than an hsync of which nobody heard has synced.
TEST_F(ReplicaStoreTest, AReplicaThatWasCutBelowAnHsyncIsNotDamaged) {
  struct Case {
    uint64_t acked, synced;
  };
  for (const Case& c : {Case{402, 450}, Case{512, 900}, Case{700, 2048}, Case{1024, 2048},
                        Case{0, 100}, Case{0, 512}}) {
    bool finished = false;
    for (int cut = 1; !finished; ++cut) {
      ASSERT_LT(cut, 100);
      for (const uint64_t seed : {0, 7, 8, 9}) {
        SCOPED_TRACE(absl::StrCat(c.acked, " of ", c.synced, ", cut ", cut, ", seed ", seed));
        Open();
        ASSERT_OK(store_->Invalidate(kBlock, GenerationStamp{9999}));
        ASSERT_OK_AND_ASSIGN(auto writer, Create());
        ASSERT_OK(WriteTo(*writer, c.synced));
        ASSERT_OK(writer->Sync());
        writer->open().SetAcked(c.acked);
        writer.reset();
        fs_.CutPowerAt(cut);
        finished = store_->OpenForStreamingRecovery(kBlock, kStamp, kNewStamp, c.acked).ok();
        store_.reset();
        fs_.Crash(seed);
        Open();
        ASSERT_TRUE(store_->Find(kBlock).has_value());
        EXPECT_EQ(store_->Find(kBlock)->state, ReplicaState::kWaitingRecovery);
        ASSERT_OK_AND_ASSIGN(const std::string bytes, ReadAll());
        ASSERT_GE(bytes.size(), c.acked);
        EXPECT_EQ(bytes, data_.substr(0, bytes.size()));
        store_.reset();
      }
    }
  }
}

// Nobody counts on what was never synced, but it may be worth something to somebody, until a new
// replica takes its place.
TEST_F(ReplicaStoreTest, AReplicaWhoseHeaderRottedIsLeftAlone) {
  Open();
  ASSERT_OK_AND_ASSIGN(auto writer, Create());
  ASSERT_OK(WriteTo(*writer, 1'024));
  writer.reset();
  const std::string data =
      absl::StrCat(store_->volumes()[0]->RbwDirectory(), "/blk_", ToInt(kBlock));
  ASSERT_OK(fs_.FlipBit(absl::StrCat(data, "_", ToInt(kStamp), ".meta"), 1, 3));
  store_.reset();
  Open();
  EXPECT_FALSE(store_->Find(kBlock).has_value());
  ASSERT_OK_AND_ASSIGN(const auto file, fs_.Open(data, {}));
  EXPECT_THAT(file->Size(), IsOkAndHolds(1'024u));
  EXPECT_OK(WriteFinalized(500));
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
    if (!beside_finalized) ASSERT_OK(fs_.Remove(Paths().data));
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
// the block comes and the power goes again, they are not taken for its data.
TEST_F(ReplicaStoreTest, DataWithoutAMetaFileAreNeverTakenForThoseOfACopy) {
  bool finished = false;
  for (int cut = 1; !finished; ++cut) {
    ASSERT_LT(cut, 100);
    for (const uint64_t seed : {0, 7, 8, 9, 10, 11}) {
      SCOPED_TRACE(absl::StrCat("cut ", cut, ", seed ", seed));
      Open();
      ASSERT_OK(store_->Invalidate(kBlock, GenerationStamp{9999}));
      ReplicaStore::NewReplica wanted{.block = kBlock, .stamp = kStamp};
      wanted.storage_uuid = store_->volumes()[0]->identity().storage_uuid;
      ASSERT_OK_AND_ASSIGN(auto writer, store_->Create(wanted));
      ASSERT_OK(WriteTo(*writer, 1'000));
      ASSERT_OK(writer->Sync());
      writer.reset();
      const ReplicaPaths paths = Paths();
      ASSERT_OK(fs_.Remove(paths.meta));
      ASSERT_OK(fs_.Remove(paths.tail));
      ASSERT_OK(fs_.SyncDirectory(store_->volumes()[0]->RbwDirectory()));
      Open();
      EXPECT_FALSE(store_->Find(kBlock).has_value());
      EXPECT_TRUE(fs_.Exists(paths.data));
      wanted.temporary = true;
      fs_.CutPowerAt(cut);
      const auto scenario = [&]() -> absl::Status {
        ASSIGN_OR_RETURN(const auto copy, store_->Create(wanted));
        RETURN_IF_ERROR(WriteTo(*copy, 2'000));
        return copy->Finalize();
      };
      finished = scenario().ok();
      store_.reset();
      fs_.Crash(seed);
      Open();
      if (finished) ASSERT_TRUE(store_->Find(kBlock).has_value());
      if (!store_->Find(kBlock).has_value()) continue;
      EXPECT_THAT(ReadAll(), IsOkAndHolds(data_.substr(0, 2'000)));
    }
  }
}

TEST_F(ReplicaStoreTest, AnEmptyDataFileWithoutAMetaFileIsRemoved) {
  Open();
  ASSERT_OK(Create());
  ASSERT_OK(fs_.Remove(Paths().meta));
  Open();
  EXPECT_FALSE(store_->Find(kBlock).has_value());
  EXPECT_THAT(FilesOfTheBlock(), IsEmpty());
}

// A pipeline's recovery takes a writer's place between two hsyncs; the records of both take turns.
TEST_F(ReplicaStoreTest, HsyncedBytesSurviveAPowerCutAfterStreamingRecovery) {
  bool finished = false;
  for (int cut = 1; !finished; ++cut) {
    ASSERT_LT(cut, 500);
    for (const uint64_t seed : {0, 7, 8, 9}) {
      SCOPED_TRACE(absl::StrCat("cut at call ", cut, ", seed ", seed));
      Open();
      ASSERT_OK(store_->Invalidate(kBlock, GenerationStamp{9999}));
      ASSERT_OK_AND_ASSIGN(auto writer, Create());
      ASSERT_OK(WriteTo(*writer, 402));
      ASSERT_OK(writer->Sync());
      writer->open().SetAcked(402);
      ASSERT_OK(WriteTo(*writer, 450));
      writer.reset();
      uint64_t synced = 402;
      fs_.CutPowerAt(cut);
      const auto scenario = [&]() -> absl::Status {
        ASSIGN_OR_RETURN(const auto next, store_->OpenForStreamingRecovery(
                                              kBlock, kStamp, GenerationStamp{1002}, 402));
        for (const uint64_t end : {480u, 512u, 700u}) {
          RETURN_IF_ERROR(WriteTo(*next, end));
          RETURN_IF_ERROR(next->Sync());
          synced = end;
        }
        return absl::OkStatus();
      };
      finished = scenario().ok();
      store_.reset();
      fs_.Crash(seed);
      Open();
      ASSERT_TRUE(store_->Find(kBlock).has_value());
      ASSERT_OK_AND_ASSIGN(const std::string bytes, ReadAll());
      ASSERT_GE(bytes.size(), synced);
      EXPECT_EQ(bytes, data_.substr(0, bytes.size()));
      store_.reset();
    }
  }
}

// The same for an append to a finalized replica, which may end in a partial chunk.
TEST_F(ReplicaStoreTest, FinalizedBytesSurviveAnInterruptedAppend) {
  for (const uint64_t length : {1024u, 1300u}) {
    bool finished = false;
    for (int cut = 1; !finished; ++cut) {
      ASSERT_LT(cut, 500);
      for (const uint64_t seed : {0, 7, 8, 9}) {
        SCOPED_TRACE(absl::StrCat(length, " bytes, cut at call ", cut, ", seed ", seed));
        Open();
        ASSERT_OK(store_->Invalidate(kBlock, GenerationStamp{9999}));
        ASSERT_OK(WriteFinalized(length));
        fs_.CutPowerAt(cut);
        const auto scenario = [&]() -> absl::Status {
          ASSIGN_OR_RETURN(const auto writer,
                           store_->OpenForAppend(kBlock, kStamp, kNewStamp, length, false));
          RETURN_IF_ERROR(WriteTo(*writer, 1500));
          RETURN_IF_ERROR(WriteTo(*writer, 5000));
          return writer->Finalize();
        };
        finished = scenario().ok();
        store_.reset();
        fs_.Crash(seed);
        Open();
        ASSERT_TRUE(store_->Find(kBlock).has_value());
        ASSERT_OK_AND_ASSIGN(const std::string bytes, ReadAll());
        ASSERT_GE(bytes.size(), finished ? 5000u : length);
        EXPECT_EQ(bytes, data_.substr(0, bytes.size()));
        store_.reset();
      }
    }
  }
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

// As a restored backup may leave it: nobody looks for a block there, and nothing else is harmed.
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
  [[maybe_unused]] static ReplicaWriter* const dead_writer = writer.release();
  [[maybe_unused]] static ReplicaStore* const dead_store = store_.release();
  Open();
  EXPECT_EQ(store_->size(), 0u);
  EXPECT_THAT(*fs_.List(tmp), SizeIs(0));
}

}  // namespace
}  // namespace cairn::datanode
