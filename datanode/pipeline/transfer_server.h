// datanode/pipeline/transfer_server.h - the data transfer port.
//
// One coroutine per connection, on one of the I/O threads; an idle connection costs its socket and
// a few hundred bytes. Bad input ends the connection it came on and nothing else. A UNIX socket
// serves the same operations to programs of this machine, and passes them descriptors.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "boost/asio/ip/tcp.hpp"
#include "boost/asio/local/stream_protocol.hpp"
#include "boost/asio/steady_timer.hpp"
#include "common/mutex.h"
#include "common/net/io_threads.h"
#include "datanode/pipeline/async.h"
#include "datanode/pipeline/channel.h"
#include "datanode/pipeline/context.h"

namespace cairn::datanode {

class TransferServer {
 public:
  // Binds, listens and serves with context.options. `context` and `threads` outlive the server.
  // kInvalidArgument: the address is not numeric. kUnavailable: it cannot be bound, with the
  // reason.
  static absl::StatusOr<std::unique_ptr<TransferServer>> Start(TransferContext& context,
                                                               IoThreads& threads);
  // Closes every connection, and those to other datanodes, and waits until the last operation has
  // ended. Not from an I/O thread.
  ~TransferServer();

  // Serves at a UNIX socket too, which every user may connect to; one that a dead process left is
  // replaced, and a missing last directory made. Once. kFailedPrecondition: others could put a
  // socket of theirs in its place (common/net/domain_socket.h), or somebody listens there.
  // kUnavailable and others: it cannot be bound. After an error the server is as it was.
  absl::Status ListenLocally(const std::string& path);
  TransferServer(const TransferServer&) = delete;
  TransferServer& operator=(const TransferServer&) = delete;

  uint16_t port() const { return port_; }
  // Connections open now, for placement by load.
  int transfers() const {
    return active_.load(std::memory_order_relaxed) -
           context_.segment_lines.load(std::memory_order_relaxed);
  }

  void StopAccepting();
  // Lets operations finish for `limit`. Clients that are still writing then are told that this node
  // restarts, and what has not ended soon after is closed. Any thread but the I/O threads.
  void Drain(absl::Duration limit);

  // Sends a replica to others, as the namenode ordered. Returns at once; a failure is logged, and
  // told to `failed`, if there is one, on an I/O thread. A copy for the sake of balance goes at its
  // pace, and is given up when StopAccepting is called.
  void Replicate(Push push, std::function<void(const absl::Status&)> failed = nullptr);
  // Runs `work` on an I/O thread as one more transfer, which the server's end waits for: what it
  // waits for should be connections that ConnectToDatanode has made. Returns at once.
  void Run(std::function<awaitable<void>()> work);
  // StopAccepting was called.
  bool stopping() const { return !accepting_.load(); }

 private:
  TransferServer(TransferContext& context, IoThreads& threads);

  // A coroutine that uses the server: counted as long as this lives, whatever it throws.
  class Running;

  template <typename Acceptor>
  void RunAcceptLoop(std::shared_ptr<Acceptor> acceptor) ABSL_LOCKS_EXCLUDED(mu_);
  template <typename Acceptor>
  awaitable<void> AcceptLoop(std::shared_ptr<Acceptor> acceptor, std::shared_ptr<Running> running);
  template <typename Acceptor>
  awaitable<void> AcceptOne(Acceptor& acceptor, boost::asio::steady_timer& pause);
  awaitable<void> Serve(std::shared_ptr<Running> running);
  awaitable<void> ServeOperations(std::shared_ptr<Channel> channel);
  awaitable<bool> ServeOne(std::shared_ptr<Channel> channel);
  void AbortAll() ABSL_LOCKS_EXCLUDED(mu_);
  bool WaitUntilIdle(absl::Duration limit) ABSL_LOCKS_EXCLUDED(mu_);

  TransferContext& context_;
  IoThreads& threads_;
  uint16_t port_ = 0;
  std::shared_ptr<boost::asio::ip::tcp::acceptor> acceptor_;
  std::shared_ptr<boost::asio::local::stream_protocol::acceptor> local_acceptor_;
  std::string local_path_;
  std::atomic<int> active_{0};
  std::atomic<bool> accepting_{true};
  Mutex mu_;
  CondVar idle_;
  uint64_t next_id_ ABSL_GUARDED_BY(mu_) = 1;
  absl::flat_hash_map<uint64_t, std::weak_ptr<Channel>> channels_ ABSL_GUARDED_BY(mu_);
  int running_ ABSL_GUARDED_BY(mu_) = 0;  // coroutines that use this object
};

}  // namespace cairn::datanode
