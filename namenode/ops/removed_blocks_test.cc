// Blocks that no file has any more: every replica is found and deleted, whenever the namenode died
// in between.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "absl/strings/str_cat.h"
#include "namenode/core/testing/test_namenode.h"
#include "namenode/store/keys.h"

namespace cairn::namenode {
namespace {

using ::testing::ElementsAre;

// The parameter: how many of them are kept in memory.
class RemovedBlocksTest : public ::testing::TestWithParam<size_t> {
 protected:
  static TestNamenode::Options Some() {
    TestNamenode::Options options;
    options.datanodes = 1;
    options.namenode.removed_blocks_in_memory = GetParam();
    return options;
  }
  BlockId Write(absl::string_view path) {
    nn_.WriteFile(path, {30});
    return nn_->GetBlockLocations(kSuper, path, 0, 1).value->blocks.at(0).block.id;
  }
  // All is in LevelDB, and nothing in memory.
  void FlushAndRestart() {
    nn_.Flush();
    nn_.Restart();
    nn_.SendFullReports();
  }
  std::vector<BlockId> Deletions() {
    for (int i = 0; i < 10; ++i) nn_->RunMaintenance();
    std::vector<BlockId> blocks;
    for (const DatanodeCommand& command : nn_.Heartbeat(0)) {
      const auto* const invalidate = std::get_if<InvalidateCommand>(&command);
      if (invalidate == nullptr) continue;
      for (const BlockVersion& block : invalidate->blocks) blocks.push_back(block.id);
    }
    return blocks;
  }
  // Records of replicas, and of blocks whose replicas are still to be found.
  size_t Records() {
    size_t count = 0;
    nn_->WithLock([&] {
      for (const char kind : {keys::kReplicas, keys::kStorageBlock, keys::kRemovedBlock}) {
        const auto range = nn_.store().Scan(std::string(1, kind), "", 1000);
        for (; range->Valid(); range->Next()) ++count;
      }
    });
    return count;
  }

  TestNamenode nn_{Some()};
};

TEST_P(RemovedBlocksTest, ADeletionIsNotForgottenByACrashRightAfterItsFlush) {
  const BlockId block = Write("/f");
  FlushAndRestart();
  ASSERT_THAT(nn_->Delete(kSuper, "/f", false).value, IsOkAndHolds(true));
  FlushAndRestart();
  EXPECT_THAT(Deletions(), ElementsAre(block));
  EXPECT_EQ(Records(), 0u);
}

TEST_P(RemovedBlocksTest, NorByACrashWhileADeletedDirectoryIsReclaimed) {
  std::vector<BlockId> blocks;
  for (int i = 0; i < 300; ++i) blocks.push_back(Write(absl::StrCat("/d/f", i)));
  FlushAndRestart();
  ASSERT_THAT(nn_->Delete(kSuper, "/d", true).value, IsOkAndHolds(true));
  nn_->RunMaintenance();
  FlushAndRestart();
  EXPECT_THAT(Deletions(), ::testing::UnorderedElementsAreArray(blocks));
  EXPECT_EQ(Records(), 0u);
}

// An order that is lost on its way is made anew by the next full report.
TEST_P(RemovedBlocksTest, NorByACrashAfterItWasWorkedOff) {
  const BlockId block = Write("/f");
  FlushAndRestart();
  ASSERT_THAT(nn_->Delete(kSuper, "/f", false).value, IsOkAndHolds(true));
  for (int i = 0; i < 10; ++i) nn_->RunMaintenance();
  FlushAndRestart();
  EXPECT_THAT(Deletions(), ElementsAre(block));
  EXPECT_EQ(Records(), 0u);
  EXPECT_FALSE(nn_->HasBackgroundWork());
}

// The namenode died before anything reached LevelDB: the journal removes the block again.
TEST_P(RemovedBlocksTest, NorByACrashBeforeItsFlush) {
  std::vector<BlockId> blocks;
  for (int i = 0; i < 5; ++i) blocks.push_back(Write(absl::StrCat("/f", i)));
  FlushAndRestart();
  for (int i = 0; i < 5; ++i) {
    ASSERT_THAT(nn_->Delete(kSuper, absl::StrCat("/f", i), false).value, IsOkAndHolds(true));
  }
  nn_.Restart();
  nn_.SendFullReports();
  EXPECT_THAT(Deletions(), ::testing::UnorderedElementsAreArray(blocks));
  EXPECT_EQ(Records(), 0u);
}

INSTANTIATE_TEST_SUITE_P(, RemovedBlocksTest, ::testing::Values(0, 2, 1 << 16));

}  // namespace
}  // namespace cairn::namenode
