#include "client/excluded_nodes.h"

#include "common/testing/fake_clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cairn::client {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

hdfs::DatanodeInfoProto Node(const std::string& uuid) {
  hdfs::DatanodeInfoProto node;
  node.mutable_id()->set_datanodeuuid(uuid);
  return node;
}

class ExcludedNodesTest : public ::testing::Test {
 protected:
  std::vector<std::string> Uuids() {
    std::vector<std::string> uuids;
    for (const auto& node : excluded_.List()) uuids.push_back(node.id().datanodeuuid());
    return uuids;
  }
  FakeClock clock_;
  ExcludedNodes excluded_{absl::Minutes(10), ExcludedNodes::Failing::kLonger, clock_};
};

TEST_F(ExcludedNodesTest, ANodeIsForgottenAtItsExpiry) {
  excluded_.Add(Node("a"));
  clock_.Advance(absl::Minutes(10) - absl::Milliseconds(1));
  EXPECT_THAT(Uuids(), ElementsAre("a"));
  clock_.Advance(absl::Milliseconds(1));
  EXPECT_THAT(Uuids(), IsEmpty());
}

TEST_F(ExcludedNodesTest, ANodeThatFailsAgainStaysLonger) {
  excluded_.Add(Node("a"));
  excluded_.Add(Node("b"));
  clock_.Advance(absl::Minutes(9));
  excluded_.Add(Node("a"));
  clock_.Advance(absl::Minutes(9));
  EXPECT_THAT(Uuids(), ElementsAre("a"));
}

TEST_F(ExcludedNodesTest, ANodeIsDueAfterPausesThatGrow) {
  excluded_.Add(Node("a"));
  EXPECT_EQ(excluded_.TakeDue().size(), 1u) << "it may be back by the time that it is missed";
  for (const int pause : {1, 2, 4, 8, 16, 32, 64, 128, 256}) {
    clock_.Advance(absl::Seconds(pause) - absl::Milliseconds(1));
    EXPECT_THAT(excluded_.TakeDue(), IsEmpty()) << pause;
    clock_.Advance(absl::Milliseconds(1));
    EXPECT_EQ(excluded_.TakeDue().size(), 1u) << pause;
    EXPECT_THAT(Uuids(), ElementsAre("a")) << "until it is readmitted";
  }
}

TEST_F(ExcludedNodesTest, ANodeThatIsReadmittedAndFailsAgainIsDueLater) {
  excluded_.Add(Node("a"));
  EXPECT_EQ(excluded_.TakeDue().size(), 1u);
  excluded_.Readmit(Node("a"));
  EXPECT_THAT(Uuids(), IsEmpty());
  EXPECT_THAT(excluded_.TakeDue(), IsEmpty());
  excluded_.Add(Node("a"));
  EXPECT_THAT(Uuids(), ElementsAre("a"));
  clock_.Advance(absl::Seconds(2) - absl::Milliseconds(1));
  EXPECT_THAT(excluded_.TakeDue(), IsEmpty());
  clock_.Advance(absl::Milliseconds(1));
  EXPECT_EQ(excluded_.TakeDue().size(), 1u);
}

TEST_F(ExcludedNodesTest, ANodeThatRestartsAgainAndAgainIsExcludedForLonger) {
  for (const int seconds : {30, 30, 30, 30, 30, 30, 32, 64, 128, 256, 512, 600, 600}) {
    excluded_.Add(Node("a"), absl::Seconds(30));
    clock_.Advance(absl::Seconds(seconds) - absl::Milliseconds(1));
    EXPECT_THAT(Uuids(), ElementsAre("a")) << seconds;
    clock_.Advance(absl::Milliseconds(1));
    EXPECT_THAT(Uuids(), IsEmpty()) << seconds;
  }
}

TEST_F(ExcludedNodesTest, ANodeThatHasNotFailedForLongBeginsAnew) {
  for (int i = 0; i < 8; ++i) excluded_.Add(Node("a"), absl::Seconds(30));
  clock_.Advance(absl::Minutes(20));
  excluded_.Add(Node("a"), absl::Seconds(30));
  clock_.Advance(absl::Seconds(30));
  EXPECT_THAT(Uuids(), IsEmpty());
}

TEST(ExcludedNodesOfAReplicatedFileTest, ANodeThatFailsAgainStaysNoLonger) {
  FakeClock clock;
  ExcludedNodes excluded(absl::Minutes(10), ExcludedNodes::Failing::kAsBefore, clock);
  for (int i = 0; i < 10; ++i) excluded.Add(Node("a"), absl::Seconds(30));
  clock.Advance(absl::Seconds(30));
  EXPECT_THAT(excluded.List(), IsEmpty());
}

}  // namespace
}  // namespace cairn::client
