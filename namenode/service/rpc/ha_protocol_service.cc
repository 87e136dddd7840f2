#include "namenode/service/rpc/ha_protocol_service.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/fs_error.h"
#include "proto/hdfs/ha.pb.h"

namespace cairn::namenode {

void HaProtocolService::Handle(const rpc::CallInfo&, absl::string_view method, absl::string_view,
                               rpc::RpcReply& reply) {
  if (method == "monitorHealth") {
    reply.Send(hdfs::MonitorHealthResponseProto());
  } else if (method == "getServiceStatus") {
    hdfs::GetServiceStatusResponseProto response;
    response.set_state(hdfs::HA_STATE_ACTIVE);
    response.set_readytobecomeactive(true);
    reply.Send(response);
  } else if (absl::StartsWith(method, "transitionTo")) {
    reply.Fail(
        MakeFsError(FsError::kUnsupported, absl::StrCat(method, ": this namenode has no standby")));
  } else {
    reply.Fail(
        MakeFsError(FsError::kNoSuchMethod, absl::StrCat("Unknown method ", method.substr(0, 128),
                                                         " called on ", protocol(), " protocol.")));
  }
}

}  // namespace cairn::namenode
