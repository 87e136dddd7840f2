// Units of block groups, whose ids have the highest bit, in a whole datanode: orders to rebuild
// them, reports, recoveries.
#include <gmock/gmock.h>

#include <vector>

#include "absl/strings/str_cat.h"
#include "datanode/testing/coded_group.h"
#include "datanode/testing/datanode_fixture.h"
#include "datanode/testing/transfer_test.h"

namespace cairn::datanode {
namespace {

using testing::CodedGroup;
using testing::DatanodeTest;
using ::testing::Eq;
using testing::Pattern;
using testing::SilentNode;
using ::testing::SizeIs;
using testing::TestBlock;
using testing::TransferClient;

// XOR-2-1: units 0 and 2 give unit 1.
class RebuildCommandTest : public DatanodeTest {
 protected:
  static constexpr BlockId kGroup = MakeGroupId(7);
  const CodedGroup group_{kGroup, {erasure::Codec::kXor, 2, 1}, 1024, 3000};

  internal::Command Order(Datanode& datanode, const std::vector<uint32_t>& sources) {
    internal::Command command;
    internal::RebuildUnits& order = *command.mutable_rebuild();
    order.mutable_group()->set_block_id(ToInt(kGroup));
    order.mutable_group()->set_generation_stamp(1001);
    order.mutable_group()->set_length(group_.length);
    order.set_codec("xor");
    order.set_data_units(2);
    order.set_parity_units(1);
    order.set_cell_bytes(1024);
    for (const uint32_t unit : sources) {
      internal::RebuildUnits::Source& source = *order.add_sources();
      source.set_unit(unit);
      *source.mutable_address() = TargetOf(datanode, 0).address();
    }
    internal::RebuildUnits::Target& target = *order.add_targets();
    target.set_unit(1);
    *target.mutable_at() = TargetOf(datanode, 0);
    return command;
  }
};

TEST_F(RebuildCommandTest, AUnitThatIsOrderedIsRebuiltAndReported) {
  ASSERT_OK_AND_ASSIGN(const auto datanode, StartAt("n1"));
  for (const uint32_t unit : {0, 2}) {
    ASSERT_OK(Write(datanode->transfer_port(), group_.Block(unit), group_.units[unit]));
  }
  namenode_.Order(Order(*datanode, {0, 2}));
  const uint64_t wanted = ToInt(UnitOf(kGroup, 1));
  EVENTUALLY(namenode_.Heard(wanted, internal::FINALIZED));
  EXPECT_THAT(TransferClient(datanode->transfer_port())
                  .ReadBlock({.id = wanted}, 0, group_.units[1].size()),
              IsOkAndHolds(Eq(group_.units[1])));
  EXPECT_THAT(namenode_.failed_copies(), SizeIs(0));
}

TEST_F(RebuildCommandTest, AUnitThatCannotBeRebuiltIsToldAsAFailedCopyOfIt) {
  ASSERT_OK_AND_ASSIGN(const auto datanode, StartAt("n1"));
  ASSERT_OK(Write(datanode->transfer_port(), group_.Block(0), group_.units[0]));
  size_t told = 0;
  for (const std::vector<uint32_t>& sources :
       {std::vector<uint32_t>{0}, std::vector<uint32_t>{0, 2}}) {  // too few; unit 2 is not there
    namenode_.Order(Order(*datanode, sources));
    ++told;
    EVENTUALLY(namenode_.failed_copies().size() == told);
    const internal::FailedCopy failed = namenode_.failed_copies().back();
    EXPECT_EQ(failed.block_id(), ToInt(UnitOf(kGroup, 1)));
    EXPECT_EQ(failed.generation_stamp(), 1001u);
    EXPECT_THAT(failed.target_uuids(),
                ::testing::ElementsAre(namenode_.registrations()[0].datanode_uuid()));
    EXPECT_NE(failed.reason(), "");
    EVENTUALLY(!datanode->store().Find(UnitOf(kGroup, 1)).has_value());
  }
}

TEST_F(RebuildCommandTest, ADatanodeThatEndsGivesUpARebuildThatWaitsForASource) {
  ASSERT_OK_AND_ASSIGN(auto datanode, StartAt("n1"));
  ASSERT_OK(Write(datanode->transfer_port(), group_.Block(0), group_.units[0]));
  SilentNode silent(/*replies=*/false);
  internal::Command order = Order(*datanode, {0, 2});
  order.mutable_rebuild()->mutable_sources(1)->mutable_address()->set_transfer_port(silent.port());
  namenode_.Order(order);
  silent.WaitForBytes();
  datanode.reset();
  ASSERT_OK_AND_ASSIGN(datanode, StartAt("n1"));
  EXPECT_TRUE(datanode->store().Find(UnitOf(kGroup, 0)).has_value());
  EXPECT_FALSE(datanode->store().Find(UnitOf(kGroup, 1)).has_value());
}

// RS-3-3 without unit 1, and unit 2 is wrong.
TEST_F(RebuildCommandTest, AWrongUnitIsToldWithTheDatanodeThatHasIt) {
  constexpr BlockId kOther = MakeGroupId(8);
  CodedGroup group(kOther, {erasure::Codec::kReedSolomon, 3, 3}, 1024, 9000);
  group.units[2][1000] = static_cast<char>(group.units[2][1000] ^ 1);
  ASSERT_OK_AND_ASSIGN(const auto datanode, StartAt("n1"));
  internal::Command command = Order(*datanode, {0, 2, 3, 4, 5});
  internal::RebuildUnits& order = *command.mutable_rebuild();
  order.mutable_group()->set_block_id(ToInt(kOther));
  order.mutable_group()->set_length(group.length);
  order.set_codec("rs");
  order.set_data_units(3);
  order.set_parity_units(3);
  for (internal::RebuildUnits::Source& source : *order.mutable_sources()) {
    const uint32_t unit = source.unit();
    ASSERT_OK(Write(datanode->transfer_port(), group.Block(unit), group.units[unit]));
    source.set_datanode_uuid(absl::StrCat("dn-", unit));
  }
  namenode_.LoseHeartbeat();  // it is told again
  namenode_.Order(command);
  EVENTUALLY(namenode_.Heard(ToInt(UnitOf(kOther, 1)), internal::FINALIZED));
  EVENTUALLY(namenode_.wrong_units().size() == 1);
  const internal::WrongUnit wrong = namenode_.wrong_units()[0];
  EXPECT_EQ(wrong.block_id(), ToInt(UnitOf(kOther, 2)));
  EXPECT_EQ(wrong.generation_stamp(), 1001u);
  EXPECT_EQ(wrong.datanode_uuid(), "dn-2");
  EXPECT_THAT(wrong.reason(), ::testing::HasSubstr("at offset 1000"));
  EXPECT_THAT(namenode_.failed_copies(), SizeIs(0));
}

// RS-3-2, and unit 3 is wrong; then unit 4 is not there; then the order makes no sense.
TEST_F(RebuildCommandTest, WhatComesOfAnOrderToVerifyIsTold) {
  constexpr BlockId kOther = MakeGroupId(9);
  CodedGroup group(kOther, {erasure::Codec::kReedSolomon, 3, 2}, 1024, 9000);
  group.units[3][1000] = static_cast<char>(group.units[3][1000] ^ 1);
  ASSERT_OK_AND_ASSIGN(const auto datanode, StartAt("n1"));
  internal::Command command;
  command.mutable_verify_group()->set_number(12);
  internal::RebuildUnits& order = *command.mutable_verify_group()->mutable_group();
  order = Order(*datanode, {0, 1, 2, 3, 4}).rebuild();
  order.clear_targets();
  order.mutable_group()->set_block_id(ToInt(kOther));
  order.mutable_group()->set_length(group.length);
  order.set_codec("rs");
  order.set_data_units(3);
  order.set_parity_units(2);
  for (uint32_t unit = 0; unit < 5; ++unit) {
    ASSERT_OK(Write(datanode->transfer_port(), group.Block(unit), group.units[unit]));
  }
  namenode_.LoseHeartbeat();  // it is told again
  namenode_.Order(command);
  EVENTUALLY(namenode_.group_verdicts().size() == 1);
  const internal::GroupVerdict wrong = namenode_.group_verdicts()[0];
  EXPECT_EQ(wrong.block_id(), ToInt(kOther));
  EXPECT_EQ(wrong.generation_stamp(), 1001u);
  EXPECT_EQ(wrong.number(), 12u);
  EXPECT_EQ(wrong.result(), internal::GroupVerdict::ONE_IS_WRONG);
  EXPECT_EQ(wrong.unit(), 3u);
  EXPECT_THAT(wrong.reason(), ::testing::HasSubstr("at offset 1000"));

  ASSERT_OK(datanode->store().Invalidate(UnitOf(kOther, 4), GenerationStamp{1001}));
  namenode_.Order(command);
  EVENTUALLY(namenode_.group_verdicts().size() == 2);
  EXPECT_EQ(namenode_.group_verdicts()[1].result(), internal::GroupVerdict::COULD_NOT);
  EXPECT_THAT(namenode_.group_verdicts()[1].reason(), ::testing::HasSubstr("unit 4"));

  order.clear_sources();
  namenode_.Order(command);
  EVENTUALLY(namenode_.group_verdicts().size() == 3);
  EXPECT_EQ(namenode_.group_verdicts()[2].result(), internal::GroupVerdict::COULD_NOT);
  EXPECT_TRUE(datanode->store().Find(UnitOf(kOther, 3)).has_value()) << "nothing is done about it";
}

// ---- reports and recoveries

TEST_F(DatanodeTest, ReportRoundsTellOfUnitsBehindAllOtherReplicas) {
  constexpr uint32_t kShift = 4;
  ASSERT_OK_AND_ASSIGN(const auto datanode, StartAt("n1"));
  const uint64_t unit = ToInt(UnitOf(MakeGroupId(0x12345), 3));
  for (const uint64_t id : {unit, uint64_t{1}}) {
    ASSERT_OK(Write(datanode->transfer_port(), {.id = id}, Pattern(100)));
    EVENTUALLY(namenode_.Heard(id, internal::FINALIZED));
  }
  EVENTUALLY(namenode_.parts().size() == 1);
  internal::ReportDigestsReply differs;
  differs.add_differing(unit >> kShift);
  namenode_.WantDigests(kShift, {differs});
  namenode_.ForgetSession();
  EVENTUALLY(namenode_.parts().size() == 2);
  const internal::ReportDigestsRequest digests = namenode_.digests()[0];
  ASSERT_EQ(digests.buckets_size(), 2);
  EXPECT_EQ(digests.buckets(0).bucket(), 0u);
  EXPECT_EQ(digests.buckets(1).bucket(), unit >> kShift);
  const internal::ReportReplicasRequest part = namenode_.parts()[1];
  ASSERT_EQ(part.ranges_size(), 1);
  EXPECT_EQ(part.ranges(0).first(), unit & ~uint64_t{15});
  EXPECT_EQ(part.ranges(0).last(), unit | 15);
  ASSERT_EQ(part.replicas_size(), 1);
  EXPECT_EQ(part.replicas(0).block().block_id(), unit);
}

TEST_F(DatanodeTest, BlockRecoveryBringsAUnitOfAnotherNodeToItsLength) {
  ASSERT_OK_AND_ASSIGN(const auto one, StartAt("n1"));
  ASSERT_OK_AND_ASSIGN(const auto two, StartAt("n2"));
  const TestBlock unit{.id = ToInt(UnitOf(MakeGroupId(9), 4))};
  const std::string data = Pattern(2000);
  LeaveOpen(*two, unit, data);
  internal::Command command;
  internal::RecoverBlock& order = *command.mutable_recover();
  order.mutable_block()->set_block_id(unit.id);
  order.mutable_block()->set_generation_stamp(unit.stamp);
  order.set_new_generation_stamp(1020);
  *order.add_replicas() = TargetOf(*two, 1);
  namenode_.Order(command);
  EVENTUALLY(two->store().Find(BlockId{unit.id})->state == ReplicaState::kFinalized);
  EXPECT_THAT(
      TransferClient(two->transfer_port()).ReadBlock({.id = unit.id, .stamp = 1020}, 0, 2000),
      IsOkAndHolds(Eq(data)));
  EVENTUALLY(namenode_.Heard(unit.id, internal::FINALIZED));
}

}  // namespace
}  // namespace cairn::datanode
