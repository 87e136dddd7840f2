#include "tools/ec/missing_bytes.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

namespace cairn::tools {
namespace {

constexpr char kPolicy[] = "RS-3-2-1024k";
constexpr uint64_t kCell = 1 << 20;

client::BlockLocation Group(uint64_t length, const std::vector<uint8_t>& units) {
  client::BlockLocation group{.length = length, .units = units};
  group.names.resize(units.size(), "10.0.0.1:9866");
  return group;
}

TEST(MayLackBytesTest, OfAGroupAnyUnitsWillDoIfThereAreEnough) {
  EXPECT_FALSE(MayLackBytes(Group(6 * kCell, {0, 1, 2}), kPolicy));
  EXPECT_FALSE(MayLackBytes(Group(6 * kCell, {4, 1, 3}), kPolicy));
  EXPECT_TRUE(MayLackBytes(Group(6 * kCell, {4, 3}), kPolicy));
  EXPECT_TRUE(MayLackBytes(Group(6 * kCell, {}), kPolicy));
}

// As when datanodes are leaving whose units have been copied.
TEST(MayLackBytesTest, AUnitThatIsThereTwiceCountsOnce) {
  EXPECT_TRUE(MayLackBytes(Group(6 * kCell, {0, 1, 1}), kPolicy));
  EXPECT_TRUE(MayLackBytes(Group(6 * kCell, {0, 1, 0, 1, 0}), kPolicy));
  EXPECT_FALSE(MayLackBytes(Group(6 * kCell, {0, 1, 0, 4}), kPolicy));
}

TEST(MayLackBytesTest, AGroupThatIsNotFullNeedsFewerUnits) {
  EXPECT_FALSE(MayLackBytes(Group(2 * kCell, {0, 4}), kPolicy));
  EXPECT_TRUE(MayLackBytes(Group(2 * kCell + 1, {0, 4}), kPolicy));
  EXPECT_TRUE(MayLackBytes(Group(2 * kCell, {4, 4}), kPolicy));
  EXPECT_FALSE(MayLackBytes(Group(1, {3}), kPolicy));
}

TEST(MayLackBytesTest, WhichUnitsThereAreIsNotTold) {
  client::BlockLocation group = Group(6 * kCell, {0, 1, 2, 3, 4});
  group.units.clear();
  EXPECT_TRUE(MayLackBytes(group, kPolicy));
}

TEST(MayLackBytesTest, OfABlockOneReplicaIsEnoughThatIsNotBad) {
  client::BlockLocation block{.length = 6 * kCell, .names = {"10.0.0.1:9866"}};
  EXPECT_FALSE(MayLackBytes(block, ""));
  block.corrupt = true;
  EXPECT_TRUE(MayLackBytes(block, ""));
  EXPECT_TRUE(MayLackBytes({.length = 1}, ""));
}

}  // namespace
}  // namespace cairn::tools
