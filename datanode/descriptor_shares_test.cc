#include "datanode/descriptor_shares.h"

#include <gtest/gtest.h>

namespace cairn::datanode {
namespace {

TEST(FitToDescriptorsTest, WhereThereAreEnoughNothingChanges) {
  for (const uint64_t limit : {uint64_t{0}, uint64_t{1} << 20}) {
    DatanodeOptions options;
    FitToDescriptors(limit, &options);
    EXPECT_EQ(options.transfer.max_transfers, 4096);
    EXPECT_EQ(options.ipc_connections, 20'000);
  }
}

TEST(FitToDescriptorsTest, TransfersGetFourEachOfWhatIsLeft) {
  DatanodeOptions options;
  FitToDescriptors(1024, &options);
  EXPECT_EQ(options.ipc_connections, 128);
  EXPECT_EQ(options.transfer.max_transfers, (1024 - 128 - 128) / 4);
}

TEST(FitToDescriptorsTest, WhatTheConfigurationWantsIsNotRaised) {
  DatanodeOptions options;
  options.transfer.max_transfers = 3;
  FitToDescriptors(1024, &options);
  EXPECT_EQ(options.transfer.max_transfers, 3);
}

TEST(FitToDescriptorsTest, WithATinyLimitAFewAreLeft) {
  DatanodeOptions options;
  FitToDescriptors(64, &options);
  EXPECT_EQ(options.ipc_connections, 16);
  EXPECT_EQ(options.transfer.max_transfers, 16);
}

}  // namespace
}  // namespace cairn::datanode
