#include "datanode/pipeline/transfer_server.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <exception>
#include <thread>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "boost/asio/co_spawn.hpp"
#include "boost/asio/ip/address.hpp"
#include "boost/asio/post.hpp"
#include "common/clock.h"
#include "common/io/file_system.h"
#include "common/logging.h"
#include "common/net/domain_socket.h"
#include "common/status_macros.h"
#include "datanode/pipeline/log_thrown.h"
#include "wire/parse_message.h"
#include "wire/transfer/op.h"

namespace cairn::datanode {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using LocalProtocol = asio::local::stream_protocol;
using transfer::Opcode;

constexpr absl::Duration kAcceptRetry = absl::Milliseconds(100);
constexpr std::chrono::milliseconds kMemoryRetry{10};
// For a client to hear that this node restarts, and to leave.
constexpr absl::Duration kNoticeTime = absl::Seconds(2);

// The longest that is usual. What is longer keeps no room to spare, for as long as the operation
// takes: a few bytes on the wire can be a hundred times as many in memory.
constexpr size_t kUsualOpBytes = size_t{4} << 10;

// Parses the operation and runs it; a body that does not parse ends the connection.
template <typename Message>
awaitable<bool> Dispatch(awaitable<bool> (*run)(TransferContext&, std::shared_ptr<Channel>,
                                                Message),
                         TransferContext& context, std::shared_ptr<Channel> channel,
                         std::string* body) {
  Message message;
  const bool unusual = body->size() > kUsualOpBytes;
  const bool parsed = ParseMessage(*body, &message);
  std::string().swap(*body);
  // Nobody looks at these, and a pipeline's next node is not sent them, as by HDFS's datanodes:
  // they write anew what they know. Whether it gets them must not depend on the operation's length.
  if (parsed) message.DiscardUnknownFields();
  if (parsed && unusual) message = Message(message);
  if (!parsed) {
    LOG_EVERY_SECONDS(kWarn, 10, "{}: an operation that does not parse", channel->PeerName());
    co_return false;
  }
  co_return co_await run(context, channel, std::move(message));
}

// For everybody to pass through, whatever the umask.
absl::Status MakeSocketDirectory(const std::string& path) {
  if (::access(path.c_str(), F_OK) == 0) return absl::OkStatus();
  RETURN_IF_ERROR(CheckDomainSocketPath(path, /*must_exist=*/false));
  if (::mkdir(path.c_str(), 0755) != 0 || ::chmod(path.c_str(), 0755) != 0) {
    return absl::ErrnoToStatus(errno, path);
  }
  LOG_INFO("{}: made", path);
  return absl::OkStatus();
}

// What a process that is gone has left at `path`, if anything. `path` is short enough for a socket.
absl::Status RemoveDeadSocket(const std::string& path) {
  struct stat there {};
  if (::lstat(path.c_str(), &there) != 0) {
    return errno == ENOENT ? absl::OkStatus() : absl::ErrnoToStatus(errno, path);
  }
  if (!S_ISSOCK(there.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat(path, ": is there and is no socket"));
  }
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) return absl::ErrnoToStatus(errno, "socket");
  const absl::Cleanup close = [probe] { ::close(probe); };
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  // A process that is stopped, or has its queue full, has EAGAIN given.
  if (::connect(probe, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 ||
      errno == EAGAIN) {
    return absl::FailedPreconditionError(absl::StrCat(path, ": another process serves it"));
  }
  if (errno != ECONNREFUSED || ::unlink(path.c_str()) != 0) {
    return absl::ErrnoToStatus(errno, path);
  }
  return absl::OkStatus();
}

}  // namespace

TransferServer::TransferServer(TransferContext& context, IoThreads& threads)
    : context_(context), threads_(threads) {}

