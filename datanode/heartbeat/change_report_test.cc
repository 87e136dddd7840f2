#include "datanode/heartbeat/change_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "absl/strings/str_cat.h"

namespace cairn::datanode {
namespace {

using ::testing::ElementsAre;

ReplicaChange Change(const std::string& storage, uint64_t block, internal::ReplicaState state) {
  ReplicaChange change{.storage_uuid = storage};
  change.report.mutable_block()->set_block_id(block);
  change.report.set_state(state);
  return change;
}

// "storage: block state, ..." for each group.
std::vector<std::string> GroupsOf(const internal::ReportChangesRequest& request) {
  std::vector<std::string> groups;
  for (const auto& group : request.storages()) {
    std::string& out = groups.emplace_back(group.storage_uuid() + ":");
    for (const auto& report : group.replicas()) {
      absl::StrAppend(&out, " ", report.block().block_id(),
                      internal::ReplicaState_Name(report.state()).substr(0, 1));
    }
  }
  return groups;
}

TEST(AddChangesTest, ChangesAreGatheredByStorage) {
  internal::ReportChangesRequest request;
  const std::vector<ReplicaChange> changes = {
      Change("v1", 1, internal::FINALIZED), Change("v2", 2, internal::FINALIZED),
      Change("v1", 3, internal::BEING_WRITTEN), Change("v1", 3, internal::FINALIZED),
      Change("v2", 4, internal::DELETED)};
  EXPECT_EQ(AddChanges(changes, &request), 5u);
  EXPECT_THAT(GroupsOf(request), ElementsAre("v1: 1F 3B 3F", "v2: 2F 4D"));
}

// An earlier change of the volume that it goes to must not bring the move's second half forward.
TEST(AddChangesTest, AMovedBlockIsDeletedBeforeItIsThere) {
  internal::ReportChangesRequest request;
  const std::vector<ReplicaChange> changes = {
      Change("v1", 1, internal::FINALIZED), Change("v0", 7, internal::DELETED),
      Change("v1", 7, internal::FINALIZED), Change("v1", 2, internal::FINALIZED),
      Change("v1", 7, internal::DELETED),   Change("v0", 7, internal::FINALIZED)};
  EXPECT_EQ(AddChanges(changes, &request), 6u);
  EXPECT_THAT(GroupsOf(request), ElementsAre("v1: 1F", "v0: 7D", "v1: 7F 2F 7D", "v0: 7F"));
}

TEST(AddChangesTest, NoMoreGroupsThanTheNamenodeTakes) {
  std::vector<ReplicaChange> changes;
  for (uint64_t i = 0; i < 300; ++i) {  // one block to and fro
    changes.push_back(Change(absl::StrCat("v", i % 2), 7, internal::FINALIZED));
  }
  internal::ReportChangesRequest request;
  EXPECT_EQ(AddChanges(changes, &request), 256u);
  EXPECT_EQ(request.storages_size(), 256);
  internal::ReportChangesRequest rest;
  EXPECT_EQ(AddChanges(std::span(changes).subspan(256), &rest), 44u);
}

}  // namespace
}  // namespace cairn::datanode
