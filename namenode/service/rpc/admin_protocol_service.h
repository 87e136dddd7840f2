// namenode/service/rpc/admin_protocol_service.h - "cairn.AdminProtocol": what operators' tools ask
// beyond HDFS's client protocol (proto/admin.proto). On the clients' port, since who asks comes
// with the connection.
//
// A front end like the client protocol's: it translates, and checks who may ask. No call does work
// for more than a page of blocks.
// Threads: Handle from every I/O thread at once.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "namenode/namenode.h"
#include "namenode/service/rpc/operation_counters.h"
#include "proto/admin.pb.h"
#include "wire/rpc/service.h"

namespace cairn::namenode {

class ClusterView;

class AdminProtocolService final : public rpc::RpcService {
 public:
  static constexpr size_t kBlocksPerPage = 256;

  // A directory of the journal.
  struct Journal {
    std::string directory;
    uint64_t last_txid = 0;
    std::string dropped;  // why it is not used any more; empty: it is
  };
  struct Options {
    std::string version;  // of the program
    uint32_t min_replication = 1;
    absl::Duration stale_interval, dead_interval;
    std::function<std::vector<Journal>()> journals = nullptr;  // null: not known
  };
  // All references outlive this.
  AdminProtocolService(Namenode& namenode, const OperationCounters& counters, Clock& clock,
                       Options options);

  absl::string_view protocol() const override { return "cairn.AdminProtocol"; }
  void Handle(const rpc::CallInfo& call, absl::string_view method, absl::string_view request,
              rpc::RpcReply& reply) override;

 private:
  void DescribeFile(const Caller& caller, absl::string_view request, rpc::RpcReply& reply);
  // A block, or a group with its units. nullopt: it was cut off since. `ticket` rises to the
  // answer's.
  absl::StatusOr<std::optional<admin::Block>> Describe(const Caller& caller,
                                                       const LocatedBlock& block,
                                                       const ClusterView& cluster,
                                                       uint64_t& ticket);
  void DescribeBlock(const Caller& caller, absl::string_view request, rpc::RpcReply& reply);
  void ListLostBlocks(const Caller& caller, absl::string_view request, rpc::RpcReply& reply);
  void DescribeCluster(const Caller& caller, rpc::RpcReply& reply);
  void GetOperations(rpc::RpcReply& reply);
  void Balance(const Caller& caller, absl::string_view request, rpc::RpcReply& reply);

  Namenode& namenode_;
  const OperationCounters& counters_;
  Clock& clock_;
  const Options options_;
  const absl::Time started_;
};

}  // namespace cairn::namenode
