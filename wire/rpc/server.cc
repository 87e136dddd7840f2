#include "wire/rpc/server.h"

#include <exception>
#include <latch>
#include <utility>

#include "absl/strings/str_cat.h"
#include "boost/asio/as_tuple.hpp"
#include "boost/asio/co_spawn.hpp"
#include "boost/asio/post.hpp"
#include "boost/asio/use_awaitable.hpp"
#include "common/check.h"
#include "wire/rpc/connection.h"
#include "wire/rpc/server_core.h"

namespace cairn::rpc {
namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

// Before the next try when accepting failed, mostly because no descriptor is free.
constexpr auto kAcceptPause = std::chrono::milliseconds(100);

asio::ip::address RemoteAddress(const tcp::socket& socket) {
  boost::system::error_code error;
  const tcp::endpoint remote = socket.remote_endpoint(error);
  if (error) return {};  // 0.0.0.0: already gone; the first read will say so
  const asio::ip::address address = remote.address();
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
  }
  return address;
}

// What one client may have alone: an IPv4 address, or an IPv6 network, the first half of the
// address. No network in use begins with 32 zero bits, but for that of ::1.
uint64_t AddressKey(const asio::ip::address& address) {
  if (address.is_v4()) return address.to_v4().to_uint();
  uint64_t network = 0;
  const asio::ip::address_v6::bytes_type bytes = address.to_v6().to_bytes();
  for (size_t i = 0; i < sizeof network; ++i) network = network << 8 | bytes[i];
  return network;
}

}  // namespace

// --- Shard: any thread. ---

void Shard::PostLocked(void (Shard::*task)()) {
  asio::post(context_, [core = core_.shared_from_this(), this, task] { (this->*task)(); });
}

void Shard::Deliver(LateAnswer answer) {
  MutexLock lock(inbox_mu_);
  if (inbox_shut_) return;
  inbox_.push_back(std::move(answer));
  if (inbox_.size() == 1) PostLocked(&Shard::TakeInbox);
}

void Shard::GateMoved() {
  // A read-modify-write, like the one in AddWaiting: whichever comes second sees what the other
  // side wrote before its own, so that either we see the connection or it sees the gate's new
  // value.
  if (waiting_count_.fetch_add(0, std::memory_order_acq_rel) == 0) return;
  if (flush_posted_.exchange(true, std::memory_order_acq_rel)) return;
  MutexLock lock(inbox_mu_);
  if (!inbox_shut_) PostLocked(&Shard::FlushWaiting);
}

void Shard::ShutInbox() {
  std::vector<LateAnswer> dropped;
  MutexLock lock(inbox_mu_);
  inbox_shut_ = true;
  dropped.swap(inbox_);
}

// --- Shard: its thread. ---

void Shard::TakeInbox() {
  std::vector<LateAnswer> answers;
  {
    MutexLock lock(inbox_mu_);
    answers.swap(inbox_);
  }
  std::shared_ptr<Connection> current;
  for (const LateAnswer& answer : answers) {
    std::shared_ptr<Connection> connection = answer.connection.lock();
    if (connection == nullptr || connection->closed()) continue;
    if (current != nullptr && current != connection) current->FinishLateAnswers();
    current = std::move(connection);
    current->AddLateAnswer(answer);
  }
  if (current != nullptr) current->FinishLateAnswers();
}

void Shard::FlushWaiting() {
  flush_posted_.exchange(false, std::memory_order_acq_rel);
  size_t i = 0;
  while (i < waiting_.size()) {
    const std::shared_ptr<Connection> connection = waiting_[i];
    if (!connection->closed()) connection->FlushHeld();
    if (connection->has_held()) {
      ++i;
      continue;
    }
    connection->in_waiting_list = false;
    std::swap(waiting_[i], waiting_.back());
    waiting_.pop_back();
    waiting_count_.fetch_sub(1, std::memory_order_acq_rel);
  }
}

void Shard::AddWaiting(std::shared_ptr<Connection> connection) {
  connection->in_waiting_list = true;
  waiting_.push_back(std::move(connection));
  waiting_count_.fetch_add(1, std::memory_order_acq_rel);
}

void Shard::Adopt(std::shared_ptr<Connection> connection) {
  Connection* const key = connection.get();
  connections_.emplace(key, std::move(connection));
  if (closed_ || draining_) {
    key->Close();
  } else {
    key->Start();
  }
}

void Shard::Forget(Connection* connection) { connections_.erase(connection); }

std::vector<std::shared_ptr<Connection>> Shard::AllConnections() const {
  std::vector<std::shared_ptr<Connection>> all;
  all.reserve(connections_.size());
  for (const auto& [key, connection] : connections_) all.push_back(connection);
  return all;
}

void Shard::BeginDrain() {
  draining_ = true;
  for (const auto& connection : AllConnections()) connection->CloseIfDrained();
}

