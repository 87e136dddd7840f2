#include "client/thread_pool.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <cstddef>
#include <future>
#include <memory>
#include <set>
#include <thread>

#include "common/check.h"
#include "common/testing/eventually.h"

namespace cairn::client {
namespace {

// While it exists no thread can be started: there is no room for its stack.
class NoNewThreads {
 public:
  NoNewThreads() {
    CHECK(::pthread_getattr_default_np(&before_) == 0);
    SetStackBytes(size_t{1} << 47);
  }
  ~NoNewThreads() {
    size_t bytes = 0;
    CHECK(::pthread_attr_getstacksize(&before_, &bytes) == 0);
    SetStackBytes(bytes);
    ::pthread_attr_destroy(&before_);
  }

 private:
  static void SetStackBytes(size_t bytes) {
    pthread_attr_t attributes;
    CHECK(::pthread_getattr_default_np(&attributes) == 0);
    CHECK(::pthread_attr_setstacksize(&attributes, bytes) == 0);
    CHECK(::pthread_setattr_default_np(&attributes) == 0);
    ::pthread_attr_destroy(&attributes);
  }

  pthread_attr_t before_;
};

TEST(ThreadPoolTest, JobsRunAtTheSameTimeAndNoMoreThanThereAreThreads) {
  std::promise<void> go;
  const std::shared_future<void> gone = go.get_future().share();
  std::atomic<int> running = 0;
  ThreadPool pool(2, "test");
  const auto job = [&] {
    ++running;
    gone.wait();
  };
  EXPECT_TRUE(pool.TryRun(job));
  EXPECT_TRUE(pool.TryRun(job));
  EXPECT_FALSE(pool.TryRun(job));
  EVENTUALLY(running == 2);
  go.set_value();
  EVENTUALLY(pool.TryRun([] {}));
}

TEST(ThreadPoolTest, WithoutThreadsNothingRuns) {
  ThreadPool pool(0, "test");
  EXPECT_FALSE(pool.TryRun([] { FAIL(); }));
}

TEST(ThreadPoolTest, AThreadThatCannotBeStartedIsAsIfAllWereBusy) {
  std::atomic<bool> ran = false;
  ThreadPool pool(1, "test");
  {
    const NoNewThreads none;
    EXPECT_FALSE(pool.TryRun([] { FAIL(); }));
  }
  EXPECT_TRUE(pool.TryRun([&] { ran = true; }));
  EVENTUALLY(ran);
}

TEST(ThreadPoolTest, AThreadServesOneJobAfterTheOther) {
  std::set<std::thread::id> threads;
  std::atomic<int> done = 0;
  ThreadPool pool(1, "test");
  for (int i = 1; i <= 10; ++i) {
    EVENTUALLY(pool.TryRun([&] {
      threads.insert(std::this_thread::get_id());
      ++done;
    }));
    EVENTUALLY(done == i);
  }
  EXPECT_EQ(threads.size(), 1u);
}

TEST(ThreadPoolTest, WhatHasBegunEndsBeforeThePoolDoes) {
  const auto held = std::make_shared<std::atomic<bool>>(false);
  {
    ThreadPool pool(1, "test");
    ASSERT_TRUE(pool.TryRun([held] { *held = true; }));
  }
  EXPECT_TRUE(*held);
  EXPECT_EQ(held.use_count(), 1) << "the job is gone with all that it held";
}

}  // namespace
}  // namespace cairn::client
