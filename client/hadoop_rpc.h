// client/hadoop_rpc.h - RpcChannel over Hadoop IPC (wire/rpc).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "client/options.h"
#include "client/rpc_channel.h"

namespace cairn::client {

inline constexpr char kClientProtocol[] = "org.apache.hadoop.hdfs.protocol.ClientProtocol";
// Cairn's own: proto/client.proto.
inline constexpr char kCairnClientProtocol[] = "cairn.ClientProtocol";
inline constexpr char kClientDatanodeProtocol[] =
    "org.apache.hadoop.hdfs.protocol.ClientDatanodeProtocol";

// A namenode as a client sees it: both connect at the first call, and share a thread.
struct NamenodeRpc {
  std::unique_ptr<RpcChannel> hdfs, cairn;
};
NamenodeRpc NewNamenodeRpc(const std::string& host, uint16_t port, const std::string& user,
                           const ClientOptions& options);

// Connects at the first call.
absl::StatusOr<std::unique_ptr<RpcChannel>> NewHadoopRpc(const std::string& host, uint16_t port,
                                                         const std::string& protocol,
                                                         const std::string& user,
                                                         const ClientOptions& options);

std::unique_ptr<DatanodeRpc> NewDatanodeRpc(const std::string& user, const ClientOptions& options);

}  // namespace cairn::client
