// datanode/service/inter_datanode.h - InterDatanodeProtocol on the RPC port: block recovery's two
// steps, asked by another datanode.
#pragma once

#include "absl/strings/string_view.h"
#include "datanode/pipeline/disk_pool.h"
#include "datanode/volume/replica_store.h"
#include "proto/hdfs/client_datanode.pb.h"
#include "wire/rpc/service.h"

namespace cairn::datanode {

inline constexpr absl::string_view kInterDatanodeProtocol =
    "org.apache.hadoop.hdfs.server.protocol.InterDatanodeProtocol";

hdfs::ReplicaStateProto ToReplicaStateProto(ReplicaState state);
ReplicaState FromReplicaStateProto(hdfs::ReplicaStateProto state);

class InterDatanodeService final : public rpc::RpcService {
 public:
  // `pool` runs what waits; it is not the transfers' disk pool, which a stopping writer needs.
  InterDatanodeService(ReplicaStore& store, DiskPool& pool) : store_(store), pool_(pool) {}

  absl::string_view protocol() const override { return kInterDatanodeProtocol; }
  void Handle(const rpc::CallInfo& call, absl::string_view method, absl::string_view request,
              rpc::RpcReply& reply) override;

 private:
  ReplicaStore& store_;
  DiskPool& pool_;
};

}  // namespace cairn::datanode
