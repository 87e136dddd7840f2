// Records that only LevelDB has are read without the namespace lock.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "namenode/core/testing/lock_probe_store.h"
#include "namenode/core/testing/test_namenode.h"

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
