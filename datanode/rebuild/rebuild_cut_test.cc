// The beginning of a block group written as a group of its own, over real sockets.
#include "absl/strings/str_cat.h"
#include "datanode/rebuild/rebuild.h"
#include "datanode/testing/rebuild_fixture.h"

namespace cairn::datanode {
namespace {

using ::testing::AllOf;
using testing::CodedGroup;
using ::testing::Each;
using ::testing::HasSubstr;
using testing::kCell;
using testing::RebuildFixture;

constexpr erasure::Schema kSchema{erasure::Codec::kReedSolomon, 3, 2};
constexpr uint64_t kStripe = 3 * kCell;

class RebuildCutTest : public RebuildFixture {
 protected:
  RebuildCutTest() : RebuildFixture(kSchema) {}

  // The group of the first bytes of `whole`, with an id of its own.
  CodedGroup Beginning(const CodedGroup& whole, uint64_t length) {
    CodedGroup group(whole.group, schema_, whole.layout.cell_bytes(), length);
    group.group = MakeGroupId(++groups_);
    return group;
  }
  // All of its units.
  static std::vector<uint32_t> UnitsOf(const CodedGroup& group) {
    std::vector<uint32_t> units;
    for (uint32_t unit = 0; unit < group.units.size(); ++unit) {
      if (!group.units[unit].empty()) units.push_back(unit);
    }
    return units;
  }
  RebuildOrder CutOrder(const CodedGroup& whole, const std::vector<uint32_t>& sources,
                        const CodedGroup& beginning) {
    RebuildOrder order = Order(whole, sources, UnitsOf(beginning));
    order.cut_from = {.group = whole.group, .stamp = order.stamp, .bytes = whole.length};
    order.group = beginning.group;
    order.group_bytes = beginning.length;
    return order;
  }
  void ExpectWritten(const CodedGroup& beginning) {
    for (const uint32_t unit : UnitsOf(beginning)) ExpectRebuilt(target_, beginning, unit);
  }
};

TEST_F(RebuildCutTest, EveryBeginningHasTheBytesAndParityOfAGroupThatWasWrittenSo) {
  for (const uint64_t length : {uint64_t{2}, uint64_t{kCell} + 1, kStripe, kStripe + kCell + 513,
                                3 * kStripe - 1, 5 * kStripe + 7}) {
    const CodedGroup whole = NewGroup(length);
    Store(whole);
    for (const uint64_t cut : {uint64_t{1}, uint64_t{511}, uint64_t{kCell}, uint64_t{kCell} + 1,
                               2 * kStripe, 2 * kStripe + kCell + 100, length - 1}) {
      if (cut >= length) continue;
      SCOPED_TRACE(absl::StrCat(cut, " of ", length));
      const CodedGroup beginning = Beginning(whole, cut);
      ASSERT_THAT(Run(CutOrder(whole, UnitsOf(whole), beginning)), Each(absl::OkStatus()));
      ExpectWritten(beginning);
    }
  }
}

// What is lost of the longer group is computed with bytes that do not stay.
TEST_F(RebuildCutTest, WhicheverUnitsOfTheLongerGroupAreLostTheBeginningIsTheSame) {
  const CodedGroup whole = NewGroup(3 * kStripe - 77);
  Store(whole);
  for (const uint64_t cut : {uint64_t{100}, 2 * kStripe + 5, 2 * kStripe + 2 * kCell + 9}) {
    for (const uint32_t first : UnitsOf(whole)) {
      for (const uint32_t second : UnitsOf(whole)) {
        std::vector<uint32_t> left = UnitsOf(whole);
        std::erase(left, first);
        std::erase(left, second);
        SCOPED_TRACE(absl::StrCat(cut, " without ", first, " and ", second));
        const CodedGroup beginning = Beginning(whole, cut);
        ASSERT_THAT(Run(CutOrder(whole, left, beginning)), Each(absl::OkStatus()));
        ExpectWritten(beginning);
      }
    }
  }
}

TEST_F(RebuildCutTest, AGroupOfManyPiecesIsCutInItsLastOne) {
  const CodedGroup whole = NewGroup(3 * (3 * kRebuildPieceBytes) + 5 * kCell + 77);
  Store(whole);
  for (const uint64_t cut :
       {uint64_t{3 * kRebuildPieceBytes}, 2 * (3 * kRebuildPieceBytes) + kCell + 99}) {
    const CodedGroup beginning = Beginning(whole, cut);
    ASSERT_THAT(Run(CutOrder(whole, {1, 2, 3, 4}, beginning)), Each(absl::OkStatus()));
    ExpectWritten(beginning);
  }
}

TEST_F(RebuildCutTest, ASourceThatIsAwayOrRottenGivesWay) {
  const CodedGroup whole = NewGroup(5 * kStripe);
  Store(whole);
  Rot(*holders_[1], whole.Block(1), 700);
  const CodedGroup beginning = Beginning(whole, kStripe + 50);
  RebuildOrder order = CutOrder(whole, {0, 1, 2, 3, 4}, beginning);
  order.sources[0].address.port = NewNode("gone")->port();
  ASSERT_THAT(Run(order), Each(absl::OkStatus()));
  ExpectWritten(beginning);
}

// A byte that matches its checksum and contradicts the others is not handed on.
TEST_F(RebuildCutTest, WhereUnitsContradictEachOtherNothingIsWritten) {
  for (const uint32_t wrong : {0, 2, 4}) {
    CodedGroup whole = NewGroup(2 * kStripe);
    Spoil(whole, wrong, 50);
    Store(whole);
    EXPECT_THAT(
        Run(CutOrder(whole, {0, 1, 2, 4}, Beginning(whole, kCell + 10))),
        Each(StatusIs(absl::StatusCode::kDataLoss,
                      AllOf(HasSubstr(absl::StrCat("the beginning of ", ToSigned(whole.group))),
                            HasSubstr("at offset 50")))));
    ExpectNothingRegistered();
  }
}

TEST_F(RebuildCutTest, AUnitThatIsFoundWrongIsLeftOutAndNotReportedForItsBeginning) {
  CodedGroup whole = NewGroup(2 * kStripe);
  Spoil(whole, 1, 50);
  Store(whole);
  const CodedGroup beginning = Beginning(whole, kCell);  // of which unit 1 has nothing
  const RebuildOutcome outcome = RunWhole(CutOrder(whole, {0, 1, 2, 3, 4}, beginning));
  EXPECT_THAT(outcome.targets, Each(absl::OkStatus()));
  EXPECT_FALSE(outcome.wrong.has_value());
  ExpectWritten(beginning);
}

}  // namespace
}  // namespace cairn::datanode
