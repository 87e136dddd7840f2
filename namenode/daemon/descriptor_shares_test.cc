#include "namenode/daemon/descriptor_shares.h"

#include <gtest/gtest.h>

namespace cairn::namenode {
namespace {

constexpr DescriptorShares kWanted{.tables = 1000, .datanodes = 20'000, .clients = 20'000};

TEST(DescriptorSharesTest, WhereThereAreEnoughAllGetWhatTheyWant) {
  for (const uint64_t limit : {uint64_t{0}, uint64_t{1} << 20, uint64_t{1} << 40}) {
    const DescriptorShares shares = ShareDescriptors(limit, kWanted);
    EXPECT_EQ(shares.tables, 1000);
    EXPECT_EQ(shares.datanodes, 20'000);
    EXPECT_EQ(shares.clients, 20'000);
  }
}

TEST(DescriptorSharesTest, NoFloodOfConnectionsTakesWhatTheStoreNeeds) {
  for (uint64_t limit = 256; limit <= 1 << 20; limit *= 2) {
    const DescriptorShares shares = ShareDescriptors(limit, kWanted);
    EXPECT_GE(shares.tables, 64) << limit;
    EXPECT_GE(shares.clients, shares.datanodes) << limit;
    EXPECT_LE(64u + static_cast<uint64_t>(shares.tables + shares.datanodes + shares.clients),
              limit);
  }
}

TEST(DescriptorSharesTest, WithATinyLimitAFewOfEachAreLeft) {
  const DescriptorShares shares = ShareDescriptors(32, kWanted);
  EXPECT_EQ(shares.tables, 16);
  EXPECT_EQ(shares.datanodes, 16);
  EXPECT_EQ(shares.clients, 16);
}

}  // namespace
}  // namespace cairn::namenode
