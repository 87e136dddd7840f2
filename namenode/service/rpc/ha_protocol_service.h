// namenode/service/rpc/ha_protocol_service.h - "org.apache.hadoop.ha.HAServiceProtocol": what
// `hdfs haadmin` and fail-over controllers ask.
//
// This namenode is always active and has no standby: it says so, and refuses to change roles.
// Thread-safe: keeps nothing.
#pragma once

#include "absl/strings/string_view.h"
#include "wire/rpc/service.h"

namespace cairn::namenode {

class HaProtocolService final : public rpc::RpcService {
 public:
  absl::string_view protocol() const override { return "org.apache.hadoop.ha.HAServiceProtocol"; }
  // kUnsupported: a change of roles. kNoSuchMethod: unknown.
  void Handle(const rpc::CallInfo& call, absl::string_view method, absl::string_view request,
              rpc::RpcReply& reply) override;
};

}  // namespace cairn::namenode
