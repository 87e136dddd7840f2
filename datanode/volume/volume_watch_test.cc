// A disk that hangs: its calls do not return, and give no error.
#include "datanode/volume/volume_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "common/testing/eventually.h"
#include "common/testing/fake_clock.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_dir.h"
#include "datanode/testing/hanging_file_system.h"
#include "datanode/testing/test_store.h"

namespace cairn::datanode {
namespace {

using testing::HangingFileSystem;
using ::testing::HasSubstr;
using testing::RecordedEvents;
using testing::TestStore;

TEST(CallWatchTest, KnowsTheOldestCallAndForgetsWhatReturned) {
  FakeClock clock;
  CallWatch watch(clock);
  EXPECT_FALSE(watch.Oldest().has_value());
  auto first = std::make_unique<CallWatch::Call>(watch, "read");
  clock.Advance(absl::Seconds(2));
  auto second = std::make_unique<CallWatch::Call>(watch, "write");
  auto third = std::make_unique<CallWatch::Call>(watch, "sync");
  clock.Advance(absl::Seconds(3));
  EXPECT_STREQ(watch.Oldest()->name, "read");
  EXPECT_EQ(watch.Oldest()->since, absl::Seconds(5));
  second.reset();
  first.reset();
  EXPECT_STREQ(watch.Oldest()->name, "sync");
  EXPECT_EQ(watch.Oldest()->since, absl::Seconds(3));
  third.reset();
  EXPECT_FALSE(watch.Oldest().has_value());
}

class HangTest : public ::testing::Test {
 protected:
  HangTest() : files_(dir_.Path("v1")) {
    std::vector<std::unique_ptr<Volume>> volumes;
    for (const char* name : {"v1", "v2"}) {
      auto volume = Volume::Open(files_, {.path = dir_.Path(name)}, 0, "dn-uuid");
      EXPECT_OK(volume);
      volumes.push_back(*std::move(volume));
    }
    store_ = std::make_unique<ReplicaStore>(std::move(volumes), StoreOptions{}, events_);
    EXPECT_OK(store_->Load());
  }
  ~HangTest() override { files_.Hang(false); }

  absl::Status Write(uint64_t id, int volume) {
    ASSIGN_OR_RETURN(
        const auto writer,
        store_->Create({.block = BlockId{id},
                        .stamp = GenerationStamp{1001},
                        .storage_uuid = store_->VolumeAt(volume).identity().storage_uuid}));
    RETURN_IF_ERROR(TestStore::WriteTo(*writer, 5000));
    return writer->Finalize();
  }
  static WatchOptions Quick(absl::Duration hang_limit) {
    return {.presence_interval = absl::Milliseconds(5), .hang_limit = hang_limit};
  }

