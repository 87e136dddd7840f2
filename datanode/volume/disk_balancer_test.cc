#include "datanode/volume/disk_balancer.h"

#include "common/crash_point.h"
#include "common/testing/status_matchers.h"
#include "datanode/testing/test_store.h"

namespace cairn::datanode {
namespace {

using ::testing::IsEmpty;
using testing::Pattern;
using ::testing::SizeIs;
using testing::TestStore;

constexpr GenerationStamp kStamp{1001};
constexpr BlockId kBlock{1073741825};

DiskFill Fill(int volume, uint64_t percent, StorageType type = StorageType::kDisk) {
  return {
      .volume = volume, .type = type, .capacity_bytes = 1000, .free_bytes = 1000 - 10 * percent};
}

TEST(PlanDiskMoveTest, FromTheFullestToTheEmptiestHalfOfTheDifference) {
  const auto plan = PlanDiskMove({Fill(0, 50), Fill(1, 80), Fill(2, 20)}, 10);
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->from, 1);
  EXPECT_EQ(plan->to, 2);
  EXPECT_EQ(plan->bytes, 300u);
}

TEST(PlanDiskMoveTest, NothingWithinTheThresholdOrBetweenTypes) {
  EXPECT_EQ(PlanDiskMove({Fill(0, 50), Fill(1, 60)}, 10), std::nullopt);
  EXPECT_EQ(PlanDiskMove({Fill(0, 90), Fill(1, 10, StorageType::kSsd)}, 10), std::nullopt);
  EXPECT_EQ(PlanDiskMove({Fill(0, 90)}, 10), std::nullopt);
  EXPECT_EQ(PlanDiskMove({}, 10), std::nullopt);
}

TEST(PlanDiskMoveTest, ASmallDiskIsBroughtToTheShareOfALargeOne) {
  const auto plan = PlanDiskMove({{.volume = 0, .capacity_bytes = 1000, .free_bytes = 0},
                                  {.volume = 1, .capacity_bytes = 9000, .free_bytes = 9000}},
                                 10);
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->bytes, 900u);  // 10 % of either
}

class MoveTest : public ::testing::Test {
 protected:
  MoveTest() { EXPECT_OK(store_.WriteFinalized(kBlock, kStamp, 0, 1'500'100)); }
  absl::Status Move() {
    return store_->Move(*store_->Find(kBlock), 1, [](uint64_t) { return true; });
  }
  // What there is of the block in a volume's directories.
  std::vector<std::string> FilesOn(int volume) {
    auto files = store_.fs.List(store_.volume(volume).FinalizedDirectory(kBlock));
    std::vector<std::string> found = files.ok() ? *files : std::vector<std::string>();
    const auto unfinished = store_.fs.List(store_.volume(volume).TmpDirectory());
    for (const std::string& name : *unfinished) {
      found.push_back(name);
    }
    return found;
  }
  TestStore store_;
};

TEST_F(MoveTest, TheReplicaIsOnTheOtherVolumeAndItsReadersReadOn) {
  ASSERT_OK_AND_ASSIGN(const ReplicaReader reader, store_->OpenForRead(kBlock, kStamp));
  ASSERT_OK(Move());
  EXPECT_EQ(store_->Find(kBlock)->volume, 1);
  EXPECT_THAT(store_.Read(kBlock), IsOkAndHolds(Pattern(1'500'100)));
  EXPECT_THAT(FilesOn(0), IsEmpty());
  EXPECT_THAT(FilesOn(1), SizeIs(2));
  EXPECT_EQ(store_.volume(0).used_bytes(), 0u);
  EXPECT_EQ(store_.volume(1).used_bytes(), 1'500'100u);
  std::string old(1'500'100, '\0');
  EXPECT_THAT(reader.data->ReadAt(0, std::as_writable_bytes(std::span(old))),
              IsOkAndHolds(old.size()));
  EXPECT_EQ(old, Pattern(1'500'100));
  EXPECT_THAT(store_.events.Of(ReplicaEvents::Kind::kDeleted), SizeIs(1));
  EXPECT_THAT(store_.events.Of(ReplicaEvents::Kind::kFinalized), SizeIs(2));
  store_.fs.Crash();
  store_.Restart();
  EXPECT_THAT(store_.Read(kBlock), IsOkAndHolds(Pattern(1'500'100)));
}

