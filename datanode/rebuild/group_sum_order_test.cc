#include "datanode/rebuild/group_sum_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "common/testing/status_matchers.h"

namespace cairn::datanode {
namespace {

using Op = hdfs::OpBlockGroupChecksumProto;
using ::testing::SizeIs;

void AddHolder(uint32_t unit, uint32_t port, Op* op) {
  hdfs::DatanodeIDProto* const node = op->mutable_datanodes()->add_datanodes()->mutable_id();
  node->set_ipaddr("10.0.0.7");
  node->set_xferport(port);
  op->add_blockindices(unit);
  op->add_blocktokens()->set_identifier("token");
}

// RS-3-2 of 4 KiB cells, 100,000 bytes, of which the first 50,000 are wanted.
Op GoodOp() {
  Op op;
  op.mutable_header()->mutable_block()->set_blockid(ToInt(MakeGroupId(5)));
  op.mutable_header()->mutable_block()->set_generationstamp(1001);
  op.mutable_header()->mutable_block()->set_numbytes(100'000);
  op.mutable_ecpolicy()->set_id(65);
  op.mutable_ecpolicy()->set_cellsize(4096);
  op.mutable_ecpolicy()->mutable_schema()->set_codecname("rs");
  op.mutable_ecpolicy()->mutable_schema()->set_dataunits(3);
  op.mutable_ecpolicy()->mutable_schema()->set_parityunits(2);
  op.set_requestednumbytes(50'000);
  op.mutable_blockchecksumoptions()->set_blockchecksumtype(hdfs::COMPOSITE_CRC);
  for (const uint32_t unit : {0, 1, 4}) AddHolder(unit, 1000 + unit, &op);
  return op;
}

TEST(GroupSumOrderTest, WhatMakesSensePassesWholly) {
  Op op = GoodOp();
  AddHolder(4, 2000, &op);  // a unit in two places
  ASSERT_OK_AND_ASSIGN(const GroupSumOrder order, CheckGroupSum(op));
  EXPECT_EQ(order.group.group, MakeGroupId(5));
  EXPECT_EQ(order.group.stamp, GenerationStamp{1001});
  EXPECT_EQ(order.group.group_bytes, 100'000u);
  EXPECT_EQ(order.covered_bytes, 50'000u);
  EXPECT_TRUE(order.composite);
  ASSERT_THAT(order.holders, SizeIs(5));
  EXPECT_THAT(order.holders[2], SizeIs(0));
  ASSERT_THAT(order.holders[4], SizeIs(2));
  EXPECT_EQ(order.holders[4][1].address.ip, "10.0.0.7");
  EXPECT_EQ(order.holders[4][1].address.port, 2000);
  EXPECT_EQ(order.holders[4][1].token.identifier(), "token");
  // 12 whole cells and 848 bytes of the first unit's fifth.
  EXPECT_EQ(order.CoveredBytes(0), 4 * 4096u + 848);
  EXPECT_EQ(order.SumBytes(0), 5 * 4u);
  EXPECT_EQ(order.SumBytes(1), 4 * 4u);
  op.mutable_blockchecksumoptions()->set_blockchecksumtype(hdfs::MD5CRC);
  ASSERT_OK_AND_ASSIGN(const GroupSumOrder md5, CheckGroupSum(op));
  EXPECT_FALSE(md5.composite);
  EXPECT_EQ(md5.SumBytes(0), 16u);
}

TEST(GroupSumOrderTest, WithoutTokensTheyAreEmpty) {
  Op op = GoodOp();
  op.clear_blocktokens();
  ASSERT_OK_AND_ASSIGN(const GroupSumOrder order, CheckGroupSum(op));
  EXPECT_EQ(order.holders[0][0].token.identifier(), "");
}

TEST(GroupSumOrderTest, WhatMakesNoSenseIsRefused) {
  const auto refuses = [](const std::function<void(Op&)>& change) {
    Op op = GoodOp();
    change(op);
    EXPECT_THAT(CheckGroupSum(op), StatusIs(absl::StatusCode::kInvalidArgument))
        << op.ShortDebugString();
  };
  const auto block = [](Op& op) { return op.mutable_header()->mutable_block(); };
  refuses([&](Op& op) { block(op)->set_blockid(1); });
  refuses([&](Op& op) { block(op)->set_blockid(ToInt(UnitOf(MakeGroupId(5), 1))); });
  refuses([&](Op& op) { block(op)->set_numbytes(0); });
  refuses([&](Op& op) { block(op)->set_numbytes(UINT64_MAX); });
  refuses([&](Op& op) { block(op)->set_numbytes(49'999); });
  refuses([](Op& op) { op.set_requestednumbytes(0); });
  refuses([](Op& op) { op.set_requestednumbytes(UINT64_MAX); });
  refuses([](Op& op) { op.mutable_ecpolicy()->mutable_schema()->set_dataunits(0); });
  refuses([](Op& op) { op.mutable_ecpolicy()->mutable_schema()->set_dataunits(0xffffffff); });
  refuses([](Op& op) { op.mutable_ecpolicy()->mutable_schema()->set_parityunits(14); });
  refuses([](Op& op) { op.mutable_ecpolicy()->set_cellsize(0); });
  refuses([](Op& op) { op.mutable_ecpolicy()->set_cellsize(0xfffffc00); });
  refuses([](Op& op) { op.set_blockindices(1, 5); });
  refuses([](Op& op) { op.set_blockindices(1, UINT32_MAX); });
  refuses([](Op& op) { op.add_blockindices(2); });
  refuses([](Op& op) { op.add_blocktokens(); });
  const auto node = [](Op& op) {
    return op.mutable_datanodes()->mutable_datanodes(2)->mutable_id();
  };
  refuses([&](Op& op) { node(op)->set_ipaddr("a.name"); });
  refuses([&](Op& op) { node(op)->set_xferport(0); });
  refuses([&](Op& op) { node(op)->set_xferport(65536); });
  refuses([](Op& op) {
    for (int i = 0; i < 62; ++i) AddHolder(3, 1003, &op);
  });
  // An answer of a unit's datanode has no room for so many cells.
  refuses([&](Op& op) {
    block(op)->set_numbytes(uint64_t{1} << 40);
    op.set_requestednumbytes(uint64_t{1} << 40);
  });
}

// The sums of cells are in memory until the last unit has told its own, for each client that asks.
TEST(GroupSumOrderTest, AllUnitsSumsAreAMegabyteTogetherAtMost) {
  Op op = GoodOp();
  const uint64_t most = uint64_t{(1 << 20) / 3 / 4} * 3 * 4096;
  const auto ask_for = [&op](uint64_t bytes) {
    op.mutable_header()->mutable_block()->set_numbytes(bytes);
    op.set_requestednumbytes(bytes);
    return CheckGroupSum(op).status();
  };
  EXPECT_OK(ask_for(most));
  EXPECT_THAT(ask_for(most + 1), StatusIs(absl::StatusCode::kInvalidArgument));
  op.mutable_blockchecksumoptions()->set_blockchecksumtype(hdfs::MD5CRC);
  EXPECT_OK(ask_for(most + 1));
}

TEST(GroupSumOrderTest, APolicyThatIsNotKnownIsToldFromNonsense) {
  Op op = GoodOp();
  op.mutable_ecpolicy()->clear_schema();
  EXPECT_THAT(CheckGroupSum(op), StatusIs(absl::StatusCode::kUnimplemented));
}

}  // namespace
}  // namespace cairn::datanode
