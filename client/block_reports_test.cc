#include "client/block_reports.h"

#include "common/testing/status_matchers.h"

namespace cairn::client {
namespace {

using ::testing::SizeIs;

constexpr uint64_t kGroup = (uint64_t{1} << 63) + 32;
constexpr uint32_t kCell = 1024;

// A group of which each unit has one replica that stands so.
admin::Block Group(uint32_t needed, std::initializer_list<admin::Standing> units) {
  admin::Block group;
  group.set_id(kGroup);
  group.set_wanted(static_cast<uint32_t>(units.size()));
  group.set_units_needed(needed);
  for (const admin::Standing standing : units) {
    admin::Block& unit = *group.add_units();
    unit.set_id(kGroup + static_cast<uint64_t>(group.units_size()) - 1);
    unit.add_replicas()->set_standing(standing);
  }
  return group;
}

TEST(BlockReportsTest, AGroupIsCorruptWhenBadUnitsAreLackedForItsBytes) {
  using admin::CORRUPT;
  using admin::DEAD;
  using admin::LIVE;
  const auto corrupt = [](const admin::Block& group) { return ToReport(group)->corrupt; };
  EXPECT_FALSE(corrupt(Group(3, {LIVE, LIVE, LIVE, CORRUPT, CORRUPT})));
  EXPECT_TRUE(corrupt(Group(3, {LIVE, LIVE, DEAD, DEAD, CORRUPT})));
  EXPECT_FALSE(corrupt(Group(3, {LIVE, LIVE, DEAD, DEAD, DEAD}))) << "missing";
}

TEST(BlockReportsTest, AGroupTellsOfItsUnits) {
  const auto group = ToReport(Group(2, {admin::LIVE, admin::DEAD, admin::STALE}));
  ASSERT_OK(group.status());
  EXPECT_TRUE(group->is_group());
  EXPECT_FALSE(group->is_unit());
  EXPECT_EQ(group->GoodUnits(), 2u);
  EXPECT_TRUE(group->units[1].is_unit());
  EXPECT_EQ(group->units[1].unit_number(), 1u);
  EXPECT_EQ(group->units[1].group_id(), kGroup);
}

TEST(BlockReportsTest, UnitsOfAnotherGroupAreRefused) {
  admin::Block group = Group(1, {admin::LIVE});
  for (const uint64_t id : {kGroup + 16, uint64_t{5}}) {
    group.mutable_units(0)->set_id(id);
    EXPECT_THAT(ToReport(group).status(), StatusIs(absl::StatusCode::kInternal));
  }
}

// An Apache HDFS tells readers which unit each datanode has.
TEST(BlockReportsTest, AGroupOfLocatedUnitsLacksThoseThatNobodyHas) {
  hdfs::LocatedBlockProto located;
  located.mutable_b()->set_blockid(kGroup);
  located.mutable_b()->set_numbytes(kCell + 1);
  located.set_blockindices(std::string("\x01\x03", 2));
  for (const char* uuid : {"dn-1", "dn-3"}) {
    located.add_locs()->mutable_id()->set_datanodeuuid(uuid);
  }
  const erasure::Layout layout({.data_units = 3, .parity_units = 2}, kCell);
  const BlockReport group = ToGroupReport(located, layout, /*open=*/false);
  EXPECT_EQ(group.units_needed, 2u);
  EXPECT_EQ(group.wanted, 4u);
  ASSERT_THAT(group.units, SizeIs(4)) << "of unit 2 there is nothing";
  EXPECT_EQ(group.GoodUnits(), 2u);
  EXPECT_EQ(group.units[1].length, 1u);
  ASSERT_THAT(group.units[1].replicas, SizeIs(1));
  EXPECT_EQ(group.units[1].replicas[0].datanode_uuid, "dn-1");
  EXPECT_THAT(ToGroupReport(located, layout, /*open=*/true).units, SizeIs(5));
}

}  // namespace
}  // namespace cairn::client