TEST_F(MoveTest, ARottenReplicaIsNotCopiedButReported) {
  ASSERT_OK(store_.fs.FlipBit(store_.Paths(kBlock).data, 1'400'000, 2));
  EXPECT_THAT(Move(), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(store_->Find(kBlock)->state, ReplicaState::kCorrupt);
  EXPECT_EQ(store_->Find(kBlock)->volume, 0);
  EXPECT_THAT(FilesOn(1), IsEmpty());
}

TEST_F(MoveTest, AMoveThatIsEndedLeavesNothingBehind) {
  EXPECT_THAT(store_->Move(*store_->Find(kBlock), 1, [](uint64_t) { return false; }),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(store_->Find(kBlock)->volume, 0);
  EXPECT_THAT(FilesOn(1), IsEmpty());
}

TEST_F(MoveTest, AReplicaThatChangesMeanwhileStaysWhereItIs) {
  bool appended = false;
  const absl::Status status = store_->Move(*store_->Find(kBlock), 1, [&](uint64_t) {
    if (!std::exchange(appended, true)) {
      auto writer = store_->OpenForAppend(kBlock, kStamp, GenerationStamp{1002}, 1'500'100, false);
      EXPECT_OK(writer);
      EXPECT_OK(TestStore::WriteTo(**writer, 1'600'000));
      EXPECT_OK((*writer)->Finalize());
    }
    return true;
  });
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kAborted));
  EXPECT_EQ(store_->Find(kBlock)->volume, 0);
  EXPECT_EQ(store_->Find(kBlock)->length, 1'600'000u);
  EXPECT_THAT(FilesOn(1), IsEmpty());
}

// The old files are all there is then.
TEST_F(MoveTest, AMoveToADiskThatFailsAtTheEndIsUndone) {
  for (const char* const at : {"datanode_move_between_renames", "datanode_move_before_switch",
                               "datanode_move_before_deletion"}) {
    SCOPED_TRACE(at);
    TestStore store;
    ASSERT_OK(store.WriteFinalized(kBlock, kStamp, 0, 9'000));
    SetCrashPointHook([&](absl::string_view name) {
      if (name == at) store.volume(1).MarkFailed(absl::DataLossError("the disk has failed"));
    });
    const absl::Status status = store->Move(*store->Find(kBlock), 1, [](uint64_t) { return true; });
    SetCrashPointHook(nullptr);
    EXPECT_FALSE(status.ok());
    ASSERT_TRUE(store->Find(kBlock).has_value());
    EXPECT_EQ(store->Find(kBlock)->volume, 0);
    EXPECT_THAT(store.Read(kBlock), IsOkAndHolds(Pattern(9'000)));
    EXPECT_EQ(store.volume(0).blocks(), 1u);
    EXPECT_THAT(store->List(0), SizeIs(1));
    const auto deleted = store.events.Of(ReplicaEvents::Kind::kDeleted);
    EXPECT_TRUE(deleted.empty() || deleted.back().replica.volume == 1);
    EXPECT_OK(store->OpenForAppend(kBlock, kStamp, GenerationStamp{1002}, 9'000, false));
  }
}

// Killed between the two renames of the copy: its checksums lie in their place without data.
TEST_F(MoveTest, AnEndBetweenTheRenamesLeavesTheOldReplicaAndTheNextMoveSucceeds) {
  bool passed = false;
  SetCrashPointHook([&](absl::string_view name) {
    if (name != "datanode_move_between_renames") return;
    passed = true;
    store_.fs.CutPowerAt(1);  // the process does nothing more
  });
  EXPECT_FALSE(Move().ok());
  SetCrashPointHook(nullptr);
  EXPECT_TRUE(passed);
  store_.fs.ClearFaults();
  EXPECT_THAT(FilesOn(1), ::testing::Contains(MetaFileName(kBlock, kStamp)));
  store_.Restart();
  EXPECT_EQ(store_->size(), 1u);
  EXPECT_EQ(store_->Find(kBlock)->volume, 0);
  EXPECT_THAT(store_.Read(kBlock), IsOkAndHolds(Pattern(1'500'100)));
  ASSERT_OK(Move());
  EXPECT_EQ(store_->Find(kBlock)->volume, 1);
  EXPECT_THAT(store_.Read(kBlock), IsOkAndHolds(Pattern(1'500'100)));
  EXPECT_THAT(FilesOn(1), SizeIs(2));
}

// The power goes between any two calls of a move: one whole replica is there afterwards.
TEST_F(MoveTest, ACrashAtAnyMomentLeavesOneReplica) {
  for (int nth = 1;; ++nth) {
    SCOPED_TRACE(nth);
    TestStore store;
    ASSERT_OK(store.WriteFinalized(kBlock, kStamp, 0, 9'000));
    store.fs.CutPowerAt(nth);
    const bool done = store->Move(*store->Find(kBlock), 1, [](uint64_t) { return true; }).ok();
    store.fs.Crash(static_cast<uint64_t>(nth));
    store.Restart();
    ASSERT_OK(store.loaded);
    EXPECT_THAT(store.Read(kBlock), IsOkAndHolds(Pattern(9'000)));
    EXPECT_EQ(store->size(), 1u);
    if (done) {
      EXPECT_GT(nth, 5);
      break;
    }
  }
}

}  // namespace
}  // namespace cairn::datanode
