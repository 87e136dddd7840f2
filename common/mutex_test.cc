#include "common/mutex.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace cairn {
namespace {

// Somebody shares it at every moment, each longer than the others need to come back.
TEST(SharedMutexTest, WhoWantsItAloneIsNotKeptOutByThoseWhoShareIt) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 1000;
  SharedMutex mu;
  std::atomic<bool> written = false;
  std::atomic<int> sharing = 0, in_vain = 0;
  std::vector<std::thread> readers;
  for (int i = 0; i < kThreads; ++i) {
    readers.emplace_back([&] {
      for (int round = 0; round < kRounds; ++round) {
        ReaderLock lock(mu);
        if (written) return;
        ++sharing;
        // Until another one has come, so that there is no gap between them.
        int waits = 0;
        do {
          std::this_thread::sleep_for(std::chrono::microseconds(100));
        } while (sharing < 2 && ++waits < 20 && !written);
        --sharing;
      }
      ++in_vain;
    });
  }
  while (sharing == 0) std::this_thread::yield();
  {
    WriterLock lock(mu);
    EXPECT_EQ(sharing, 0);
    written = true;
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(in_vain, 0) << "readers ended before the writer's turn came";
}

TEST(SharedMutexTest, WritersKeepReadersOutAndLetThemIn) {
  SharedMutex mu;
  int value = 0;
  std::atomic<int> odd = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 2000; ++round) {
        WriterLock lock(mu);
        ++value;
        ++value;
      }
    });
    threads.emplace_back([&] {
      for (int round = 0; round < 2000; ++round) {
        ReaderLock lock(mu);
        if (value % 2 != 0) ++odd;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(value, 8000);
  EXPECT_EQ(odd, 0);
}

}  // namespace
}  // namespace cairn
