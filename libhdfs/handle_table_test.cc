#include "libhdfs/handle_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cairn::libhdfs {
namespace {

TEST(HandleTableTest, AHandleIsKnownUntilItIsRemovedAndNeverAgain) {
  HandleTable<int> table;
  void* const first = table.Add(std::make_shared<int>(1));
  EXPECT_THAT(table.Find(first), ::testing::Pointee(1));
  EXPECT_THAT(table.Remove(first), ::testing::Pointee(1));
  EXPECT_EQ(table.Find(first), nullptr);
  EXPECT_EQ(table.Remove(first), nullptr);
  EXPECT_NE(table.Add(std::make_shared<int>(2)), first);
}

TEST(HandleTableTest, NullAndStrayPointersAreNoHandles) {
  HandleTable<int> table;
  void* const handle = table.Add(std::make_shared<int>(1));
  EXPECT_EQ(table.Find(nullptr), nullptr);
  EXPECT_EQ(table.Find(static_cast<char*>(handle) + 1), nullptr);
  EXPECT_EQ(table.Find(&table), nullptr);
}

TEST(HandleTableTest, WhatWasFoundOutlivesItsRemoval) {
  HandleTable<int> table;
  void* const handle = table.Add(std::make_shared<int>(1));
  const std::shared_ptr<int> found = table.Find(handle);
  table.Remove(handle);
  EXPECT_EQ(*found, 1);
  EXPECT_TRUE(table.All().empty());
}

}  // namespace
}  // namespace cairn::libhdfs
