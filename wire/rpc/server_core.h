// wire/rpc/server_core.h - the inside of RpcServer: one Shard per I/O thread, and its connections.
//
// Everything of a Shard and of its connections is touched by its own I/O thread only, without
// locks, but for the members said to be shared. What comes from other threads (deferred answers,
// growth of the gate) is handed over as a task, at most one of a kind at a time.
//
// Ownership: a connection is owned by its shard's table until Close(), and by the operation that is
// under way on it. Connections and deferred answers keep the ServerCore alive; the I/O contexts are
// not theirs, so the inbox is shut before the contexts may go.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "boost/asio/awaitable.hpp"
#include "boost/asio/io_context.hpp"
#include "boost/asio/ip/tcp.hpp"
#include "boost/asio/steady_timer.hpp"
#include "common/mutex.h"
#include "wire/rpc/out_buffer.h"
#include "wire/rpc/server.h"

namespace cairn::rpc {

class Connection;

// What is needed of a request to address its answer.
struct ReplyTo {
  int32_t call_id = 0;
  int32_t retry_count = kNoRetryCount;
  std::string client_id;
};

// A deferred answer on its way to its connection's thread.
struct LateAnswer {
  std::weak_ptr<Connection> connection;
  ReplyTo to;
  uint64_t ticket = 0;
  absl::Status error;  // OK: `response` is the answer
  std::string response;
};

class Shard {
 public:
  Shard(ServerCore& core, boost::asio::io_context& context)
      : core_(core), context_(context), sweep_timer_(context) {}

  ServerCore& core() { return core_; }
  boost::asio::io_context& context() { return context_; }

  // --- Any thread. ---
  void Deliver(LateAnswer answer) ABSL_LOCKS_EXCLUDED(inbox_mu_);
  void GateMoved() ABSL_LOCKS_EXCLUDED(inbox_mu_);
  // After this no task is posted any more; late answers are dropped.
  void ShutInbox() ABSL_LOCKS_EXCLUDED(inbox_mu_);

  // --- The shard's thread. ---
  void Adopt(std::shared_ptr<Connection> connection);
  void Forget(Connection* connection);
  void AddWaiting(std::shared_ptr<Connection> connection);
  void BeginDrain();
  void CloseAll();
  boost::asio::awaitable<void> SweepLoop(std::shared_ptr<ServerCore> core);

  bool draining() const { return draining_; }
  // Scratch for the batch under way: what the socket held, and the answers.
  char* read_buffer() { return read_buffer_.get(); }
  static constexpr size_t kReadBufferBytes = size_t{256} << 10;
  OutBuffer& out() { return out_; }

 private:
  void PostLocked(void (Shard::*task)()) ABSL_EXCLUSIVE_LOCKS_REQUIRED(inbox_mu_);
  void TakeInbox() ABSL_LOCKS_EXCLUDED(inbox_mu_);
  void FlushWaiting();
  std::vector<std::shared_ptr<Connection>> AllConnections() const;

  ServerCore& core_;
  boost::asio::io_context& context_;
  const std::unique_ptr<char[]> read_buffer_{new char[kReadBufferBytes]};
  OutBuffer out_;
  absl::flat_hash_map<Connection*, std::shared_ptr<Connection>> connections_;
  std::vector<std::shared_ptr<Connection>> waiting_;  // those with answers behind the gate
  boost::asio::steady_timer sweep_timer_;
  bool draining_ = false;
  bool closed_ = false;

  // Shared with the gate's thread: the size of waiting_, and whether FlushWaiting is posted.
  std::atomic<int> waiting_count_{0};
  std::atomic<bool> flush_posted_{false};

  Mutex inbox_mu_;
  bool inbox_shut_ ABSL_GUARDED_BY(inbox_mu_) = false;
  std::vector<LateAnswer> inbox_ ABSL_GUARDED_BY(inbox_mu_);
};

// What all shards share; constant after construction but for `stats` and the acceptor.
class ServerCore : public std::enable_shared_from_this<ServerCore> {
 public:
  ServerCore(RpcServerOptions options, IoThreads& threads, ReplyGate* gate,
             const std::vector<RpcService*>& services);

  absl::StatusOr<uint16_t> Listen();
  void Run();            // starts accepting and sweeping
  void StopAccepting();  // waits until no more is accepted
  void Shutdown();       // closes everything; waits

  // Runs `task` for each shard on its thread, or here if that has ended, and waits.
  void RunOnShards(const std::function<void(Shard&)>& task);

  uint64_t GatePassed() const { return gate_ == nullptr ? ~uint64_t{0} : gate_->Passed(); }
  ReplyGate* gate() const { return gate_; }
  void GateMoved();
  RpcService* FindService(absl::string_view protocol) const;  // null: none
  // Of one connection from that address, once: its handshake takes longer than the grace. False:
  // it does not count, for too many from there do already, and is to be closed.
  bool HandshakeIsSlow(uint64_t address_key) ABSL_LOCKS_EXCLUDED(pre_auth_mu_);
  // The same: it has a context, or is closed without one. `slow`: it counts among those.
  void HandshakeEnded(uint64_t address_key, bool slow) ABSL_LOCKS_EXCLUDED(pre_auth_mu_);
  void ConnectionClosed() ABSL_LOCKS_EXCLUDED(drain_mu_);
  bool WaitUntilNoneOpen(absl::Duration limit) ABSL_LOCKS_EXCLUDED(drain_mu_);

  const RpcServerOptions options;
  Clock& clock;
  RpcServerStats stats;

 private:
  boost::asio::awaitable<void> AcceptLoop(std::shared_ptr<ServerCore> self);
  void Admit(boost::asio::ip::tcp::socket socket, Shard& shard);
  // False: a limit is reached, for all or for the address.
  bool HandshakeBegins(uint64_t address_key) ABSL_LOCKS_EXCLUDED(pre_auth_mu_);

  ReplyGate* const gate_;
  absl::flat_hash_map<std::string, RpcService*> services_;
  std::vector<std::unique_ptr<Shard>> shards_;
  // On the first shard's thread.
  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::steady_timer accept_pause_;
  size_t next_shard_ = 0;

  Mutex pre_auth_mu_;
  // Only slow ones.
  absl::flat_hash_map<uint64_t, int> pre_auth_by_address_ ABSL_GUARDED_BY(pre_auth_mu_);

  Mutex drain_mu_;  // only for waiting: stats.open_connections is the number
  CondVar none_open_;
};

}  // namespace cairn::rpc
