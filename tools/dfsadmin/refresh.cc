// -refresh...: what a namenode reads again. Cairn keeps none of these for longer than minutes, so
// there is nothing to do: each is answered, as tools expect.
#include "common/status_macros.h"
#include "tools/dfsadmin/commands.h"

namespace cairn::tools {
namespace {

absl::Status Refresh(AdminCall& call, const char* protocol, const char* method, const char* what) {
  RETURN_IF_ERROR(call.CheckArguments(0, 0));
  ASSIGN_OR_RETURN(client::ClusterAdmin* const admin, call.Admin());
  RETURN_IF_ERROR(admin->Refresh(protocol, method));
  call.out << "Refresh " << what << " successful\n";
  return absl::OkStatus();
}

constexpr char kUserMappings[] = "org.apache.hadoop.security.RefreshUserMappingsProtocol";

}  // namespace

absl::Status RunRefreshServiceAcl(AdminCall& call) {
  return Refresh(call, "org.apache.hadoop.security.authorize.RefreshAuthorizationPolicyProtocol",
                 "refreshServiceAcl", "service acl");
}

absl::Status RunRefreshUserMappings(AdminCall& call) {
  return Refresh(call, kUserMappings, "refreshUserToGroupsMappings", "user to groups mapping");
}

absl::Status RunRefreshSuperUserGroups(AdminCall& call) {
  return Refresh(call, kUserMappings, "refreshSuperUserGroupsConfiguration",
                 "super user groups configuration");
}

absl::Status RunRefreshCallQueue(AdminCall& call) {
  return Refresh(call, "org.apache.hadoop.ipc.RefreshCallQueueProtocol", "refreshCallQueue",
                 "call queue");
}

}  // namespace cairn::tools
