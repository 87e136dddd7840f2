#include "namenode/blocks/recovery_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

namespace cairn::namenode {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

RecoveryCandidate Node(const std::string& uuid, bool live, bool listening) {
  RecoveryCandidate candidate{{}, live, listening};
  candidate.replica.datanode_uuid = uuid;
  return candidate;
}

std::vector<std::string> Choose(std::vector<RecoveryCandidate> candidates, uint64_t turn = 0) {
  std::vector<std::string> uuids;
  for (const ReplicaTarget& replica : ChooseParticipants(std::move(candidates), turn)) {
    uuids.push_back(replica.datanode_uuid);
  }
  return uuids;
}

TEST(RecoveryOrderTest, TheOneThatListensLeads) {
  EXPECT_THAT(Choose({Node("dead", true, false), Node("b", true, true)}, 7),
              ElementsAre("b", "dead"));
}

TEST(RecoveryOrderTest, EachTryHasAnotherPrimary) {
  std::set<std::string> primaries;
  for (uint64_t turn = 0; turn < 3; ++turn) {
    primaries.insert(
        Choose({Node("a", true, true), Node("b", true, true), Node("c", true, true)}, turn)[0]);
  }
  EXPECT_THAT(primaries, UnorderedElementsAre("a", "b", "c"));
}

TEST(RecoveryOrderTest, AStaleDatanodeIsLeftOutOnlyIfTwoOthersRemain) {
  EXPECT_THAT(Choose({Node("a", true, true), Node("stale", false, false), Node("c", true, true)}),
              UnorderedElementsAre("a", "c"));
  EXPECT_THAT(Choose({Node("stale", false, false), Node("c", true, true)}),
              ElementsAre("c", "stale"));
}

TEST(RecoveryOrderTest, IfAllAreStaleAllAreAsked) {
  EXPECT_THAT(Choose({Node("a", false, false), Node("b", false, false)}),
              UnorderedElementsAre("a", "b"));
  EXPECT_THAT(Choose({}), IsEmpty());
}

}  // namespace
}  // namespace cairn::namenode
