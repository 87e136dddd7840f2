#include "namenode/service/rpc/refresh_service.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/fs_error.h"

namespace cairn::namenode {
namespace {

constexpr absl::string_view kGenericRefresh = "org.apache.hadoop.ipc.GenericRefreshProtocol";

}  // namespace

RefreshService::RefreshService(std::string protocol, std::vector<std::string> methods)
    : protocol_(std::move(protocol)), methods_(std::move(methods)) {}

void RefreshService::Handle(const rpc::CallInfo&, absl::string_view method, absl::string_view,
                            rpc::RpcReply& reply) {
  if (std::find(methods_.begin(), methods_.end(), method) != methods_.end()) {
    reply.SendBytesAt(0, "");
  } else if (protocol_ == kGenericRefresh && method == "refresh") {
    reply.Fail(MakeFsError(FsError::kJavaIllegalArgument,
                           "the identifier does not exist: there are no refresh handlers"));
  } else {
    reply.Fail(
        MakeFsError(FsError::kNoSuchMethod, absl::StrCat("Unknown method ", method.substr(0, 128),
                                                         " called on ", protocol_, " protocol.")));
  }
}

std::vector<std::unique_ptr<rpc::RpcService>> MakeRefreshServices() {
  const std::pair<std::string, std::vector<std::string>> protocols[] = {
      {"org.apache.hadoop.security.RefreshUserMappingsProtocol",
       {"refreshUserToGroupsMappings", "refreshSuperUserGroupsConfiguration"}},
      {"org.apache.hadoop.security.authorize.RefreshAuthorizationPolicyProtocol",
       {"refreshServiceAcl"}},
      {"org.apache.hadoop.ipc.RefreshCallQueueProtocol", {"refreshCallQueue"}},
      {std::string(kGenericRefresh), {}},
  };
  std::vector<std::unique_ptr<rpc::RpcService>> services;
  for (const auto& [protocol, methods] : protocols) {
    services.push_back(std::make_unique<RefreshService>(protocol, methods));
  }
  return services;
}

}  // namespace cairn::namenode
