#include "client/costly_nodes.h"

#include <gtest/gtest.h>

#include "common/testing/fake_clock.h"

namespace cairn::client {
namespace {

TEST(CostlyNodesTest, WhatCostSecondsIsRememberedForAWhile) {
  FakeClock clock;
  CostlyNodes nodes(clock);
  nodes.Failed("quick", absl::Milliseconds(999));
  EXPECT_EQ(nodes.Until("quick"), absl::ZeroDuration());
  nodes.Failed("a", absl::Seconds(1));
  clock.Advance(absl::Seconds(1));
  nodes.Failed("b", absl::Seconds(6));
  EXPECT_GT(nodes.Until("a"), absl::ZeroDuration());
  EXPECT_GT(nodes.Until("b"), nodes.Until("a")) << "of a the longer nothing bad is known";
  clock.Advance(CostlyNodes::kLife - absl::Seconds(1));
  EXPECT_EQ(nodes.Until("a"), absl::ZeroDuration());
  EXPECT_GT(nodes.Until("b"), absl::ZeroDuration());
  clock.Advance(absl::Seconds(1));
  EXPECT_EQ(nodes.Until("b"), absl::ZeroDuration());
}

TEST(CostlyNodesTest, ANodeThatLosesThreeHedgedReadsInARowIsRememberedForAShortWhile) {
  FakeClock clock;
  CostlyNodes nodes(clock);
  nodes.Outrun("a");
  nodes.Outrun("a");
  nodes.Won("a");
  nodes.Outrun("a");
  nodes.Outrun("a");
  EXPECT_EQ(nodes.Until("a"), absl::ZeroDuration());
  nodes.Outrun("a");
  EXPECT_GT(nodes.Until("a"), absl::ZeroDuration());
  clock.Advance(CostlyNodes::kOutrunLife);
  EXPECT_EQ(nodes.Until("a"), absl::ZeroDuration());
  nodes.Outrun("a");
  EXPECT_GT(nodes.Until("a"), absl::ZeroDuration()) << "it has won none since";
  nodes.Failed("a", CostlyNodes::kCostly);
  nodes.Outrun("a");
  clock.Advance(CostlyNodes::kOutrunLife);
  EXPECT_GT(nodes.Until("a"), absl::ZeroDuration()) << "what it had cost counts for longer";
}

}  // namespace
}  // namespace cairn::client
