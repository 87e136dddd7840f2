// wire/rpc/server.h - a port that speaks Hadoop IPC version 9 and serves several protocols.
//
//   accept -> connection on one I/O thread -> read all the socket holds -> Handle() for each call
//                                                         answers of the batch leave in one send
//
// A request runs to completion on the thread that read it: a wake-up of another core costs 40 us,
// more than most calls. Nothing is allocated per call on that way. An answer that waits for the
// ReplyGate (the journal) is kept beside and lets later answers of its connection pass; each growth
// of the gate costs one task per I/O thread, which visits only the connections that have answers
// waiting.
//
// Bounds against hostile or slow clients: see RpcServerOptions. An idle connection holds no buffer
// and no thread; a frame's announced length reserves nothing, memory grows with what has arrived.
//
// Threads: all methods may be called from any thread but the I/O threads.
// Lifetime: the I/O threads, the gate and the services outlive the server; the destructor closes
// every connection, after which no Handle() runs. The I/O threads may have been stopped before, not
// meanwhile.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/net/io_threads.h"
#include "wire/rpc/frame.h"
#include "wire/rpc/service.h"
#include "wire/rpc/session.h"

namespace cairn::rpc {

struct RpcServerOptions {
  std::string bind_address = "0.0.0.0";  // numeric, IPv4 or IPv6
  uint16_t port = 0;                     // 0: any free one, see RpcServer::port()
  int listen_backlog = 1024;

  size_t max_request_bytes = kMaxRequestBytes;    // a longer frame closes its connection
  size_t max_response_bytes = kMaxResponseBytes;  // a longer answer becomes an ERROR
  // Over all connections, bytes of requests that have not fully arrived; the connection that goes
  // beyond is closed.
  size_t max_partial_request_bytes = size_t{512} << 20;
  // The same of answers that wait: for the ReplyGate, or for a client that takes none.
  size_t max_unsent_answer_bytes = size_t{512} << 20;
  // Of either, what a connection may hold whatever the others do: who fills the limits does not
  // have those closed that ask for little.
  size_t connection_share_bytes = size_t{16} << 10;

  int max_connections = 20'000;          // more are accepted and closed at once
  int max_pre_auth_connections = 5'000;  // whose handshake has not ended
  // Of those, from one address, or of IPv6 from one /64, that have taken longer than the grace: so
  // one that lets connections lie keeps nobody out. (One that opens new ones all the time may, for
  // the grace.) Of more, those that get there last are closed. Any number of clients behind one
  // gateway may be connected, and come back at once after a restart.
  int max_pre_auth_per_address = 1'250;
  absl::Duration pre_auth_grace = absl::Seconds(1);  // as exact as the sweep
  // Per connection; reading stops until answers have left.
  int max_calls_in_flight = 1'024;
  size_t max_queued_output_bytes = size_t{16} << 20;

  absl::Duration header_timeout = absl::Seconds(10);   // connect to end of the connection context
  absl::Duration frame_timeout = absl::Seconds(120);   // first to last byte of a frame
  absl::Duration output_timeout = absl::Seconds(120);  // the client takes no byte of its answers
  // Idle connections are closed only while more than the threshold are open: the Go client does not
  // notice a connection closed under it until a call fails.
  absl::Duration idle_timeout = absl::Seconds(20);
  int idle_scan_threshold = 4'000;
  absl::Duration sweep_interval = absl::Seconds(1);  // how often the time-outs are looked at

  ProxyCheck proxy_check;  // none: nobody may impersonate anybody
  Clock* clock = nullptr;  // for the time-outs; none: SystemClock()

  // At most this many connections, and of them the same parts as by default, if that is fewer,
  // whose handshake has not ended.
  void LimitConnections(int most) {
    max_connections = most;
    max_pre_auth_connections = std::min(max_pre_auth_connections, std::max(most / 4, 1));
    max_pre_auth_per_address = std::min(max_pre_auth_per_address, std::max(most / 16, 1));
  }
};

// Only grows, but for the `open_` ones and the bytes that are waiting now: `partial_request_bytes`,
// `unsent_answer_bytes`. Read with relaxed order at any time.
struct RpcServerStats {
  std::atomic<uint64_t> connections_accepted{0};
  std::atomic<uint64_t> connections_refused{0};    // over a limit
  std::atomic<uint64_t> connections_timed_out{0};  // by any of the time-outs
  std::atomic<uint64_t> accept_errors{0};          // such as no descriptors left
  std::atomic<int64_t> open_connections{0};
  std::atomic<int64_t> open_pre_auth_connections{0};
  std::atomic<uint64_t> calls{0};
  std::atomic<uint64_t> errors{0};         // calls answered with ERROR
  std::atomic<uint64_t> fatal_replies{0};  // connections ended by us for what they sent
  std::atomic<uint64_t> reads{0};  // from sockets that held something; each may bring many calls
  std::atomic<uint64_t> bytes_received{0};
  std::atomic<uint64_t> sends{0};  // each may take many answers
  std::atomic<uint64_t> bytes_sent{0};
  std::atomic<int64_t> partial_request_bytes{0};
  std::atomic<int64_t> unsent_answer_bytes{0};
};

class ServerCore;

class RpcServer {
 public:
  // Binds, listens and serves. `gate` may be null if no service ever answers with a ticket.
  // kInvalidArgument: the address is not numeric. kUnavailable: it cannot be bound, with the
  // reason. Two services for one protocol are a bug (CHECK).
  static absl::StatusOr<std::unique_ptr<RpcServer>> Start(RpcServerOptions options,
                                                          IoThreads& threads, ReplyGate* gate,
                                                          std::vector<RpcService*> services);
  ~RpcServer();
  RpcServer(const RpcServer&) = delete;
  RpcServer& operator=(const RpcServer&) = delete;

  uint16_t port() const { return port_; }
  const RpcServerStats& stats() const;

  // Closes the listening socket; connections go on. Idempotent.
  void StopAccepting();

  // Stops accepting, reads no more calls, and closes each connection once its answers have left.
  // False: some were still owed after `limit`; their connections were closed without them.
  bool Drain(absl::Duration limit);

 private:
  RpcServer(std::shared_ptr<ServerCore> core, uint16_t port, std::shared_ptr<void> gate_listener);

  const std::shared_ptr<ServerCore> core_;
  const uint16_t port_;
  std::shared_ptr<void> gate_listener_;
};

}  // namespace cairn::rpc