void Shard::CloseAll() {
  closed_ = true;
  for (const auto& connection : AllConnections()) connection->Close();
  for (const auto& connection : waiting_) connection->in_waiting_list = false;
  waiting_count_.fetch_sub(static_cast<int>(waiting_.size()), std::memory_order_acq_rel);
  waiting_.clear();
  sweep_timer_.cancel();
}

asio::awaitable<void> Shard::SweepLoop(std::shared_ptr<ServerCore> core) {
  while (!closed_) {
    sweep_timer_.expires_after(absl::ToChronoMilliseconds(core->options.sweep_interval));
    co_await sweep_timer_.async_wait(asio::as_tuple(asio::use_awaitable));
    if (closed_) break;
    const absl::Duration now = core->clock.Monotonic();
    for (const auto& connection : AllConnections()) connection->CheckTimeouts(now);
  }
}

// --- ServerCore. ---

ServerCore::ServerCore(RpcServerOptions options_in, IoThreads& threads, ReplyGate* gate,
                       const std::vector<RpcService*>& services)
    : options(std::move(options_in)),
      clock(options.clock == nullptr ? SystemClock() : *options.clock),
      gate_(gate),
      acceptor_(threads.context(0)),
      accept_pause_(threads.context(0)) {
  for (RpcService* const service : services) {
    const bool added = services_.emplace(service->protocol(), service).second;
    CHECK(added) << "two services for " << std::string(service->protocol());
  }
  for (int i = 0; i < threads.size(); ++i) {
    shards_.push_back(std::make_unique<Shard>(*this, threads.context(i)));
  }
}

absl::StatusOr<uint16_t> ServerCore::Listen() {
  boost::system::error_code error;
  const asio::ip::address address = asio::ip::make_address(options.bind_address, error);
  if (error) {
    return absl::InvalidArgumentError(
        absl::StrCat("not a numeric address to listen on: ", options.bind_address));
  }
  const tcp::endpoint endpoint(address, options.port);
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(options.listen_backlog, error);
  const tcp::endpoint bound = error ? endpoint : acceptor_.local_endpoint(error);
  if (error) {
    return absl::UnavailableError(absl::StrCat("cannot listen on ", options.bind_address, " port ",
                                               options.port, ": ", error.message()));
  }
  return bound.port();
}

void ServerCore::Run() {
  const std::shared_ptr<ServerCore> self = shared_from_this();
  // What they throw is lack of memory for the loop itself: without it the server would be deaf.
  const auto end = [](const std::exception_ptr& thrown) {
    if (thrown) std::rethrow_exception(thrown);
  };
  asio::co_spawn(acceptor_.get_executor(), AcceptLoop(self), end);
  for (const auto& shard : shards_) {
    asio::co_spawn(shard->context(), shard->SweepLoop(self), end);
  }
}

asio::awaitable<void> ServerCore::AcceptLoop([[maybe_unused]] std::shared_ptr<ServerCore> self) {
  while (acceptor_.is_open()) {
    Shard& shard = *shards_[next_shard_++ % shards_.size()];
    auto [error, socket] =
        co_await acceptor_.async_accept(shard.context(), asio::as_tuple(asio::use_awaitable));
    if (!acceptor_.is_open()) break;
    if (!error) {
      Admit(std::move(socket), shard);
      continue;
    }
    if (error == asio::error::connection_aborted) continue;  // the client was quicker
    stats.accept_errors.fetch_add(1, std::memory_order_relaxed);
    accept_pause_.expires_after(kAcceptPause);
    co_await accept_pause_.async_wait(asio::as_tuple(asio::use_awaitable));
  }
}

void ServerCore::Admit(tcp::socket socket, Shard& shard) {
  stats.connections_accepted.fetch_add(1, std::memory_order_relaxed);
  const asio::ip::address remote = RemoteAddress(socket);
  const uint64_t address_key = AddressKey(remote);
  if (stats.open_connections.load(std::memory_order_relaxed) >= options.max_connections ||
      !HandshakeBegins(address_key)) {
    stats.connections_refused.fetch_add(1, std::memory_order_relaxed);
    return;  // closes the socket
  }
  stats.open_connections.fetch_add(1, std::memory_order_relaxed);
  boost::system::error_code ignored;  // slower, not wrong, without it
  socket.set_option(tcp::no_delay(true), ignored);
  socket.set_option(tcp::socket::keep_alive(true), ignored);  // finds clients whose machine died
  auto connection = std::make_shared<Connection>(shared_from_this(), shard, std::move(socket),
                                                 remote.to_string(), address_key);
  asio::dispatch(shard.context(), [&shard, connection = std::move(connection)]() mutable {
    shard.Adopt(std::move(connection));
  });
}

