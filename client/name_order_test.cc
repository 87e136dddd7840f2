#include "client/name_order.h"

#include <gtest/gtest.h>

#include <initializer_list>

namespace cairn::client {
namespace {

bool InOrder(std::initializer_list<absl::string_view> names) {
  NameOrder order;
  bool fine = true;
  for (const absl::string_view name : names) fine = order.Next(name);
  return fine;
}

TEST(NameOrder, BothServersOrdersAreOrders) {
  EXPECT_TRUE(InOrder({"a", "b", "z", "\xc3\xbc", "\xe6\x97\xa5"}));  // Cairn's
  EXPECT_TRUE(InOrder({"\xc3\xbc", "\xe6\x97\xa5", "a", "b", "z"}));  // Apache HDFS's
  EXPECT_TRUE(InOrder({"a", "a\xc3\xbc", "aa"}));
  EXPECT_TRUE(InOrder({}));
}

TEST(NameOrder, AMixOfThemOrANameThatComesTwiceIsNot) {
  EXPECT_FALSE(InOrder({"b", "a"}));
  EXPECT_FALSE(InOrder({"a", "a"}));
  EXPECT_FALSE(InOrder({""}));
  EXPECT_FALSE(InOrder({"a", "\xc3\xbc", "b"}));
  EXPECT_FALSE(InOrder({"\xc3\xbc", "a", "\xe6\x97\xa5"}));
}

}  // namespace
}  // namespace cairn::client
