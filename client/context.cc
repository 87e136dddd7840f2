#include "client/context.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/path.h"
#include "client/pipeline.h"
#include "common/random_bytes.h"
#include "common/status_macros.h"

namespace cairn::client {
namespace {

// The form that HDFS's own clients use, so that server-side tools recognize it.
std::string MakeClientName() {
  std::array<uint32_t, 2> random = {};
  FillRandom(std::as_writable_bytes(std::span(random)));
  return absl::StrCat("DFSClient_NONMAPREDUCE_", random[0], "_", random[1], "_", ::getpid());
}

}  // namespace

ClientContext::ClientContext(ClientOptions client_options, std::string user_name,
                             std::string namenode_authority,
                             std::unique_ptr<RpcChannel> namenode_rpc,
                             std::unique_ptr<DatanodeRpc> datanodes, Clock& system_clock,
                             std::unique_ptr<RpcChannel> cairn_rpc)
    : options(std::move(client_options)),
      user(std::move(user_name)),
      authority(std::move(namenode_authority)),
      client_name(MakeClientName()),
      socket_options{.connect_timeout = options.connect_timeout,
                     .read_timeout = options.read_timeout,
                     .write_timeout = options.write_timeout,
                     .congestion_control = options.congestion_control},
      clock(system_clock),
      namenode(std::move(namenode_rpc)),
      cairn(std::move(cairn_rpc)),
      datanode_rpc(std::move(datanodes)),
      peers(options.peer_cache_capacity, options.peer_cache_expiry, system_clock),
      local_replicas({.enabled = options.short_circuit,
                      .socket_path = options.domain_socket_path,
                      .capacity = options.local_replicas,
                      .expiry = options.local_replica_expiry},
                     peers, system_clock),
      costly_nodes(system_clock),
      silent_nodes(system_clock),
      leases(options.lease_renewal, options.lease_hard_limit, *namenode, client_name, system_clock),
      keeper(PipelineHeartbeatAfter(options) / 4),
      hedge_threads(options.hedged_read_threads, "hedged-read") {}

absl::Status ClientContext::NamingPath(const absl::Status& status, absl::string_view method,
                                       absl::string_view path) {
  // Servers name the path, or the ancestor that is at fault, themselves as a rule.
  for (std::string part(path); part.size() > 1; part = ParentPath(part)) {
    if (absl::StrContains(status.message(), part)) return status;
  }
  // Refusals name the inode, which may be the root.
  if (path.empty() || absl::StrContains(status.message(), "inode=")) return status;
  absl::Status named(status.code(), absl::StrCat(method, " ", path, ": ", status.message()));
  status.ForEachPayload(
      [&](absl::string_view url, const absl::Cord& payload) { named.SetPayload(url, payload); });
  return named;
}

std::string ClientContext::TransferHost(const hdfs::DatanodeIDProto& node) const {
  return options.use_datanode_hostname ? node.hostname() : node.ipaddr();
}

absl::StatusOr<uint16_t> ClientContext::TransferPort(const hdfs::DatanodeIDProto& node) {
  if (node.xferport() == 0 || node.xferport() > 65535) {
    return absl::UnavailableError(absl::StrCat(node.ipaddr(), ": no valid transfer port"));
  }
  return static_cast<uint16_t>(node.xferport());
}

absl::StatusOr<Socket> ClientContext::ConnectTransfer(const hdfs::DatanodeIDProto& node,
                                                      absl::Duration connect_limit) const {
  ASSIGN_OR_RETURN(const uint16_t port, TransferPort(node));
  SocketOptions how = socket_options;
  how.connect_timeout = std::min(how.connect_timeout, connect_limit);
  return Socket::Connect(TransferHost(node), port, how);
}

}  // namespace cairn::client
