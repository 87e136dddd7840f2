#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/testing/status_matchers.h"
#include "namenode/service/rpc/ha_protocol_service.h"
#include "namenode/service/rpc/refresh_service.h"
#include "namenode/service/rpc/testing/fake_reply.h"
#include "namenode/service/rpc/user_mappings_service.h"
#include "proto/hdfs/ha.pb.h"

namespace cairn::namenode {
namespace {

using ::testing::ElementsAre;

FakeAnswer Ask(rpc::RpcService& service, absl::string_view method, absl::string_view request = "") {
  const rpc::Principal principal{.user = "alice", .real_user = ""};
  FakeReply reply;
  service.Handle({.principal = principal, .remote_ip = "10.1.2.3"}, method, request, reply);
  EXPECT_TRUE(reply.answer().given);
  return reply.answer();
}

TEST(HaProtocolServiceTest, IsActiveAndStaysSo) {
  HaProtocolService service;
  EXPECT_EQ(service.protocol(), "org.apache.hadoop.ha.HAServiceProtocol");
  EXPECT_OK(Ask(service, "monitorHealth").status);
  hdfs::GetServiceStatusResponseProto status;
  ASSERT_TRUE(status.ParseFromString(Ask(service, "getServiceStatus").bytes));
  EXPECT_EQ(status.state(), hdfs::HA_STATE_ACTIVE);
  for (const char* method : {"transitionToActive", "transitionToStandby", "transitionToObserver"}) {
    EXPECT_THAT(Ask(service, method).status, IsFsError(FsError::kUnsupported));
  }
  EXPECT_THAT(Ask(service, "other").status, IsFsError(FsError::kNoSuchMethod));
}

TEST(UserMappingsServiceTest, TellsTheGroupsOfAUser) {
  UserMappingsService service([](absl::string_view user) {
    return user == "bob" ? std::vector<std::string>{"staff", "wheel"} : std::vector<std::string>{};
  });
  EXPECT_EQ(service.protocol(), "org.apache.hadoop.tools.GetUserMappingsProtocol");
  hdfs::GetGroupsForUserRequestProto request;
  request.set_user("bob");
  hdfs::GetGroupsForUserResponseProto response;
  ASSERT_TRUE(response.ParseFromString(
      Ask(service, "getGroupsForUser", request.SerializeAsString()).bytes));
  EXPECT_THAT(response.groups(), ElementsAre("staff", "wheel"));
  request.set_user("nobody");
  EXPECT_EQ(Ask(service, "getGroupsForUser", request.SerializeAsString()).bytes, "");
  EXPECT_THAT(Ask(service, "getGroupsForUser", "").status,
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Ask(service, "other").status, IsFsError(FsError::kNoSuchMethod));
}

TEST(RefreshServiceTest, EachProtocolTakesItsOwnMethods) {
  const auto services = MakeRefreshServices();
  ASSERT_EQ(services.size(), 4u);
  const auto status = [&](size_t i, absl::string_view method) {
    return Ask(*services[i], method).status;
  };
  EXPECT_EQ(services[0]->protocol(), "org.apache.hadoop.security.RefreshUserMappingsProtocol");
  EXPECT_OK(status(0, "refreshUserToGroupsMappings"));
  EXPECT_OK(status(0, "refreshSuperUserGroupsConfiguration"));
  EXPECT_THAT(status(0, "refreshServiceAcl"), IsFsError(FsError::kNoSuchMethod));
  EXPECT_OK(status(1, "refreshServiceAcl"));
  EXPECT_OK(status(2, "refreshCallQueue"));
  EXPECT_EQ(services[3]->protocol(), "org.apache.hadoop.ipc.GenericRefreshProtocol");
  EXPECT_THAT(status(3, "refresh"), IsFsError(FsError::kJavaIllegalArgument));
  EXPECT_THAT(status(3, "other"), IsFsError(FsError::kNoSuchMethod));
}

}  // namespace
}  // namespace cairn::namenode
