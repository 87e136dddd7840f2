#include "datanode/pipeline/disk_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "common/testing/eventually.h"

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

}  // namespace
}  // namespace cairn::datanode
