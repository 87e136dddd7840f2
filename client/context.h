// client/context.h - what a FileSystem and its streams share.
//
// Constant after Connect, or synchronizing itself: any thread may use it. Streams hold it alive.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "client/costly_nodes.h"
#include "client/lease_renewer.h"
#include "client/local_replicas.h"
#include "client/options.h"
#include "client/peer_cache.h"
#include "client/rpc_channel.h"
#include "client/silent_nodes.h"
#include "client/socket.h"
#include "client/stream_keeper.h"
#include "client/thread_pool.h"
#include "common/clock.h"
#include "common/mutex.h"
#include "proto/hdfs/types.pb.h"

namespace cairn::client {

struct ClientContext {
  ClientContext(ClientOptions client_options, std::string user_name, std::string namenode_authority,
                std::unique_ptr<RpcChannel> namenode_rpc, std::unique_ptr<DatanodeRpc> datanodes,
                Clock& system_clock, std::unique_ptr<RpcChannel> cairn_rpc = nullptr);

  // The namenode's answer to `method`; on an error the message names `path`.
  template <typename Response>
  absl::StatusOr<Response> Call(absl::string_view method, absl::string_view path,
                                const google::protobuf::MessageLite& request) {
    Response response;
    absl::Status status = namenode->Call(method, request, response);
    if (!status.ok()) return NamingPath(status, method, path);
    return response;
  }

  static absl::Status NamingPath(const absl::Status& status, absl::string_view method,
                                 absl::string_view path);

  // Where to dial a datanode's transfer port: by address, or by name if so configured.
  std::string TransferHost(const hdfs::DatanodeIDProto& node) const;
  // kUnavailable: it has told no valid one.
  static absl::StatusOr<uint16_t> TransferPort(const hdfs::DatanodeIDProto& node);
  absl::StatusOr<Socket> ConnectTransfer(
      const hdfs::DatanodeIDProto& node,
      absl::Duration connect_limit = absl::InfiniteDuration()) const;

  const ClientOptions options;
  const std::string user;
  const std::string authority;    // host:port of the namenode
  const std::string client_name;  // as holder of leases; unique to this object
  const SocketOptions socket_options;
  Clock& clock;
  const std::unique_ptr<RpcChannel> namenode;
  const std::unique_ptr<RpcChannel> cairn;       // cairn.ClientProtocol; null: not to be had
  std::atomic<bool> can_replace_blocks = false;  // the server has said so
  const std::unique_ptr<DatanodeRpc> datanode_rpc;
  PeerCache peers;
  LocalReplicas local_replicas;
  CostlyNodes costly_nodes;
  SilentNodes silent_nodes;

  // Whether this cluster's datanodes give signs of life while they set up a pipeline. Not known at
  // first: the first silence is then short, in case they do, and later ones long.
  enum class Signs : uint8_t { kUnknown, kGiven, kNotGiven };
  std::atomic<Signs> set_up_signs = Signs::kUnknown;

  // Of hedged reads, see HedgedReadMetrics.
  struct Hedges {
    std::atomic<uint64_t> ops = 0, wins = 0, in_current_thread = 0;
  };
  Hedges hedges;

  Mutex defaults_mu;
  std::optional<ServerDefaults> defaults ABSL_GUARDED_BY(defaults_mu);
  absl::Duration defaults_at ABSL_GUARDED_BY(defaults_mu);

  // Last: their threads use the others.
  LeaseRenewer leases;
  StreamKeeper keeper;
  ThreadPool hedge_threads;
};

}  // namespace cairn::client
