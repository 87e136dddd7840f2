// datanode/heartbeat/namenode_link.h - the calls to the namenode, behind an interface so that tests
// can be the namenode.
//
// Messages and errors are those of proto/cairn/datanode.proto. Calls block, for a bounded time.
// Threads: AwaitOrders on one thread, all others on another.
#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "proto/cairn/datanode.pb.h"

namespace cairn::datanode {

// kUnavailable or kDeadlineExceeded: the namenode is away. kAborted: register again.
class NamenodeLink {
 public:
  virtual ~NamenodeLink() = default;
  virtual absl::StatusOr<internal::RegisterReply> Register(
      const internal::RegisterRequest& request) = 0;
  virtual absl::StatusOr<internal::HeartbeatReply> Heartbeat(
      const internal::HeartbeatRequest& request) = 0;
  // Blocks while there are no orders, longer than other calls may. kCancelled: `stop` was
  // requested.
  virtual absl::StatusOr<internal::AwaitOrdersReply> AwaitOrders(
      const internal::AwaitOrdersRequest& request, std::stop_token stop) = 0;
  virtual absl::Status ReportChanges(const internal::ReportChangesRequest& request) = 0;
  virtual absl::StatusOr<internal::ReportDigestsReply> ReportDigests(
      const internal::ReportDigestsRequest& request) = 0;
  virtual absl::Status ReportReplicas(const internal::ReportReplicasRequest& request) = 0;
};

// Over gRPC to `address` (host:port), without encryption: for the cluster's inside.
std::unique_ptr<NamenodeLink> NewGrpcNamenodeLink(const std::string& address,
                                                  absl::Duration call_limit);

}  // namespace cairn::datanode
