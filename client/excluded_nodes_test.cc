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
  ExcludedNodes excluded_{absl::Minutes(10), clock_};
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

}  // namespace
}  // namespace cairn::client
