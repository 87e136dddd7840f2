// namenode/service/grpc/datanode_service.h - the datanodes' door to the namenode: gRPC on
// cairn.namenode.internal.address.
//
// Checks and translates messages (convert.h), calls DatanodeReports, translates back. No rule of
// the namenode is here. The port is for the cluster's inside: it has no authentication of its own,
// so bind it to an address that only datanodes reach.
//
// Bounded: messages of kMaxMessageBytes, metadata of kMaxMetadataBytes, `threads` calls at once and
// no more threads than that (gRPC's synchronous server: a further call waits), connections, calls
// on each of them, the time that the beginning of one may take; connections that are silent are
// probed and dropped. When descriptors run out, connections wait until there are some. Datanodes
// call often and shortly; none of this is on a client's path. AwaitOrders alone lasts long, and so
// is served by gRPC's callbacks: a call that waits holds no thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "namenode/blocks/datanode_reports.h"

namespace cairn::namenode {

inline constexpr int kMaxMessageBytes = 4 << 20;
inline constexpr int kMaxMetadataBytes = 4 << 10;  // of a call; datanodes send some hundred

class DatanodeServer {
 public:
  struct Options {
    // cairn.namenode.internal.address, numeric: "1.2.3.4:port" or "[ipv6]:port"; port 0 takes a
    // free one.
    std::string address = "127.0.0.1:8021";
    int threads = 16;
    int max_connections = 20'000;   // a datanode has one; more are closed at once
    int calls_per_connection = 32;  // a further one waits at its datanode
    // From the connection to HTTP/2's first frame.
    absl::Duration handshake_timeout = absl::Seconds(10);
    absl::Duration keepalive = absl::Seconds(30);  // an idle connection is probed after this ...
    absl::Duration keepalive_timeout = absl::Seconds(10);  // ... and dropped without an answer
  };

  // Listens and serves until Stop. `reports` outlives the result.
  // kUnavailable, kInvalidArgument: the address cannot be bound, or is none; names it.
  static absl::StatusOr<std::unique_ptr<DatanodeServer>> Start(const Options& options,
                                                               DatanodeReports& reports);
  virtual ~DatanodeServer() = default;  // stops at once

  virtual uint16_t port() const = 0;
  virtual uint64_t accept_errors() const = 0;  // such as no descriptors left. Any thread
  // Takes no more calls, ends those that wait for orders, waits up to `grace` for those that run,
  // then cancels them; returns when none is left. Again: no effect.
  virtual void Stop(absl::Duration grace) = 0;
};

}  // namespace cairn::namenode
