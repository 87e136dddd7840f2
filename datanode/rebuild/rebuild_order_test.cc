#include "datanode/rebuild/rebuild_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "absl/strings/str_cat.h"
#include "common/testing/status_matchers.h"

namespace cairn::datanode {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr BlockId kGroup = MakeGroupId(5);

void SetAddress(uint32_t port, internal::Address* address) {
  address->set_ip("10.0.0.7");
  address->set_transfer_port(port);
}

// RS-3-2 of 4 KiB cells: units 0, 2 and 4 give unit 3.
internal::RebuildUnits GoodOrder() {
  internal::RebuildUnits order;
  order.mutable_group()->set_block_id(ToInt(kGroup));
  order.mutable_group()->set_generation_stamp(1001);
  order.mutable_group()->set_length(100'000);
  order.set_codec("rs");
  order.set_data_units(3);
  order.set_parity_units(2);
  order.set_cell_bytes(4096);
  for (const uint32_t unit : {0, 2, 4}) {
    internal::RebuildUnits::Source& source = *order.add_sources();
    source.set_unit(unit);
    SetAddress(1000 + unit, source.mutable_address());
    source.set_datanode_uuid(absl::StrCat("dn-", unit));
  }
  internal::RebuildUnits::Target& target = *order.add_targets();
  target.set_unit(3);
  SetAddress(2000, target.mutable_at()->mutable_address());
  target.mutable_at()->set_datanode_uuid("dn-9");
  target.mutable_at()->set_storage_uuid("DS-9");
  target.mutable_at()->set_storage_type(2);
  return order;
}

TEST(RebuildOrderTest, AnOrderThatMakesSensePassesWholly) {
  ASSERT_OK_AND_ASSIGN(const RebuildOrder order, CheckRebuild(GoodOrder()));
  EXPECT_EQ(order.group, kGroup);
  EXPECT_EQ(order.stamp, GenerationStamp{1001});
  EXPECT_EQ(order.group_bytes, 100'000u);
  EXPECT_EQ(order.schema, (erasure::Schema{erasure::Codec::kReedSolomon, 3, 2}));
  EXPECT_EQ(order.cell_bytes, 4096u);
  ASSERT_THAT(order.sources, SizeIs(3));
  EXPECT_EQ(order.sources[1].unit, 2u);
  EXPECT_EQ(order.sources[1].address.ip, "10.0.0.7");
  EXPECT_EQ(order.sources[1].address.port, 1002);
  ASSERT_THAT(order.targets, SizeIs(1));
  EXPECT_EQ(order.targets[0].unit, 3u);
  EXPECT_EQ(order.targets[0].address.port, 2000);
  EXPECT_EQ(order.targets[0].storage_uuid, "DS-9");
  EXPECT_EQ(order.targets[0].storage_type, 2u);
}

TEST(RebuildOrderTest, WhatMakesNoSenseIsRefused) {
  using Order = internal::RebuildUnits;
  const auto refused = [](const std::function<void(Order&)>& spoil) {
    Order order = GoodOrder();
    spoil(order);
    return absl::IsInvalidArgument(CheckRebuild(order).status());
  };
  EXPECT_FALSE(refused([](Order&) {}));
  EXPECT_TRUE(refused([](Order& o) { o.clear_group(); }));
  EXPECT_TRUE(refused([](Order& o) { o.mutable_group()->set_block_id(1073741825); }));
  EXPECT_TRUE(refused([](Order& o) { o.mutable_group()->set_block_id(ToInt(kGroup) + 1); }));
  EXPECT_TRUE(refused([](Order& o) { o.mutable_group()->set_length(0); }));
  EXPECT_TRUE(refused([](Order& o) { o.mutable_group()->set_length(~uint64_t{0}); }));
  EXPECT_TRUE(refused([](Order& o) { o.set_codec("raid"); }));
  EXPECT_TRUE(refused([](Order& o) { o.set_codec("xor"); })) << "that has one parity unit";
  EXPECT_TRUE(refused([](Order& o) { o.set_data_units(0); }));
  EXPECT_TRUE(refused([](Order& o) { o.set_data_units(~0u); }));
  EXPECT_TRUE(refused([](Order& o) { o.set_parity_units(14); }));
  EXPECT_TRUE(refused([](Order& o) { o.set_cell_bytes(0); }));
  EXPECT_TRUE(refused([](Order& o) { o.set_cell_bytes(4097); }));
  EXPECT_TRUE(refused([](Order& o) { o.set_cell_bytes(1u << 30); }));
  EXPECT_TRUE(refused([](Order& o) { o.mutable_sources(0)->set_unit(5); }));
  EXPECT_TRUE(refused([](Order& o) { o.mutable_sources(0)->set_unit(~0u); }));
  EXPECT_TRUE(refused([](Order& o) { o.mutable_sources(0)->set_unit(2); })) << "named twice";
  EXPECT_TRUE(refused([](Order& o) { o.mutable_sources(0)->set_unit(3); })) << "it is wanted";
  EXPECT_TRUE(refused([](Order& o) { o.mutable_sources(0)->mutable_address()->set_ip("host"); }));
  EXPECT_TRUE(refused([](Order& o) {
    o.mutable_sources(0)->mutable_address()->set_ip(std::string("10.0.0.1\0x", 10));
  }));
  EXPECT_TRUE(
      refused([](Order& o) { o.mutable_sources(0)->mutable_address()->set_transfer_port(0); }));
  EXPECT_TRUE(
      refused([](Order& o) { o.mutable_sources(0)->mutable_address()->set_transfer_port(65536); }));
  EXPECT_TRUE(refused([](Order& o) { o.mutable_sources()->RemoveLast(); })) << "too few";
  EXPECT_TRUE(refused([](Order& o) { o.clear_targets(); }));
  EXPECT_TRUE(refused([](Order& o) { o.mutable_targets(0)->set_unit(5); }));
  EXPECT_TRUE(refused([](Order& o) { *o.add_targets() = o.targets(0); }));
  EXPECT_TRUE(refused([](Order& o) { o.mutable_targets(0)->clear_at(); }));
  EXPECT_TRUE(refused([](Order& o) { o.mutable_targets(0)->mutable_at()->clear_address(); }));
  EXPECT_TRUE(
      refused([](Order& o) { o.mutable_targets(0)->mutable_at()->set_datanode_uuid("a\nb"); }));
}

// A group of one cell and a bit: unit 2 has no block, and counts as zeros.
TEST(RebuildOrderTest, DataUnitsWithoutBytesAreNeitherNeededNorWanted) {
  internal::RebuildUnits order = GoodOrder();
  order.mutable_group()->set_length(4097);
  EXPECT_THAT(CheckRebuild(order),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("2 holds no bytes")));
  order.mutable_sources()->DeleteSubrange(1, 1);
  ASSERT_OK_AND_ASSIGN(const RebuildOrder two, CheckRebuild(order));
  EXPECT_EQ(two.SourcesNeeded(), 2u);
  order.mutable_sources()->RemoveLast();
  EXPECT_THAT(CheckRebuild(order), StatusIs(absl::StatusCode::kInvalidArgument));
  order.mutable_group()->set_length(4096);
  EXPECT_OK(CheckRebuild(order));
}

TEST(RebuildOrderTest, AGroupIsCutFromALongerOneThatTheSourcesHave) {
  internal::RebuildUnits order = GoodOrder();
  order.mutable_group()->set_length(4096);  // units 0, 3 and 4
  order.mutable_sources(0)->set_unit(3);
  internal::BlockRef& from = *order.mutable_cut_from();
  from.set_block_id(ToInt(MakeGroupId(4)));
  from.set_generation_stamp(900);
  from.set_length(100'000);
  ASSERT_OK_AND_ASSIGN(const RebuildOrder cut, CheckRebuild(order));
  EXPECT_EQ(cut.source_group(), MakeGroupId(4));
  EXPECT_EQ(cut.source_stamp(), GenerationStamp{900});
  EXPECT_EQ(cut.SourcesNeeded(), 3u);
  EXPECT_EQ(cut.UnitBytes(1), 0u);
  EXPECT_GT(cut.SourceBytes(1), 0u);

  const auto refused = [&](const std::function<void(internal::RebuildUnits&)>& spoil) {
    internal::RebuildUnits spoilt = order;
    spoil(spoilt);
    return absl::IsInvalidArgument(CheckRebuild(spoilt).status());
  };
  using Order = internal::RebuildUnits;
  EXPECT_TRUE(refused([](Order& o) { o.mutable_cut_from()->set_block_id(ToInt(kGroup)); }));
  EXPECT_TRUE(refused([](Order& o) { o.mutable_cut_from()->set_block_id(1073741825); }));
  EXPECT_TRUE(refused([](Order& o) { o.mutable_cut_from()->set_length(4096); }));
  EXPECT_TRUE(refused([](Order& o) { o.mutable_cut_from()->set_length(~uint64_t{0}); }));
  EXPECT_TRUE(refused([](Order& o) { o.mutable_sources(0)->set_unit(2); })) << "named twice";
  EXPECT_TRUE(refused([](Order& o) { o.mutable_sources()->RemoveLast(); })) << "too few";
  EXPECT_TRUE(refused([](Order& o) { o.mutable_targets(0)->set_unit(1); })) << "without bytes";
  EXPECT_TRUE(refused([](Order& o) { *o.add_targets() = o.targets(0); }));
}

TEST(RebuildOrderTest, AFailureNamesTheUnitAndItsTarget) {
  const auto failed = FailureOf(GoodOrder(), 0);
  ASSERT_TRUE(failed.has_value());
  EXPECT_EQ(failed->block_id(), ToInt(kGroup) + 3);
  EXPECT_EQ(failed->generation_stamp(), 1001u);
  EXPECT_THAT(failed->target_uuids(), ElementsAre("dn-9"));
}

TEST(RebuildOrderTest, AWrongUnitIsToldWithTheDatanodeThatHasIt) {
  internal::RebuildUnits order = GoodOrder();
  const auto wrong = WrongUnitOf(order, 2);
  ASSERT_TRUE(wrong.has_value());
  EXPECT_EQ(wrong->block_id(), ToInt(kGroup) + 2);
  EXPECT_EQ(wrong->generation_stamp(), 1001u);
  EXPECT_EQ(wrong->datanode_uuid(), "dn-2");
  EXPECT_FALSE(WrongUnitOf(order, 3).has_value()) << "no source";
  order.mutable_sources(1)->set_datanode_uuid("a b");
  EXPECT_FALSE(WrongUnitOf(order, 2).has_value());
}

TEST(RebuildOrderTest, NothingIsToldThatTheNamenodeWouldNotTake) {
  internal::RebuildUnits order = GoodOrder();
  order.mutable_targets(0)->mutable_at()->set_datanode_uuid("");
  EXPECT_FALSE(FailureOf(order, 0).has_value());
  order = GoodOrder();
  order.mutable_targets(0)->set_unit(16);
  EXPECT_FALSE(FailureOf(order, 0).has_value());
  order = GoodOrder();
  order.mutable_group()->set_block_id(1073741824);
  EXPECT_FALSE(FailureOf(order, 0).has_value()) << "a replicated block has no units";
}

}  // namespace
}  // namespace cairn::datanode
