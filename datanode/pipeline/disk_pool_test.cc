#include "datanode/pipeline/disk_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <system_error>
#include <thread>

#include "common/testing/eventually.h"
#include "common/testing/no_more_threads.h"

namespace cairn::datanode {
namespace {

// Two disks share the threads; all of these wait for one that hangs.
TEST(DiskPoolTest, StuckThreadsAreReplacedAndGoWhenTheyComeBack) {
  DiskPool pool(2);
  std::atomic<bool> hangs{true};
  std::atomic<int> stuck{0}, done{0};
  for (int i = 0; i < 2; ++i) {
    pool.Run([&] {
      ++stuck;
      while (hangs.load()) std::this_thread::yield();
      --stuck;
    });
  }
  EVENTUALLY(stuck.load() == 2);
  for (int i = 0; i < 10; ++i) pool.Run([&] { ++done; });
  EXPECT_EQ(done.load(), 0);
  EVENTUALLY((pool.ReplaceStuck(), done.load() == 10));
  hangs = false;
  EVENTUALLY(stuck.load() == 0);
  for (int i = 0; i < 10; ++i) pool.Run([&] { ++done; });
  EVENTUALLY((pool.ReplaceStuck(), done.load() == 20));
}

TEST(DiskPoolTest, AStuckThreadIsReplacedOnceThereIsAThread) {
  DiskPool pool(1);
  std::atomic<bool> hangs{true}, stuck{false}, done{false};
  pool.Run([&] {
    stuck = true;
    while (hangs.load()) std::this_thread::yield();
  });
  EVENTUALLY(stuck.load());
  pool.Run([&] { done = true; });
  {
    const NoMoreThreads none;
    EXPECT_THROW(std::thread([] {}).join(), std::system_error);
    // Longer than it takes for a thread to be taken for stuck.
    EXPECT_FALSE(Eventually([&] { return pool.ReplaceStuck(), done.load(); }, absl::Seconds(2)));
  }
  EVENTUALLY((pool.ReplaceStuck(), done.load()));
  hangs = false;
}

}  // namespace
}  // namespace cairn::datanode
