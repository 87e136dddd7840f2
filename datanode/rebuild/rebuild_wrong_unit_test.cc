// Groups of which a unit matches its checksums and is wrong: with two units to spare it is found.
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "datanode/testing/rebuild_fixture.h"

namespace cairn::datanode {
namespace {

using ::testing::AllOf;
using testing::CodedGroup;
using ::testing::Each;
using ::testing::HasSubstr;
using testing::kCell;
using testing::RebuildFixture;

constexpr uint64_t kStripe = 3 * kCell;
// Several pieces of each unit, with an end inside a chunk.
constexpr uint64_t kLarge = 3 * (3 * kRebuildPieceBytes) + 5 * kCell + 77;

// RS-3-3; unit 1 is lost. Of the others 0, 2 and 3 are used, 4 is compared with, and 5 is left.
class RebuildWrongUnitTest : public RebuildFixture {
 protected:
  RebuildWrongUnitTest() : RebuildFixture({erasure::Codec::kReedSolomon, 3, 3}) {}

  RebuildOrder Order(const CodedGroup& group) {
    return RebuildFixture::Order(group, {0, 2, 3, 4, 5}, {1});
  }
  void ExpectRefused(const RebuildOutcome& outcome, const std::string& why) {
    EXPECT_THAT(outcome.targets, Each(StatusIs(absl::StatusCode::kDataLoss,
                                               AllOf(HasSubstr("block group"), HasSubstr(why)))));
    EXPECT_FALSE(outcome.wrong.has_value());
    ExpectNothingRegistered();
  }
};

TEST_F(RebuildWrongUnitTest, AWrongUnitIsNamedAndTheRebuildGoesOnWithoutIt) {
  const uint64_t offset = kRebuildPieceBytes + 12'345;  // pieces before it are good, and after it
  for (const uint32_t wrong : {0, 2, 3, 4}) {
    CodedGroup group = NewGroup(kLarge);
    Spoil(group, wrong, offset);
    Store(group);
    const RebuildOutcome outcome = RunWhole(Order(group));
    EXPECT_THAT(outcome.targets, Each(absl::OkStatus()));
    ExpectRebuilt(target_, group, 1);
    ASSERT_TRUE(outcome.wrong.has_value());
    EXPECT_EQ(outcome.wrong->unit, wrong);
    EXPECT_THAT(outcome.wrong->why,
                AllOf(HasSubstr(absl::StrCat("unit ", wrong, " of block group")),
                      HasSubstr(absl::StrCat("at offset ", offset))));
  }
}

TEST_F(RebuildWrongUnitTest, AUnitThatIsWrongAllOverIsNamedAtItsFirstPiece) {
  CodedGroup group = NewGroup(kLarge);
  for (uint64_t offset = 0; offset < group.units[3].size(); offset += 5000) Spoil(group, 3, offset);
  Store(group);
  const RebuildOutcome outcome = RunWhole(Order(group));
  EXPECT_THAT(outcome.targets, Each(absl::OkStatus()));
  ExpectRebuilt(target_, group, 1);
  ASSERT_TRUE(outcome.wrong.has_value());
  EXPECT_EQ(outcome.wrong->unit, 3u);
}

// Its other data units have no blocks, and are known to be zeros.
TEST_F(RebuildWrongUnitTest, AWrongUnitOfAShortGroupIsNamed) {
  for (const uint32_t wrong : {3, 4, 5}) {
    CodedGroup group = NewGroup(10);
    Spoil(group, wrong, 7);
    Store(group);
    const RebuildOutcome outcome = RunWhole(RebuildFixture::Order(group, {3, 4, 5}, {0}));
    EXPECT_THAT(outcome.targets, Each(absl::OkStatus()));
    ExpectRebuilt(target_, group, 0);
    if (wrong == 5) {
      EXPECT_FALSE(outcome.wrong.has_value()) << "nobody had to read it";
    } else {
      ASSERT_TRUE(outcome.wrong.has_value());
      EXPECT_EQ(outcome.wrong->unit, wrong);
    }
  }
}

TEST_F(RebuildWrongUnitTest, TwoWrongUnitsNameNobodyAndNothingIsRegistered) {
  CodedGroup one_piece = NewGroup(kLarge);
  Spoil(one_piece, 0, 500);
  Spoil(one_piece, 2, 501);
  Store(one_piece);
  ExpectRefused(RunWhole(Order(one_piece)), "cannot be told from 5 units");

  // The first is named, and then it shows that it is not the only one.
  CodedGroup two_pieces = NewGroup(kLarge);
  Spoil(two_pieces, 0, 500);
  Spoil(two_pieces, 2, 2 * kRebuildPieceBytes);
  Store(two_pieces);
  ExpectRefused(RunWhole(Order(two_pieces)), "unit 0 was found wrong before");
}

TEST_F(RebuildWrongUnitTest, AUnitThatCannotBeReadHelpsNobody) {
  CodedGroup group = NewGroup(kLarge);
  Spoil(group, 2, 500);
  Store(group);
  RebuildOrder order = Order(group);
  order.sources[4].address.port = NewNode("gone")->port();
  ExpectRefused(RunWhole(order), "cannot be told from 4 units");
}

// What is rebuilt beside a wrong unit is compared to its end.
TEST_F(RebuildWrongUnitTest, WithoutOneToCompareWithNothingIsRegisteredBesideAWrongUnit) {
  for (const uint32_t fails : {4, 5}) {  // used by then, and compared with
    CodedGroup group = NewGroup(kLarge);
    Spoil(group, 0, 500);
    Store(group);
    Rot(*holders_[fails], group.Block(fails), 2 * kRebuildPieceBytes);
    ExpectRefused(RunWhole(Order(group)), "one to compare with, since unit 0 is wrong");
  }
}

// As if it was this machine's memory that had changed them.
TEST_F(RebuildWrongUnitTest, AUnitThatHasOtherBytesWhenItIsReadAgainIsNotNamed) {
  bool saw_other_bytes = false;
  for (int steps = 0;; ++steps) {
    const CodedGroup right = NewGroup(kStripe);  // one piece
    CodedGroup group = right;
    Spoil(group, 2, 100);
    Store(group);
    int asked = 0;
    const RebuildOutcome outcome = RunWhole(rebuilder_, Order(group), [&] {
      if (++asked != steps + 1) return false;
      EXPECT_OK(holders_[2]->store->Invalidate(UnitOf(group.group, 2), GenerationStamp{1001}));
      EXPECT_OK(Write({holders_[2].get()}, right.Block(2), right.units[2]));
      return false;
    });
    if (outcome.targets[0].ok()) {
      ExpectRebuilt(target_, right, 1);
      ASSERT_OK(target_.store->Invalidate(UnitOf(right.group, 1), GenerationStamp{1001}));
    } else {
      EXPECT_THAT(outcome.targets,
                  Each(StatusIs(absl::StatusCode::kDataLoss, HasSubstr("it has other bytes"))));
      EXPECT_FALSE(outcome.wrong.has_value());
      saw_other_bytes = true;
    }
    if (asked <= steps) break;
  }
  EXPECT_TRUE(saw_other_bytes);
}

}  // namespace
}  // namespace cairn::datanode
