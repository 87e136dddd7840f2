#include "datanode/service/admin_service.h"

#include "absl/strings/str_cat.h"
#include "common/descriptors.h"
#include "common/fs_error.h"
#include "proto/admin.pb.h"

namespace cairn::datanode {

void AdminService::Handle(const rpc::CallInfo& call, absl::string_view method,
                          absl::string_view /*request*/, rpc::RpcReply& reply) {
  if (method != "describeDatanode") {
    return reply.Fail(
        MakeFsError(FsError::kNoSuchMethod, absl::StrCat("Unknown method ", method.substr(0, 128),
                                                         " called on ", protocol(), " protocol.")));
  }
  admin::DescribeDatanodeResponse response;
  response.set_version(version_);
  response.set_now_ms(static_cast<uint64_t>(absl::ToUnixMillis(clock_.Now())));
  response.set_started_ms(static_cast<uint64_t>(absl::ToUnixMillis(started_)));
  if (call.principal.user == superuser_) {
    const DescriptorUse descriptors = ReadDescriptorUse();
    response.set_open_file_limit(descriptors.limit);
    response.set_open_files_used(descriptors.used);
  }
  reply.Send(response);
}

}  // namespace cairn::datanode
