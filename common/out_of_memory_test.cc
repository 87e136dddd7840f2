#include "common/out_of_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <new>
#include <stdexcept>
#include <thread>

namespace cairn {
namespace {

using testing::HasSubstr;
using testing::Not;

template <typename Exception>
void ThrowFromNoexcept(Exception exception) {
  SayWhenOutOfMemory();
  SayWhenOutOfMemory();
  const auto want = [&] { throw exception; };
  [&]() noexcept { want(); }();
}

TEST(OutOfMemoryDeathTest, TheEndNamesItsCause) {
  EXPECT_DEATH(ThrowFromNoexcept(std::bad_alloc()), "out of memory: the process ends");
  EXPECT_DEATH(ThrowFromNoexcept(std::bad_array_new_length()), "out of memory");
  EXPECT_DEATH(ThrowFromNoexcept(std::runtime_error("odd")), Not(HasSubstr("out of memory")));
  EXPECT_DEATH(ThrowFromNoexcept(std::runtime_error("odd")), "what.*odd");
}

TEST(OutOfMemoryDeathTest, OnAnyThread) {
  EXPECT_DEATH(
      {
        SayWhenOutOfMemory();
        std::thread([] { throw std::bad_alloc(); }).join();
      },
      "out of memory");
}

}  // namespace
}  // namespace cairn