bool ServerCore::HandshakeBegins(uint64_t address_key) {
  if (stats.open_pre_auth_connections.load(std::memory_order_relaxed) >=
      options.max_pre_auth_connections) {
    return false;
  }
  MutexLock lock(pre_auth_mu_);
  const auto found = pre_auth_by_address_.find(address_key);
  if (found != pre_auth_by_address_.end() && found->second >= options.max_pre_auth_per_address) {
    return false;
  }
  stats.open_pre_auth_connections.fetch_add(1, std::memory_order_relaxed);
  return true;
}

bool ServerCore::HandshakeIsSlow(uint64_t address_key) {
  MutexLock lock(pre_auth_mu_);
  int& from_there = pre_auth_by_address_[address_key];
  if (from_there >= options.max_pre_auth_per_address) return false;
  ++from_there;
  return true;
}

void ServerCore::HandshakeEnded(uint64_t address_key, bool slow) {
  MutexLock lock(pre_auth_mu_);
  if (slow) {
    const auto found = pre_auth_by_address_.find(address_key);
    CHECK(found != pre_auth_by_address_.end());
    if (--found->second == 0) pre_auth_by_address_.erase(found);
  }
  // Last, and with the lock: whoever sees this number go down finds room for the address as well.
  stats.open_pre_auth_connections.fetch_sub(1, std::memory_order_relaxed);
}

void ServerCore::RunOnShards(const std::function<void(Shard&)>& task) {
  // Shared: the last one to count down is still inside the latch when the wait ends.
  const auto done = std::make_shared<std::latch>(static_cast<ptrdiff_t>(shards_.size()));
  for (const auto& shard : shards_) {
    const auto run = [&task, done, shard = shard.get()] {
      task(*shard);
      done->count_down();
    };
    if (shard->context().stopped()) {
      run();
    } else {
      asio::post(shard->context(), run);
    }
  }
  done->wait();
}

void ServerCore::StopAccepting() {
  RunOnShards([this](Shard& shard) {
    if (&shard != shards_.front().get()) return;
    boost::system::error_code ignored;  // the descriptor is gone in any case
    acceptor_.close(ignored);
    accept_pause_.cancel();
  });
}

void ServerCore::Shutdown() {
  StopAccepting();
  for (const auto& shard : shards_) shard->ShutInbox();
  RunOnShards([](Shard& shard) { shard.CloseAll(); });
}

void ServerCore::GateMoved() {
  for (const auto& shard : shards_) shard->GateMoved();
}

RpcService* ServerCore::FindService(absl::string_view protocol) const {
  const auto found = services_.find(protocol);
  return found == services_.end() ? nullptr : found->second;
}

void ServerCore::ConnectionClosed() {
  if (stats.open_connections.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  MutexLock lock(drain_mu_);
  none_open_.NotifyAll();
}

bool ServerCore::WaitUntilNoneOpen(absl::Duration limit) {
  Clock& time =
      SystemClock();  // what the condition waits by, whatever clock the calls are timed by
  const absl::Duration deadline = time.Monotonic() + limit;
  MutexLock lock(drain_mu_);
  while (stats.open_connections.load(std::memory_order_acquire) > 0) {
    const absl::Duration left = deadline - time.Monotonic();
    if (left <= absl::ZeroDuration()) return false;
    none_open_.WaitFor(drain_mu_, absl::ToChronoMilliseconds(left + absl::Milliseconds(1)));
  }
  return true;
}

// --- RpcServer. ---

absl::StatusOr<std::unique_ptr<RpcServer>> RpcServer::Start(RpcServerOptions options,
                                                            IoThreads& threads, ReplyGate* gate,
                                                            std::vector<RpcService*> services) {
  auto core = std::make_shared<ServerCore>(std::move(options), threads, gate, services);
  const absl::StatusOr<uint16_t> port = core->Listen();
  if (!port.ok()) return port.status();
  std::shared_ptr<void> listener;
  if (gate != nullptr) listener = gate->Listen([core = core.get()] { core->GateMoved(); });
  core->Run();
  return std::unique_ptr<RpcServer>(new RpcServer(std::move(core), *port, std::move(listener)));
}

RpcServer::RpcServer(std::shared_ptr<ServerCore> core, uint16_t port,
                     std::shared_ptr<void> gate_listener)
    : core_(std::move(core)), port_(port), gate_listener_(std::move(gate_listener)) {}

RpcServer::~RpcServer() {
  gate_listener_.reset();
  core_->Shutdown();
}

const RpcServerStats& RpcServer::stats() const { return core_->stats; }

void RpcServer::StopAccepting() { core_->StopAccepting(); }

bool RpcServer::Drain(absl::Duration limit) {
  core_->StopAccepting();
  core_->RunOnShards([](Shard& shard) { shard.BeginDrain(); });
  const bool drained = core_->WaitUntilNoneOpen(limit);
  if (!drained) core_->RunOnShards([](Shard& shard) { shard.CloseAll(); });
  return drained;
}

}  // namespace cairn::rpc