absl::StatusOr<std::unique_ptr<TransferServer>> TransferServer::Start(TransferContext& context,
                                                                      IoThreads& threads) {
  boost::system::error_code error;
  const auto address = asio::ip::make_address(context.options.bind_address, error);
  if (error) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", context.options.bind_address, "\" is no numeric address"));
  }
  std::unique_ptr<TransferServer> server(new TransferServer(context, threads));
  const tcp::endpoint endpoint(address, context.options.port);
  auto acceptor = std::make_shared<tcp::acceptor>(threads.context(0));
  acceptor->open(endpoint.protocol(), error);
  if (!error) acceptor->set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor->bind(endpoint, error);
  if (!error) acceptor->listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    return absl::UnavailableError(absl::StrCat("data transfer port ", context.options.bind_address,
                                               ":", context.options.port, ": ", error.message()));
  }
  server->port_ = acceptor->local_endpoint().port();
  server->acceptor_ = acceptor;
  server->RunAcceptLoop(acceptor);
  return server;
}

absl::Status TransferServer::ListenLocally(const std::string& path) {
  RETURN_IF_ERROR(MakeSocketDirectory(ParentDirectory(path)));
  RETURN_IF_ERROR(CheckDomainSocketPath(path, /*must_exist=*/false));
  RETURN_IF_ERROR(RemoveDeadSocket(path));
  const LocalProtocol::endpoint endpoint(path);
  boost::system::error_code error;
  auto acceptor = std::make_shared<LocalProtocol::acceptor>(threads_.context(0));
  acceptor->open(endpoint.protocol(), error);
  if (!error) acceptor->bind(endpoint, error);
  // Whoever may read over TCP may do so here: who it is makes no difference to either.
  if (!error && ::chmod(path.c_str(), 0666) != 0) error.assign(errno, error.category());
  if (!error) acceptor->listen(asio::socket_base::max_listen_connections, error);
  if (error) return absl::UnavailableError(absl::StrCat(path, ": ", error.message()));
  local_acceptor_ = acceptor;
  local_path_ = path;
  RunAcceptLoop(acceptor);
  return absl::OkStatus();
}

