// namenode/service/rpc/refresh_service.h - HDFS's protocols by which an administrator makes a
// namenode read settings again: `hdfs dfsadmin -refreshServiceAcl` and its kin.
//
// What they name (group caches, proxy users, service ACLs, the call queue) is never cached here, so
// the calls succeed and change nothing. One object per protocol name; make all of them with
// MakeRefreshServices(). Thread-safe: immutable.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "wire/rpc/service.h"

namespace cairn::namenode {

class RefreshService final : public rpc::RpcService {
 public:
  // `methods` succeed with an empty answer.
  RefreshService(std::string protocol, std::vector<std::string> methods);

  absl::string_view protocol() const override { return protocol_; }
  // kNoSuchMethod: unknown. kJavaIllegalArgument: GenericRefreshProtocol's refresh, which names a
  // handler, and there is none.
  void Handle(const rpc::CallInfo& call, absl::string_view method, absl::string_view request,
              rpc::RpcReply& reply) override;

 private:
  const std::string protocol_;
  const std::vector<std::string> methods_;
};

std::vector<std::unique_ptr<rpc::RpcService>> MakeRefreshServices();

}  // namespace cairn::namenode