  TempDir dir_;
  HangingFileSystem files_;
  RecordedEvents events_;
  std::unique_ptr<ReplicaStore> store_;
};

TEST_F(HangTest, AVolumeWhoseCallsDoNotReturnHasFailedAndTheOthersServe) {
  ASSERT_OK(Write(1, 0));
  ASSERT_OK(Write(2, 1));
  std::atomic<int> too_many{0};
  files_.Hang(true);
  std::thread writer([this] { Write(3, 0).IgnoreError(); });
  EVENTUALLY(files_.waiting() > 0);
  {
    VolumeWatch watch(*store_, Quick(absl::Milliseconds(50)),
                      [&](const absl::Status&) { ++too_many; });
    EVENTUALLY(store_->VolumeAt(0).failed());
    EXPECT_THAT(std::string(store_->VolumeAt(0).failure().message()), HasSubstr("it hangs: a"));
    EXPECT_TRUE(AnyHangs(*store_, absl::Milliseconds(50)));
    EXPECT_EQ(store_->Find(BlockId{1}), std::nullopt);
    // Nobody waits for it who wants nothing of it.
    EXPECT_EQ(store_->VolumeAt(0).Available(), 0u);
    EXPECT_GT(store_->VolumeAt(0).Space().capacity_bytes, 0u);
    ASSERT_OK(Write(4, 0));  // goes to the other one
    EXPECT_EQ(store_->Find(BlockId{4})->volume, 1);
    EXPECT_OK(store_->OpenForRead(BlockId{2}, GenerationStamp{1001}));
    EXPECT_FALSE(store_->VolumeAt(1).failed());
    files_.Hang(false);
  }
  writer.join();
  EXPECT_FALSE(AnyHangs(*store_, absl::Milliseconds(50)));
  EXPECT_TRUE(store_->VolumeAt(0).failed()) << "a disk that comes and goes is worse than none";
  EXPECT_EQ(too_many, 0);
}

// Nobody uses the disk: the look at it is what hangs.
TEST_F(HangTest, ItIsNoticedWithoutAnybodyUsingIt) {
  files_.Hang(true);
  VolumeWatch watch(*store_, Quick(absl::Milliseconds(50)), [](const absl::Status&) {});
  EVENTUALLY(store_->VolumeAt(0).failed());
  EXPECT_FALSE(store_->VolumeAt(1).failed());
  files_.Hang(false);
}

TEST_F(HangTest, ACallThatIsSlowButReturnsIsNone) {
  files_.Hang(true);
  std::thread writer([this] { EXPECT_OK(Write(3, 0)); });
  EVENTUALLY(files_.waiting() > 0);
  JudgeHang(store_->VolumeAt(0), absl::Hours(1));
  EXPECT_FALSE(store_->VolumeAt(0).failed());
  files_.Hang(false);
  writer.join();
  JudgeHang(store_->VolumeAt(0), absl::ZeroDuration());
  EXPECT_FALSE(store_->VolumeAt(0).failed()) << "no call is under way";
}

TEST_F(HangTest, TheLastVolumeIsTooMany) {
  store_->VolumeAt(1).MarkFailed(absl::DataLossError("EIO"));
  std::atomic<bool> too_many{false};
  files_.Hang(true);
  VolumeWatch watch(*store_, Quick(absl::Milliseconds(50)),
                    [&](const absl::Status&) { too_many = true; });
  EVENTUALLY(too_many.load());
  files_.Hang(false);
}

// What the disk of one volume holds cannot be read at start: those of the others are there.
TEST_F(HangTest, AVolumeThatHangsWhileItIsReadAtStartIsGivenUp) {
  ASSERT_OK(Write(1, 0));
  ASSERT_OK(Write(2, 1));
  store_.reset();
  std::vector<std::unique_ptr<Volume>> volumes;
  for (const char* name : {"v1", "v2"}) {
    auto volume = Volume::Open(files_, {.path = dir_.Path(name)}, 0, "dn-uuid");
    ASSERT_OK(volume);
    volumes.push_back(*std::move(volume));
  }
  store_ = std::make_unique<ReplicaStore>(std::move(volumes), StoreOptions{}, events_);
  files_.Hang(true);
  ASSERT_OK(store_->Load(absl::Milliseconds(500)));
  EXPECT_THAT(std::string(store_->VolumeAt(0).failure().message()), HasSubstr("it hangs: a"));
  EXPECT_TRUE(AnyHangs(*store_, absl::Milliseconds(500)));
  EXPECT_EQ(store_->Find(BlockId{1}), std::nullopt);
  EXPECT_OK(store_->OpenForRead(BlockId{2}, GenerationStamp{1001}));
  files_.Hang(false);
  store_.reset();  // waits for the thread that hung
}

TEST_F(HangTest, TheOnlyVolumeThatHangsAtStartIsAnError) {
  store_->VolumeAt(1).MarkFailed(absl::DataLossError("EIO"));
  files_.Hang(true);
  EXPECT_THAT(store_->Load(absl::Milliseconds(50)), StatusIs(absl::StatusCode::kDataLoss));
  files_.Hang(false);
}

}  // namespace
}  // namespace cairn::datanode
