#include "common/thread.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <thread>

namespace cairn {
namespace {

TEST(ThreadTest, NameIsSetAndCutToWhatLinuxKeeps) {
  std::thread([] {
    char name[64] = {};
    SetThreadName("short");
    ASSERT_EQ(pthread_getname_np(pthread_self(), name, sizeof name), 0);
    EXPECT_STREQ(name, "short");
    SetThreadName("a-name-that-is-too-long");
    ASSERT_EQ(pthread_getname_np(pthread_self(), name, sizeof name), 0);
    EXPECT_STREQ(name, "a-name-that-is-");
  }).join();
}

}  // namespace
}  // namespace cairn
