// Units rebuilt from those that several datanodes hold, over real sockets.
#include "datanode/rebuild/rebuild.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "datanode/testing/rebuild_fixture.h"

namespace cairn::datanode {
namespace {

using ::testing::AllOf;
using testing::CodedGroup;
using ::testing::Each;
using ::testing::HasSubstr;
using testing::kCell;
using testing::RebuildFixture;
using testing::SilentNode;
using ::testing::SizeIs;

constexpr erasure::Schema kSchema{erasure::Codec::kReedSolomon, 3, 2};
constexpr uint32_t kUnits = 5;
constexpr uint64_t kStripe = 3 * kCell;
// Several pieces of each unit, with an end inside a chunk.
constexpr uint64_t kLarge = 3 * (3 * kRebuildPieceBytes) + 5 * kCell + 77;

class RebuildTest : public RebuildFixture {
 protected:
  RebuildTest() : RebuildFixture(kSchema) {}
};

TEST_F(RebuildTest, EverySingleAndDoubleLossComesBackByteEqualWhateverTheLength) {
  for (const uint64_t length : {uint64_t{1}, uint64_t{511}, uint64_t{kCell - 1}, uint64_t{kCell},
                                uint64_t{kCell + 1}, uint64_t{2 * kCell}, kStripe - 1, kStripe,
                                kStripe + 1, kStripe + kCell + 513, 2 * kStripe, 5 * kStripe + 7}) {
    const CodedGroup group = NewGroup(length);
    Store(group);
    std::vector<uint32_t> existing;
    for (uint32_t unit = 0; unit < kUnits; ++unit) {
      if (!group.units[unit].empty()) existing.push_back(unit);
    }
    for (const uint32_t first : existing) {
      for (const uint32_t second : existing) {
        if (second < first) continue;
        const std::set<uint32_t> lost = {first, second};
        std::vector<uint32_t> left;
        for (const uint32_t unit : existing) {
          if (!lost.contains(unit)) left.push_back(unit);
        }
        const std::vector<uint32_t> wanted(lost.begin(), lost.end());
        ASSERT_THAT(Run(Order(group, left, wanted)), Each(absl::OkStatus()));
        for (const uint32_t unit : wanted) {
          ExpectRebuilt(target_, group, unit);
          ASSERT_OK(target_.store->Invalidate(UnitOf(group.group, unit), GenerationStamp{1001}));
        }
      }
    }
  }
}

TEST_F(RebuildTest, UnitsOfManyPiecesComeBackInWhateverOrderTheyAreNamed) {
  for (const uint32_t cell : {uint32_t{1024}, uint32_t{65536}, uint32_t{1} << 20}) {
    const CodedGroup group = NewGroup(kLarge, cell);
    Store(group);
    ASSERT_THAT(Run(Order(group, {4, 0, 2}, {3, 1})), Each(absl::OkStatus()));
    ExpectRebuilt(target_, group, 1);
    ExpectRebuilt(target_, group, 3);
  }
}

TEST_F(RebuildTest, ADatanodeRebuildsFromItsOwnUnitsAndForItself) {
  const CodedGroup group = NewGroup(kLarge);
  Store(group);
  RebuildOrder order = Order(group, {0, 1, 2}, {4});
  order.targets[0].address = AddressOf(*holders_[0]);
  ASSERT_THAT(Run(*holders_[0], order), Each(absl::OkStatus()));
  ExpectRebuilt(*holders_[0], group, 4);
}

// As the other units have them, so that checksums of the file can be put together.
TEST_F(RebuildTest, ARebuiltUnitHasChunksLikeItsSources) {
  const CodedGroup group = NewGroup(kLarge);
  for (const uint32_t unit : {0, 1, 2}) {
    auto op = testing::WriteOp(group.Block(unit));
    op.mutable_requestedchecksum()->set_bytesperchecksum(1000);
    testing::TransferClient client(holders_[unit]->port());
    client.checksum = transfer::DataChecksum(transfer::ChecksumType::kCrc32c, 1000);
    SetUp(client, op);
    ASSERT_OK(client.WriteRest(0, group.units[unit], /*packet_bytes=*/65'000));
  }
  ASSERT_THAT(Run(Order(group, {0, 1, 2}, {3})), Each(absl::OkStatus()));
  ExpectRebuilt(target_, group, 3);
  ASSERT_OK_AND_ASSIGN(const ReplicaReader reader,
                       target_.store->OpenForRead(UnitOf(group.group, 3), GenerationStamp{0}));
  EXPECT_EQ(reader.checksum.bytes_per_checksum(), 1000u);
}

// The checksums are right: the disk, the network and the writer's memory behind them were not. One
// unit more than is needed tells, whichever of them it is.
TEST_F(RebuildTest, AWrongByteWithARightChecksumIsCaughtByOneMoreSourceAndNothingIsRegistered) {
  const uint64_t offset = 2 * kRebuildPieceBytes + 12'345;  // pieces before it are good
  for (const uint32_t wrong : {0, 4}) {
    CodedGroup group = NewGroup(kLarge);
    Spoil(group, wrong, offset);
    Store(group);
    const std::vector<absl::Status> outcomes = Run(Order(group, {0, 2, 3, 4}, {1}));
    ASSERT_THAT(outcomes, SizeIs(1));
    EXPECT_THAT(outcomes[0],
                StatusIs(absl::StatusCode::kDataLoss,
                         AllOf(HasSubstr(absl::StrCat("block group ", ToSigned(group.group))),
                               HasSubstr("unit 4 is not what units 0, 2, 3 say"),
                               HasSubstr(absl::StrCat("at offset ", offset)),
                               HasSubstr("which one cannot be told from 4 units"))));
    ExpectNothingRegistered();
  }
}

// With no unit to compare with a wrong byte passes, except where the group has none.
TEST_F(RebuildTest, WithJustEnoughSourcesOnlyBytesBeyondAUnitsEndTell) {
  CodedGroup group = NewGroup(kStripe + 100);  // its last stripe has 100 bytes, all of unit 0
  Spoil(group, 3, kCell + 50);
  Store(group);
  const std::vector<absl::Status> outcomes = Run(Order(group, {0, 3, 4}, {1}));
  EXPECT_THAT(outcomes, Each(StatusIs(absl::StatusCode::kDataLoss,
                                      AllOf(HasSubstr("unit 1 of 4096 bytes"),
                                            HasSubstr("at offset 4146"), HasSubstr("0, 3, 4")))));
  ExpectNothingRegistered();

  CodedGroup blind = NewGroup(kStripe);
  Spoil(blind, 3, 50);
  Store(blind);
  EXPECT_THAT(Run(Order(blind, {0, 3, 4}, {1})), Each(absl::OkStatus()));
}

TEST_F(RebuildTest, ASourceThatDoesNotMatchItsChecksumsGivesWayAndIsCondemnedByItsDatanode) {
  const CodedGroup group = NewGroup(kLarge);
  Store(group);
  Rot(*holders_[0], group.Block(0), 2 * kRebuildPieceBytes + 700);
  // The one that was to be compared with takes its place.
  ASSERT_THAT(Run(Order(group, {0, 2, 3, 4}, {1})), Each(absl::OkStatus()));
  ExpectRebuilt(target_, group, 1);
  EVENTUALLY(holders_[0]->store->Find(UnitOf(group.group, 0))->state == ReplicaState::kCorrupt);
  for (const uint32_t unit : {2, 3, 4}) {
    EXPECT_EQ(holders_[unit]->store->Find(UnitOf(group.group, unit))->state,
              ReplicaState::kFinalized);
  }
}

TEST_F(RebuildTest, ABadSourceThatWasOnlyToBeComparedWithIsDoneWithout) {
  const CodedGroup group = NewGroup(kLarge);
  Store(group);
  Rot(*holders_[4], group.Block(4), 10);
  ASSERT_THAT(Run(Order(group, {0, 2, 3, 4}, {1})), Each(absl::OkStatus()));
  ExpectRebuilt(target_, group, 1);
  EVENTUALLY(holders_[4]->store->Find(UnitOf(group.group, 4))->state == ReplicaState::kCorrupt);
}

TEST_F(RebuildTest, ASourceOfAnotherLengthGivesWay) {
  for (const bool longer : {false, true}) {
    CodedGroup group = NewGroup(kLarge);
    std::string& unit = group.units[2];  // it ends inside a chunk
    const std::string good = unit;
    if (longer) {
      unit.back() = static_cast<char>(unit.back() ^ 1);
      unit += "x";
    } else {
      unit.pop_back();
    }
    Store(group);
    unit = good;
    ASSERT_THAT(Run(Order(group, {2, 0, 3, 4}, {1})), Each(absl::OkStatus()));
    ExpectRebuilt(target_, group, 1);
  }
}

TEST_F(RebuildTest, ASourceThatIsAwayOrHasNotGotTheUnitGivesWay) {
  const CodedGroup group = NewGroup(kLarge);
  for (const uint32_t unit : {0, 3, 4}) {
    ASSERT_OK(Write({holders_[unit].get()}, group.Block(unit), group.units[unit]));
  }
  RebuildOrder order = Order(group, {0, 2, 3, 4}, {1});
  ASSERT_THAT(Run(order), Each(absl::OkStatus()));
  ExpectRebuilt(target_, group, 1);
  ASSERT_OK(target_.store->Invalidate(UnitOf(group.group, 1), GenerationStamp{1001}));
  order.sources[1].address.port = NewNode("gone")->port();
  ASSERT_THAT(Run(order), Each(absl::OkStatus()));
  ExpectRebuilt(target_, group, 1);
}

TEST_F(RebuildTest, ASourceThatAnswersWithoutChecksumsGivesWay) {
  const CodedGroup group = NewGroup(kLarge);
  Store(group);
  const SilentNode nonsense(/*replies=*/true);
  RebuildOrder order = Order(group, {0, 2, 3, 4}, {1});
  order.sources[0].address.port = nonsense.port();
  ASSERT_THAT(Run(order), Each(absl::OkStatus()));
  ExpectRebuilt(target_, group, 1);
}

TEST_F(RebuildTest, ASilentSourceGivesWay) {
  const CodedGroup group = NewGroup(kLarge);
  Store(group);
  const SilentNode silent(/*replies=*/false);
  RebuildOrder order = Order(group, {0, 2, 3, 4}, {1});
  order.sources[1].address.port = silent.port();
  order.sources[1].address.patience = absl::Seconds(1);
  ASSERT_THAT(Run(order), Each(absl::OkStatus()));
  ExpectRebuilt(target_, group, 1);
}

TEST_F(RebuildTest, WithTooFewSourcesLeftEveryTargetIsToldAndNothingIsRegistered) {
  const CodedGroup group = NewGroup(kLarge);
  Store(group);
  Rot(*holders_[4], group.Block(4), 2 * kRebuildPieceBytes);
  const std::vector<absl::Status> outcomes = Run(Order(group, {0, 2, 4}, {1, 3}));
  ASSERT_THAT(outcomes, SizeIs(2));
  EXPECT_THAT(outcomes, Each(StatusIs(absl::StatusCode::kDataLoss,
                                      AllOf(HasSubstr("unit 4"), HasSubstr("3 are needed")))));
  ExpectNothingRegistered();
}

TEST_F(RebuildTest, ATargetThatRefusesLeavesTheOthers) {
  const CodedGroup group = NewGroup(kLarge);
  Store(group);
  RebuildOrder order = Order(group, {0, 2, 4}, {1, 3});
  order.targets[0].address = AddressOf(*holders_[1]);  // it has that unit
  const std::vector<absl::Status> outcomes = Run(order);
  ASSERT_THAT(outcomes, SizeIs(2));
  EXPECT_FALSE(outcomes[0].ok());
  EXPECT_OK(outcomes[1]);
  ExpectRebuilt(target_, group, 3);
  ExpectRebuilt(*holders_[1], group, 1);
}

TEST_F(RebuildTest, ADatanodeThatStopsGivesItUpAtWhateverStep) {
  const CodedGroup group = NewGroup(kStripe);  // one piece
  Store(group);
  const RebuildOrder order = Order(group, {0, 2, 3, 4}, {1});
  int steps = 0;
  while (true) {
    int asked = 0;
    const auto outcomes = Run(rebuilder_, order, [&] { return ++asked > steps; });
    if (outcomes[0].ok()) break;
    EXPECT_THAT(outcomes, Each(StatusIs(absl::StatusCode::kCancelled))) << "after " << steps;
    ExpectNothingRegistered();
    ++steps;
  }
  EXPECT_EQ(steps, 7) << "the target, the piece, each of four sources, the end";
}

TEST_F(RebuildTest, ADatanodeThatStopsLooksForNoOtherSource) {
  const CodedGroup group = NewGroup(kStripe);
  Store(group);
  RebuildOrder order = Order(group, {0, 2, 3, 4}, {1});
  order.sources[0].address.port = NewNode("gone")->port();
  EXPECT_THAT(Run(rebuilder_, order, [] { return true; }),
              Each(StatusIs(absl::StatusCode::kCancelled)));
}

// The limits of these waits are a minute and ten; a server's destructor waits for what runs.
TEST_F(RebuildTest, AServersEndCutsWhatARebuildWaitsFor) {
  for (const bool source_is_silent : {true, false}) {
    const CodedGroup group = NewGroup(kStripe);
    Store(group);
    SilentNode silent(/*replies=*/false);
    RebuildOrder order = Order(group, {0, 2, 3, 4}, {1});
    (source_is_silent ? order.sources[1].address : order.targets[0].address).port = silent.port();
    const auto node = NewNode(absl::StrCat("ends", source_is_silent));
    std::vector<absl::Status> outcomes;
    node->server->Run([&]() -> awaitable<void> {
      outcomes = (co_await RebuildUnits(*node->context, order, [] { return false; })).targets;
    });
    silent.WaitForBytes();
    node->server.reset();
    ASSERT_THAT(outcomes, SizeIs(1));
    EXPECT_FALSE(outcomes[0].ok());
  }
  ExpectNothingRegistered();
}

TEST_F(RebuildTest, ARebuildCountsAsATransferUntilItEnds) {
  const CodedGroup group = NewGroup(kLarge);
  Store(group);
  const RebuildOrder order = Order(group, {0, 2, 3}, {1});
  absl::Notification looked;
  rebuilder_.server->Run([&]() -> awaitable<void> {
    const std::function<bool()> stopping = [&] {
      looked.WaitForNotification();
      return rebuilder_.server->stopping();
    };
    const RebuildOutcome outcome = co_await RebuildUnits(*rebuilder_.context, order, stopping);
    EXPECT_THAT(outcome.targets, Each(absl::OkStatus()));
  });
  EXPECT_EQ(rebuilder_.server->transfers(), 1);
  looked.Notify();
  EVENTUALLY(rebuilder_.server->transfers() == 0);
  ExpectRebuilt(target_, group, 1);
}

}  // namespace
}  // namespace cairn::datanode
