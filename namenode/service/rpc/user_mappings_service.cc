#include "namenode/service/rpc/user_mappings_service.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/fs_error.h"
#include "proto/hdfs/ha.pb.h"
#include "wire/parse_message.h"

namespace cairn::namenode {
namespace {

constexpr size_t kMaxRequestBytes = 4096;  // a user's name

}  // namespace

void UserMappingsService::Handle(const rpc::CallInfo&, absl::string_view method,
                                 absl::string_view request, rpc::RpcReply& reply) {
  if (method != "getGroupsForUser") {
    reply.Fail(
        MakeFsError(FsError::kNoSuchMethod, absl::StrCat("Unknown method ", method.substr(0, 128),
                                                         " called on ", protocol(), " protocol.")));
    return;
  }
  hdfs::GetGroupsForUserRequestProto wanted;
  if (request.size() > kMaxRequestBytes || !ParseMessage(request, &wanted)) {
    reply.Fail(absl::InvalidArgumentError("malformed getGroupsForUser request"));
    return;
  }
  hdfs::GetGroupsForUserResponseProto response;
  for (std::string& group : groups_of_(wanted.user())) response.add_groups(std::move(group));
  reply.Send(response);
}

}  // namespace cairn::namenode
