// Adding and taking away volumes while the store is in use.
#include "datanode/volume/volume_changes.h"

#include "common/fs_error.h"
#include "common/testing/status_matchers.h"
#include "datanode/testing/test_store.h"
#include "datanode/volume/replica_loader.h"

namespace cairn::datanode {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Pattern;
using ::testing::SizeIs;
using testing::TestStore;

constexpr GenerationStamp kStamp{1001};
constexpr BlockId kOne{1073741825};
constexpr BlockId kTwo{1073741826};

std::vector<std::string> Added(const VolumeChanges& changes) {
  std::vector<std::string> paths;
  for (const VolumeSpec& spec : changes.add) paths.push_back(spec.path);
  return paths;
}

TEST(PlanVolumeChangesTest, DirectoriesThatStayAreLeftAlone) {
  ASSERT_OK_AND_ASSIGN(const VolumeChanges changes,
                       PlanVolumeChanges({{.index = 0, .spec = {.path = "/a"}},
                                          {.index = 2, .spec = {.path = "/b"}}},
                                         {{.path = "/b"}, {.path = "/c"}, {.path = "/c"}}));
  EXPECT_THAT(changes.remove, ElementsAre(0));
  EXPECT_THAT(Added(changes), ElementsAre("/c"));
}

TEST(PlanVolumeChangesTest, AFailedDiskThatIsWantedStillIsReplaced) {
  ASSERT_OK_AND_ASSIGN(const VolumeChanges changes,
                       PlanVolumeChanges({{.index = 0, .spec = {.path = "/a"}, .failed = true},
                                          {.index = 1, .spec = {.path = "/b"}}},
                                         {{.path = "/a"}, {.path = "/b"}}));
  EXPECT_THAT(changes.remove, ElementsAre(0));
  EXPECT_THAT(Added(changes), ElementsAre("/a"));
}

TEST(PlanVolumeChangesTest, WhatCannotBeIsRefused) {
  const std::vector<VolumeInUse> now = {{.index = 0, .spec = {.path = "/a"}}};
  EXPECT_THAT(PlanVolumeChanges(now, {}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(PlanVolumeChanges(now, {{.path = "/a", .type = StorageType::kSsd}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("storage type")));
}

class ChangingStoreTest : public ::testing::Test {
 protected:
  ChangingStoreTest() {
    EXPECT_OK(store_.WriteFinalized(kOne, kStamp, 0, 1000));
    EXPECT_OK(store_.WriteFinalized(kTwo, kStamp, 1, 2000));
  }
  absl::StatusOr<int> Add(const std::string& path) {
    ASSIGN_OR_RETURN(auto volume, Volume::Open(store_.fs, {.path = path}, 0, "dn-uuid"));
    const std::vector<ReplicaInfo> found = LoadReplicas(*volume, 0).value();
    return store_->AddVolume(std::move(volume), found);
  }
  TestStore store_;
};

TEST_F(ChangingStoreTest, ARemovedVolumeTakesItsReplicasAlongAndBringsThemBack) {
  ASSERT_OK(store_->RemoveVolume(0, absl::Seconds(1)));
  EXPECT_THAT(store_->OpenForRead(kOne, kStamp), IsFsError(FsError::kReplicaNotFound));
  EXPECT_THAT(store_.Read(kTwo), IsOkAndHolds(Pattern(2000)));
  EXPECT_THAT(store_.events.failed_volumes(), SizeIs(1));  // the heartbeat is to say so
  EXPECT_THAT(store_.events.Of(ReplicaEvents::Kind::kDeleted), IsEmpty());
  EXPECT_THAT(Add("/v1"), IsOkAndHolds(2));  // its lock was let go
  EXPECT_THAT(store_.Read(kOne), IsOkAndHolds(Pattern(1000)));
  EXPECT_EQ(store_->Find(kOne)->volume, 2);
  EXPECT_OK(store_.WriteFinalized(BlockId{5}, kStamp, 2, 100));
  EXPECT_EQ(store_->Find(BlockId{5})->volume, 2);
}

TEST_F(ChangingStoreTest, AnAddedVolumesOlderCopyGivesWay) {
  ASSERT_OK(store_->RemoveVolume(0, absl::Seconds(1)));
  ASSERT_OK(store_.WriteFinalized(kOne, GenerationStamp{1005}, 1, 1500));  // a copy, appended to
  ASSERT_OK(Add("/v1"));
  EXPECT_EQ(store_->Find(kOne)->volume, 1);
  EXPECT_THAT(store_.Read(kOne), IsOkAndHolds(Pattern(1500)));
  EXPECT_THAT(store_.fs.List(ParentDirectory(
                  PathsIn(store_.volume(2).FinalizedDirectory(kOne), kOne, kStamp).data)),
              IsOkAndHolds(IsEmpty()));
}

TEST_F(ChangingStoreTest, RemovalStopsWritersAndSaysIfTheyDoNotEnd) {
  ASSERT_OK_AND_ASSIGN(auto writer, store_.Create(BlockId{9}, kStamp, 0));
  bool stopped = false;
  writer->open().SetStopper([&] { stopped = true; });
  EXPECT_THAT(store_->RemoveVolume(0, absl::Milliseconds(1)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_TRUE(stopped);
  EXPECT_THAT(writer->Finalize(), StatusIs(absl::StatusCode::kUnavailable));
  writer.reset();
  EXPECT_EQ(store_->Find(BlockId{9}), std::nullopt);
}

}  // namespace
}  // namespace cairn::datanode