// With a channel: a connection that is served.
class TransferServer::Running {
 public:
  enum Kind { kTransfer, kNone };
  Running(TransferServer& server, Kind kind, std::shared_ptr<Channel> connection = nullptr)
      : channel(std::move(connection)), server_(server), kind_(kind) {
    {
      MutexLock lock(server_.mu_);
      if (channel != nullptr) server_.channels_.emplace(id_ = server_.next_id_++, channel);
      ++server_.running_;
    }
    if (kind_ == kTransfer) server_.active_.fetch_add(1);
  }
  ~Running() {
    if (channel != nullptr) channel->Close();
    if (kind_ == kTransfer) server_.active_.fetch_sub(1);
    MutexLock lock(server_.mu_);
    server_.channels_.erase(id_);
    --server_.running_;
    server_.idle_.NotifyAll();
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  const std::shared_ptr<Channel> channel;

 private:
  TransferServer& server_;
  const Kind kind_;
  uint64_t id_ = 0;
};

template <typename Acceptor>
void TransferServer::RunAcceptLoop(std::shared_ptr<Acceptor> acceptor) {
  auto running = std::make_shared<Running>(*this, Running::kNone);
  asio::co_spawn(
      threads_.context(0),
      [this, acceptor, running = std::move(running)]() mutable {
        return AcceptLoop(acceptor, std::move(running));
      },
      LogThrown("accepting connections"));
}

TransferServer::~TransferServer() {
  StopAccepting();
  AbortAll();
  WaitUntilIdle(absl::InfiniteDuration());
}

void TransferServer::StopAccepting() {
  if (!accepting_.exchange(false) || acceptor_ == nullptr) return;  // null: the port was taken
  asio::post(threads_.context(0), [acceptor = acceptor_, local = local_acceptor_] {
    boost::system::error_code ignored;
    acceptor->close(ignored);
    if (local != nullptr) local->close(ignored);
  });
  if (!local_path_.empty()) ::unlink(local_path_.c_str());
  context_.slots.EndAll();
}

void TransferServer::Drain(absl::Duration limit) {
  StopAccepting();
  if (WaitUntilIdle(limit)) return;
  context_.writers.AnnounceRestart();
  if (!WaitUntilIdle(kNoticeTime)) AbortAll();
  WaitUntilIdle(std::max(limit, kNoticeTime));
}

void TransferServer::AbortAll() {
  {
    MutexLock lock(mu_);
    for (const auto& [id, weak] : channels_) {
      if (const auto channel = weak.lock()) channel->Abort();
    }
  }
  // Last, so that no writer hears from here that it is the next node that has failed.
  context_.outgoing_stop.request_stop();
}

bool TransferServer::WaitUntilIdle(absl::Duration limit) {
  const auto deadline = std::chrono::steady_clock::now() +
                        absl::ToChronoNanoseconds(std::min(limit, absl::Hours(24)));
  MutexLock lock(mu_);
  while (running_ > 0) {
    const auto left = deadline - std::chrono::steady_clock::now();
    if (left.count() <= 0 || !idle_.WaitFor(mu_, left)) return running_ == 0;
  }
  return true;
}

template <typename Acceptor>
awaitable<void> TransferServer::AcceptLoop(std::shared_ptr<Acceptor> acceptor,
                                           std::shared_ptr<Running> running) {
  (void)running;                                       // until the end
  asio::steady_timer pause(acceptor->get_executor());  // made while there is memory
  bool pausing = false;
  while (accepting_.load()) {
    try {
      if (pausing) {
        boost::system::error_code ignored;
        pause.expires_after(kMemoryRetry);
        co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
        pausing = false;
      }
      co_await AcceptOne(*acceptor, pause);
    } catch (const std::exception& error) {
      // No memory for this connection, which is closed; there may be for others later.
      LOG_EVERY_SECONDS(kWarn, 10, "accept on the data transfer port: {}", error.what());
      // For the pause neither: the thread's other connections have to stand still.
      if (std::exchange(pausing, true)) std::this_thread::sleep_for(kMemoryRetry);
    }
  }
}

template <typename Acceptor>
awaitable<void> TransferServer::AcceptOne(Acceptor& acceptor, asio::steady_timer& pause) {
  boost::system::error_code error;
  asio::io_context& context = threads_.Next();
  Channel::Socket socket =
      co_await acceptor.async_accept(context, asio::redirect_error(asio::use_awaitable, error));
  if (!accepting_.load()) co_return;
  if (error) {
    // Out of descriptors, for one: others may be closed soon.
    LOG_EVERY_SECONDS(kWarn, 10, "accept on the data transfer port: {}", error.message());
    pause.expires_after(absl::ToChronoNanoseconds(kAcceptRetry));
    co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
    co_return;
  }
  if (transfers() >= context_.options.max_transfers) {
    LOG_EVERY_SECONDS(kWarn, 10, "{} transfers are running: a connection is refused", transfers());
    co_return;  // closes it
  }
  auto channel = std::make_shared<Channel>(std::move(socket), context_.options.header_limit);
  channel->Tune(context_.options.congestion_control);
  auto running = std::make_shared<Running>(*this, Running::kTransfer, std::move(channel));
  asio::co_spawn(
      context, [this, running = std::move(running)]() mutable { return Serve(std::move(running)); },
      LogThrown("a transfer"));
}

awaitable<void> TransferServer::Serve(std::shared_ptr<Running> running) {
  co_await ServeOperations(running->channel);
}

awaitable<void> TransferServer::ServeOperations(std::shared_ptr<Channel> channel) {
  bool again = true;
  absl::Duration wait = context_.options.header_limit;
  while (again && accepting_.load()) {
    channel->SetIdleLimit(wait);
    const absl::StatusOr<bool> at_end = co_await channel->AtEnd();
    if (!at_end.ok() || *at_end) co_return;
    again = co_await ServeOne(channel);
    wait = context_.options.keepalive;
  }
}

awaitable<bool> TransferServer::ServeOne(std::shared_ptr<Channel> channel) {
  channel->SetTotalLimit(context_.options.header_limit);
  Opcode opcode{};
  std::string body;
  while (true) {
    const auto op = transfer::TakeOp(channel->pending());
    if (!op.ok()) {
      LOG_EVERY_SECONDS(kWarn, 10, "{}: {}", channel->PeerName(), op.status());
      co_return false;
    }
    if (op->has_value()) {
      opcode = (*op)->opcode;
      body = std::string((*op)->body);
      auto& pending = channel->pending();
      pending.erase(pending.begin(),
                    pending.begin() + static_cast<std::ptrdiff_t>((*op)->consumed));
      if (body.size() > kUsualOpBytes) pending.shrink_to_fit();
      break;
    }
    if (!(co_await channel->ReadMore()).ok()) co_return false;
  }
  channel->SetIdleLimit(context_.options.idle_limit);
  switch (opcode) {
    case Opcode::kWriteBlock:
      co_return co_await Dispatch(&WriteBlock, context_, channel, &body);
    case Opcode::kReadBlock:
      co_return co_await Dispatch(&ReadBlock, context_, channel, &body);
    case Opcode::kTransferBlock:
      co_return co_await Dispatch(&TransferBlock, context_, channel, &body);
    case Opcode::kBlockChecksum:
      co_return co_await Dispatch(&BlockChecksum, context_, channel, &body);
    case Opcode::kBlockGroupChecksum:
      co_return co_await Dispatch(&BlockGroupChecksum, context_, channel, &body);
    case Opcode::kCopyBlock:
    case Opcode::kReplaceBlock:
      (void)co_await SendError(*channel, hdfs::STATUS_ERROR, "operation not supported");
      co_return false;
    case Opcode::kRequestShortCircuitFds:
      co_return co_await Dispatch(&RequestShortCircuitFds, context_, channel, &body);
    case Opcode::kRequestShortCircuitShm:
      co_return co_await Dispatch(&RequestShortCircuitShm, context_, channel, &body);
    case Opcode::kReleaseShortCircuitFds:
      co_return co_await Dispatch(&ReleaseShortCircuitFds, context_, channel, &body);
    default:
      break;
  }
  LOG_EVERY_SECONDS(kWarn, 10, "{}: unknown operation {}", channel->PeerName(),
                    static_cast<int>(opcode));
  co_return false;
}

void TransferServer::Replicate(Push push, std::function<void(const absl::Status&)> failed) {
  if (push.balance_bytes_per_second != 0) {
    push.pace = [this, own = std::make_shared<BalanceThrottle>(push.balance_bytes_per_second)](
                    uint64_t bytes) -> absl::StatusOr<absl::Duration> {
      if (stopping()) return absl::CancelledError("this datanode stops");
      const absl::Duration now = SystemClock().Monotonic();
      const absl::Duration wait =
          std::max(context_.balance.Reserve(bytes, now), own->Reserve(bytes, now));
      if (wait < context_.options.idle_limit) return wait;
      return absl::CancelledError("the bandwidth for balance is too low for its copies");
    };
  }
  Run([this, push = std::move(push), failed = std::move(failed)]() -> awaitable<void> {
    const absl::Status status = co_await PushReplica(context_, push);
    if (status.ok()) co_return;
    LOG_WARN("replicating {}: {}", NameOf(push.block), status);
    if (failed) failed(status);
  });
}

void TransferServer::Run(std::function<awaitable<void>()> work) {
  auto running = std::make_shared<Running>(*this, Running::kTransfer);
  asio::co_spawn(
      threads_.Next(),
      [work = std::move(work), running = std::move(running)]() mutable -> awaitable<void> {
        const auto until_the_end = std::move(running);
        co_await work();
      },
      LogThrown("a transfer to another datanode"));
}

}  // namespace cairn::datanode
