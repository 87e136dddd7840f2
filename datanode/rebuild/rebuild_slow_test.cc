// Rebuilds whose sources or targets move bytes all the time, and hardly any. Only for these is the
// patience short: however long a good one is stalled, by whatever else this machine does, it is
// waited for.
#include <vector>

#include "datanode/testing/drip_proxy.h"
#include "datanode/testing/rebuild_fixture.h"

namespace cairn::datanode {
namespace {

using testing::CodedGroup;
using testing::DripProxy;
using ::testing::Each;
using ::testing::HasSubstr;
using testing::kCell;
using testing::RebuildFixture;
using ::testing::SizeIs;

constexpr uint64_t kLarge = 3 * (3 * kRebuildPieceBytes) + 5 * kCell + 77;

class RebuildSlowTest : public RebuildFixture {
 protected:
  RebuildSlowTest() : RebuildFixture({erasure::Codec::kReedSolomon, 3, 2}) {}

  static TransferAddress By(const DripProxy& slow, absl::Duration patience) {
    return {.ip = "127.0.0.1", .port = slow.port(), .patience = patience};
  }
  // So that it is given up for being slow, not before it had begun.
  static constexpr absl::Duration kLongEnoughToBegin = absl::Seconds(4);
};

// From the start, from within its answer, and from within a piece.
TEST_F(RebuildSlowTest, ASourceThatDripsGivesWay) {
  for (const size_t at_once : {size_t{0}, size_t{10}, kRebuildPieceBytes * 3 / 2}) {
    const CodedGroup group = NewGroup(kLarge);
    Store(group);
    const DripProxy slow(holders_[2]->port(), DripProxy::kAll, at_once);
    RebuildOrder order = Order(group, {0, 2, 3, 4}, {1});
    order.sources[1].address = By(slow, absl::Seconds(1));
    ASSERT_THAT(Run(order), Each(absl::OkStatus()));
    ExpectRebuilt(target_, group, 1);
  }
}

TEST_F(RebuildSlowTest, WithNoOtherSourceADrippingOneEndsTheRebuild) {
  const CodedGroup group = NewGroup(kLarge);
  Store(group);
  const DripProxy slow(holders_[2]->port(), DripProxy::kAll, kRebuildPieceBytes * 3 / 2);
  RebuildOrder order = Order(group, {0, 2, 3}, {1});
  order.sources[1].address = By(slow, kLongEnoughToBegin);
  EXPECT_THAT(Run(order), Each(StatusIs(absl::StatusCode::kDeadlineExceeded,
                                        HasSubstr("sent less than 262144 bytes"))));
  ExpectNothingRegistered();
}

TEST_F(RebuildSlowTest, ATargetThatHardlyTakesBytesIsGivenUpAndTheOthersGetTheirs) {
  // More than the kernel takes in between.
  const CodedGroup group = NewGroup(3 * (uint64_t{12} << 20), /*cell_bytes=*/1 << 20);
  Store(group);
  const DripProxy slow(target_.port(), kRebuildPieceBytes, DripProxy::kAll);
  RebuildOrder order = Order(group, {0, 2, 4}, {1, 3});
  order.targets[0].address = By(slow, kLongEnoughToBegin);
  const std::vector<absl::Status> outcomes = Run(order);
  ASSERT_THAT(outcomes, SizeIs(2));
  EXPECT_THAT(outcomes[0],
              StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("took less than")));
  EXPECT_OK(outcomes[1]);
  ExpectRebuilt(target_, group, 3);
}

}  // namespace
}  // namespace cairn::datanode
