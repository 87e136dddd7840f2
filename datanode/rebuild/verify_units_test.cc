// All units of a block group, read from those that hold them over real sockets: what is said of
// them.
#include "datanode/rebuild/verify_units.h"

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/clock.h"
#include "datanode/testing/rebuild_fixture.h"

namespace cairn::datanode {
namespace {

using ::testing::AllOf;
using testing::CodedGroup;
using ::testing::HasSubstr;
using testing::kCell;
using testing::RebuildFixture;
using ::testing::SizeIs;
using Result = UnitsVerdict::Result;

constexpr uint64_t kStripe = 3 * kCell;
// Several pieces of each unit, with an end inside a chunk.
constexpr uint64_t kLarge = 3 * (3 * kRebuildPieceBytes) + 5 * kCell + 77;

class VerifyUnitsTest : public RebuildFixture {
 protected:
  explicit VerifyUnitsTest(const erasure::Schema& schema = {erasure::Codec::kReedSolomon, 3, 2})
      : RebuildFixture(schema) {}

  VerifyOrder OrderOf(const CodedGroup& group, uint64_t bytes_per_second = 0) {
    std::vector<uint32_t> holding;
    for (uint32_t unit = 0; unit < schema_.units(); ++unit) {
      if (!group.units[unit].empty()) holding.push_back(unit);
    }
    return {.group = Order(group, holding, {}), .bytes_per_second = bytes_per_second};
  }
  // By a datanode that has a unit itself.
  UnitsVerdict Verify(
      const VerifyOrder& order, const std::function<bool()>& stopping = [] { return false; }) {
    testing::TestNode& by = *holders_[0];
    return boost::asio::co_spawn(by.threads.Next(), VerifyUnits(*by.context, order, stopping),
                                 boost::asio::use_future)
        .get();
  }
};

TEST_F(VerifyUnitsTest, WhatWasWrittenAgreesWhateverItsLength) {
  for (const uint64_t length :
       {uint64_t{1}, uint64_t{kCell}, uint64_t{kCell + 1}, kStripe - 1, kStripe, kStripe + 1,
        kStripe + kCell + 513, 5 * kStripe + 7, kLarge}) {
    const CodedGroup group = NewGroup(length);
    Store(group);
    const UnitsVerdict verdict = Verify(OrderOf(group));
    EXPECT_EQ(verdict.result, Result::kAgree) << length << ": " << verdict.why;
    EXPECT_EQ(verdict.why, "");
  }
}

TEST_F(VerifyUnitsTest, AWrongUnitIsNamedWhicheverItIs) {
  const uint64_t offset = kRebuildPieceBytes + 12'345;  // pieces before it are good, and after it
  for (uint32_t wrong = 0; wrong < 5; ++wrong) {
    CodedGroup group = NewGroup(kLarge);
    Spoil(group, wrong, offset);
    Store(group);
    const UnitsVerdict verdict = Verify(OrderOf(group));
    ASSERT_EQ(verdict.result, Result::kOneIsWrong) << verdict.why;
    EXPECT_EQ(verdict.unit, wrong);
    EXPECT_THAT(verdict.why, AllOf(HasSubstr(absl::StrCat("unit ", wrong, " of block group")),
                                   HasSubstr(absl::StrCat("at offset ", offset))));
  }
}

// Its other data units have no blocks, and are known to be zeros.
TEST_F(VerifyUnitsTest, AWrongUnitOfAShortGroupIsNamed) {
  for (const uint32_t wrong : {0, 3, 4}) {
    CodedGroup group = NewGroup(10);
    Spoil(group, wrong, 7);
    Store(group);
    const UnitsVerdict verdict = Verify(OrderOf(group));
    ASSERT_EQ(verdict.result, Result::kOneIsWrong) << verdict.why;
    EXPECT_EQ(verdict.unit, wrong);
  }
}

TEST_F(VerifyUnitsTest, OfTwoWrongUnitsNeitherIsNamed) {
  CodedGroup one_piece = NewGroup(kLarge);
  Spoil(one_piece, 0, 500);
  Spoil(one_piece, 2, 501);
  Store(one_piece);
  UnitsVerdict verdict = Verify(OrderOf(one_piece));
  EXPECT_EQ(verdict.result, Result::kContradict);
  EXPECT_THAT(verdict.why, AllOf(HasSubstr("at offset 500"),
                                 HasSubstr("which one cannot be told from 5 units")));

  // The first is named, and then it shows that it is not the only one.
  CodedGroup two_pieces = NewGroup(kLarge);
  Spoil(two_pieces, 0, 500);
  Spoil(two_pieces, 2, 2 * kRebuildPieceBytes);
  Store(two_pieces);
  verdict = Verify(OrderOf(two_pieces));
  EXPECT_EQ(verdict.result, Result::kContradict);
  EXPECT_THAT(verdict.why, HasSubstr("unit 0 was found wrong before"));
}

TEST_F(VerifyUnitsTest, WithoutAUnitNothingIsSaidOfTheOthers) {
  CodedGroup group = NewGroup(kLarge);
  Spoil(group, 0, 500);
  Store(group);
  ASSERT_OK(holders_[4]->store->Invalidate(UnitOf(group.group, 4), GenerationStamp{1001}));
  const UnitsVerdict verdict = Verify(OrderOf(group));
  EXPECT_EQ(verdict.result, Result::kCouldNot);
  EXPECT_THAT(verdict.why, HasSubstr(": unit 4: "));
}

TEST_F(VerifyUnitsTest, AUnitWithBadChecksumsIsNoContradictionAndItsDatanodeIsTold) {
  const CodedGroup group = NewGroup(kLarge);
  Store(group);
  Rot(*holders_[2], group.Block(2), 2 * kRebuildPieceBytes);
  const UnitsVerdict verdict = Verify(OrderOf(group));
  EXPECT_EQ(verdict.result, Result::kCouldNot);
  EXPECT_THAT(verdict.why, HasSubstr("checksum error"));
  EVENTUALLY(holders_[2]->store->Find(UnitOf(group.group, 2))->state == ReplicaState::kCorrupt);
}

TEST_F(VerifyUnitsTest, NothingIsReadFasterThanOrdered) {
  const CodedGroup group = NewGroup(kStripe);
  Store(group);
  constexpr uint64_t kRead = 5 * kCell;
  const absl::Duration begin = SystemClock().Monotonic();
  EXPECT_EQ(Verify(OrderOf(group, /*bytes_per_second=*/5 * kRead)).result, Result::kAgree);
  EXPECT_GE(SystemClock().Monotonic() - begin, absl::Milliseconds(200));
}

TEST_F(VerifyUnitsTest, ATimeInWhichLittleCameIsNotMadeUpFor) {
  const CodedGroup group = NewGroup(kLarge);
  Store(group);
  constexpr absl::Duration kStall = absl::Milliseconds(300), kPiece = absl::Milliseconds(100);
  int asked = 0;
  const std::function<bool()> stopping = [&] {
    if (++asked == 3) absl::SleepFor(kStall);  // the first piece of unit 0 has been read
    return false;
  };
  const absl::Duration begin = SystemClock().Monotonic();
  const VerifyOrder order = OrderOf(group, /*bytes_per_second=*/10 * 5 * kRebuildPieceBytes);
  EXPECT_EQ(Verify(order, stopping).result, Result::kAgree);
  EXPECT_GE(SystemClock().Monotonic() - begin, kStall + 2 * kPiece) << "for two more pieces";
}

TEST_F(VerifyUnitsTest, ItEndsAtEveryStepWhenTheDatanodeStops) {
  CodedGroup group = NewGroup(kStripe);
  Spoil(group, 1, 10);
  Store(group);
  for (int steps = 0; steps < 20; ++steps) {  // at last it waits for its pace
    int asked = 0;
    const std::function<bool()> stopping = [&] { return ++asked > steps; };
    // So slowly that it would take hours.
    const UnitsVerdict verdict = Verify(OrderOf(group, /*bytes_per_second=*/1), stopping);
    EXPECT_EQ(verdict.result, Result::kCouldNot);
    EXPECT_THAT(verdict.why, HasSubstr("stops"));
  }
}

class VerifyXorTest : public VerifyUnitsTest {
 protected:
  VerifyXorTest() : VerifyUnitsTest({erasure::Codec::kXor, 2, 1}) {}
};

TEST_F(VerifyXorTest, WithOneUnitToSpareAContradictionNamesNobody) {
  CodedGroup group = NewGroup(5 * kCell);
  Store(group);
  EXPECT_EQ(Verify(OrderOf(group)).result, Result::kAgree);
  group = NewGroup(5 * kCell);
  Spoil(group, 1, 99);
  Store(group);
  const UnitsVerdict verdict = Verify(OrderOf(group));
  EXPECT_EQ(verdict.result, Result::kContradict);
  EXPECT_THAT(verdict.why, HasSubstr("which one cannot be told from 3 units"));
}

// ---- the order

// RS-3-2 of 4 KiB cells, all units.
internal::VerifyGroup GoodVerifyOrder() {
  internal::VerifyGroup order;
  internal::RebuildUnits& group = *order.mutable_group();
  group.mutable_group()->set_block_id(ToInt(MakeGroupId(5)));
  group.mutable_group()->set_generation_stamp(1001);
  group.mutable_group()->set_length(100'000);
  group.set_codec("rs");
  group.set_data_units(3);
  group.set_parity_units(2);
  group.set_cell_bytes(4096);
  for (uint32_t unit = 0; unit < 5; ++unit) {
    internal::RebuildUnits::Source& source = *group.add_sources();
    source.set_unit(unit);
    source.mutable_address()->set_ip("10.0.0.7");
    source.mutable_address()->set_transfer_port(1000 + unit);
  }
  order.set_bytes_per_second(123);
  order.set_number(12);
  return order;
}

TEST(VerifyOrderTest, AllUnitsThatHoldBytesHaveToBeThereOnce) {
  ASSERT_OK_AND_ASSIGN(const VerifyOrder good, CheckVerify(GoodVerifyOrder()));
  EXPECT_EQ(good.bytes_per_second, 123u);
  EXPECT_EQ(good.group.group_bytes, 100'000u);
  EXPECT_THAT(good.group.sources, SizeIs(5));

  const auto refused = [](const std::function<void(internal::RebuildUnits&)>& spoil) {
    internal::VerifyGroup order = GoodVerifyOrder();
    spoil(*order.mutable_group());
    return absl::IsInvalidArgument(CheckVerify(order).status());
  };
  using Order = internal::RebuildUnits;
  EXPECT_FALSE(refused([](Order&) {}));
  EXPECT_TRUE(refused([](Order& o) { o.clear_group(); }));
  EXPECT_TRUE(refused([](Order& o) { o.mutable_sources()->RemoveLast(); }));
  EXPECT_TRUE(refused([](Order& o) { o.mutable_sources(4)->set_unit(3); })) << "named twice";
  EXPECT_TRUE(refused([](Order& o) { o.mutable_sources(4)->set_unit(5); }));
  EXPECT_TRUE(refused([](Order& o) { o.mutable_group()->set_length(10); })) << "two are empty";
  EXPECT_TRUE(refused([](Order& o) {
    o.mutable_cut_from()->set_block_id(ToInt(MakeGroupId(4)));
    o.mutable_cut_from()->set_generation_stamp(900);
    o.mutable_cut_from()->set_length(200'000);
  }));
}

TEST(VerifyOrderTest, AVerdictIsToldOfGroupsAlone) {
  internal::VerifyGroup order = GoodVerifyOrder();
  const UnitsVerdict verdict{.result = Result::kOneIsWrong, .unit = 3, .why = "it differs"};
  const auto told = VerdictOf(order, verdict);
  ASSERT_TRUE(told.has_value());
  EXPECT_EQ(told->block_id(), ToInt(MakeGroupId(5)));
  EXPECT_EQ(told->generation_stamp(), 1001u);
  EXPECT_EQ(told->number(), 12u);
  EXPECT_EQ(told->result(), internal::GroupVerdict::ONE_IS_WRONG);
  EXPECT_EQ(told->unit(), 3u);
  order.mutable_group()->mutable_group()->set_block_id(ToInt(MakeGroupId(5)) + 1);
  EXPECT_FALSE(VerdictOf(order, verdict).has_value());
  order.mutable_group()->mutable_group()->set_block_id(7);
  EXPECT_FALSE(VerdictOf(order, verdict).has_value());
}

}  // namespace
}  // namespace cairn::datanode
