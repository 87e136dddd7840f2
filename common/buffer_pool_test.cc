#include "common/buffer_pool.h"

#include <gtest/gtest.h>

namespace cairn {
namespace {

TEST(BufferPoolTest, BuffersAreAlignedAndOfTheSizeAskedFor) {
  BufferPool pool(8192, 2);
  const auto buffer = pool.TryTake();
  ASSERT_TRUE(buffer.has_value());
  EXPECT_EQ(buffer->size(), 8192u);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer->data()) % BufferPool::kAlignment, 0u);
}

TEST(BufferPoolTest, NothingIsGivenBeyondTheBoundUntilOneComesBack) {
  BufferPool pool(4096, 2);
  auto first = pool.TryTake();
  auto second = pool.TryTake();
  ASSERT_TRUE(first && second);
  EXPECT_FALSE(pool.TryTake().has_value());
  EXPECT_EQ(pool.taken(), 2u);
  std::byte* const memory = first->data();
  first.reset();
  const auto third = pool.TryTake();
  ASSERT_TRUE(third.has_value());
  EXPECT_EQ(third->data(), memory);
}

TEST(BufferPoolTest, MovedBufferIsGivenBackOnce) {
  BufferPool pool(4096, 2);
  {
    auto first = pool.TryTake();
    auto second = pool.TryTake();
    BufferPool::Buffer third = *std::move(first);
    third = *std::move(second);
    EXPECT_EQ(third.size(), 4096u);
  }
  EXPECT_EQ(pool.taken(), 0u);
}

TEST(BufferPoolTest, BufferMayOutliveItsPool) {
  auto pool = std::make_unique<BufferPool>(4096, 1);
  auto buffer = pool->TryTake();
  pool.reset();
  ASSERT_TRUE(buffer.has_value());
  buffer->data()[4095] = std::byte{1};
}

}  // namespace
}  // namespace cairn
