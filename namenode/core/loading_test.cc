// Records that only LevelDB has are read without the namespace lock.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "namenode/core/testing/lock_probe_store.h"
#include "namenode/core/testing/test_namenode.h"
#include "namenode/store/keys.h"

namespace cairn::namenode {
namespace {

class LoadingTest : public ::testing::Test {
 protected:
  TestNamenode::Options Options() {
    TestNamenode::Options options;
    options.wrap_store = [this](std::unique_ptr<Store> store, Store::WithLock with_lock) {
      auto probe = std::make_unique<LockProbeStore>(std::move(store), std::move(with_lock));
      probe_ = probe.get();
      return probe;
    };
    return options;
  }

  LockProbeStore* probe_ = nullptr;
  TestNamenode nn_{Options()};
};

// The block is old: its owner's record has left the store's tails.
TEST_F(LoadingTest, APipelineOfAnOldBlockIsUpdated) {
  nn_.Create("/f");
  BlockVersion block = nn_.AddBlock("/f").block;
  nn_.Flush();
  probe_->Watch();
  const auto renewed = nn_->UpdateBlockForPipeline(kSuper, block, "client");
  ASSERT_OK(renewed.value);
  EXPECT_EQ(probe_->loads(), 1);
  BlockVersion longer = renewed.value->block;
  longer.length = 30;
  nn_.Flush();
  ASSERT_OK(nn_->UpdatePipeline(kSuper, "client", block, longer, {TestNamenode::DatanodeUuid(1)},
                                {TestNamenode::StorageUuid(1)})
                .value);
  EXPECT_EQ(nn_.Stat("/f")->length, 30u);
  EXPECT_EQ(probe_->loads(), 2);
}

TEST_F(LoadingTest, AnUnknownBlockHasNoOwner) {
  nn_.Flush();
  probe_->Watch();
  EXPECT_THAT(nn_->UpdateBlockForPipeline(kSuper, {BlockId{4}, GenerationStamp{1}, 0}, "c").value,
              IsFsError(FsError::kIo));
  EXPECT_EQ(probe_->loads(), 1);
}

// More of them than a call may make attempts.
TEST_F(LoadingTest, TheSourcesOfAConcatAreLoadedTogether) {
  constexpr int kSources = 3100;
  nn_.WriteFile("/d/t", {10});
  std::vector<std::string> sources;
  for (int i = 0; i < kSources; ++i) {
    sources.push_back(absl::StrCat("/d/s", i));
    nn_.WriteFile(sources.back(), {10});
  }
  nn_.Flush();
  nn_.Restart();  // nothing of them is resident now
  ASSERT_OK(nn_->Concat(kSuper, "/d/t", sources).value);
  EXPECT_EQ(nn_.Stat("/d/t")->length, 10u * (kSources + 1));
  EXPECT_THAT(nn_.List("/d"), ::testing::ElementsAre("t"));
}

// The owner that was being loaded for the report is gone when it is looked for, and the block has
// another one: the replica is that one's.
TEST_F(LoadingTest, AReportWhoseBlockGoesToAnotherFileMeanwhileIsTakenIn) {
  nn_.WriteFile("/t", {10});
  const InodeId source = nn_.WriteFile("/s", {20}).id;
  const BlockVersion block =
      nn_->GetBlockLocations(kSuper, "/s", 0, 1).value.value().blocks[0].block;
  nn_.Flush();
  nn_.Restart();  // nothing of them is resident now
  bool moved = false;
  probe_->BeforeLoad(keys::Location(source), [&] {
    EXPECT_OK(nn_->Concat(kSuper, "/t", {"/s"}).value);
    moved = true;
  });
  ASSERT_OK(nn_.Report(1, block, ReplicaState::kFinalized));
  ASSERT_TRUE(moved);
  const auto located = nn_->GetBlockLocations(kSuper, "/t", 0, 100).value;
  ASSERT_OK(located);
  ASSERT_EQ(located->blocks.size(), 2u);
  EXPECT_EQ(located->blocks[1].block.id, block.id);
  EXPECT_EQ(located->blocks[1].storages.size(), 2u);
}

TEST_F(LoadingTest, TheRootOfADeletedSubtreeIsNotFoundByItsId) {
  nn_.Mkdir("/d/below");
  const InodeId id = nn_.Stat("/d")->id;
  ASSERT_THAT(nn_->Delete(kSuper, "/d", true).value, IsOkAndHolds(true));
  nn_.Flush();
  nn_.Restart();  // nothing of it is resident now
  probe_->Watch();
  EXPECT_EQ(nn_.Stat(absl::StrCat("/.reserved/.inodes/", ToInt(id))), std::nullopt);
  EXPECT_GT(probe_->loads(), 2) << "its place, its record and its sums";
  nn_->RunMaintenance();
  EXPECT_FALSE(nn_->HasBackgroundWork());
  nn_.ExpectConsistent();
}

}  // namespace
}  // namespace cairn::namenode
