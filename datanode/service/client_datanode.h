// datanode/service/client_datanode.h - ClientDatanodeProtocol on the RPC port: how much of a
// replica being written can be read, and what administrators ask a datanode.
#pragma once

#include <functional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "datanode/service/reconfiguration.h"
#include "datanode/volume/replica_store.h"
#include "wire/rpc/service.h"

namespace cairn::datanode {

inline constexpr absl::string_view kClientDatanodeProtocol =
    "org.apache.hadoop.hdfs.protocol.ClientDatanodeProtocol";

class ClientDatanodeService final : public rpc::RpcService {
 public:
  struct Hooks {
    std::string superuser;  // who may shut down, evict and trigger: the process's own user
    std::string software_version;
    absl::Time started;
    std::function<void(bool full)> trigger_report;
    // Begins the end; returns at once. `restarts`: writers are told to wait for it to come back.
    std::function<void(bool restarts)> shut_down;
    std::function<uint64_t()> balance_bandwidth;  // bytes a second that balance may use now
    Reconfiguration* reconfiguration = nullptr;   // outlives the service
  };
  ClientDatanodeService(ReplicaStore& store, Hooks hooks)
      : store_(store), hooks_(std::move(hooks)) {}

  absl::string_view protocol() const override { return kClientDatanodeProtocol; }
  void Handle(const rpc::CallInfo& call, absl::string_view method, absl::string_view request,
              rpc::RpcReply& reply) override;

 private:
  void GetReplicaVisibleLength(absl::string_view request, rpc::RpcReply& reply);
  void GetReconfigurationStatus(rpc::RpcReply& reply);
  void GetVolumeReport(rpc::RpcReply& reply);
  void EvictWriters();

  ReplicaStore& store_;
  const Hooks hooks_;
};

}  // namespace cairn::datanode
