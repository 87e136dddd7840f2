#include "wire/rpc/client.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <exception>
#include <latch>
#include <span>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "boost/asio/as_tuple.hpp"
#include "boost/asio/awaitable.hpp"
#include "boost/asio/co_spawn.hpp"
#include "boost/asio/ip/tcp.hpp"
#include "boost/asio/post.hpp"
#include "boost/asio/steady_timer.hpp"
#include "boost/asio/use_awaitable.hpp"
#include "common/check.h"
#include "common/clock.h"
#include "common/mutex.h"
#include "common/net/io_threads.h"
#include "common/random_bytes.h"
#include "common/status_macros.h"
#include "proto/hdfs/ipc.pb.h"
#include "wire/parse_message.h"
#include "wire/rpc/out_buffer.h"
#include "wire/rpc/remote_exception.h"

namespace cairn::rpc {
namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

// How often deadlines, back-off and pings are looked at, while calls are under way.
constexpr absl::Duration kTick = absl::Milliseconds(100);
constexpr size_t kReadBytes = size_t{64} << 10;
constexpr size_t kKeptBytes = size_t{256} << 10;

struct PendingCall {
  int32_t id = 0;
  std::string method;
  std::string request;
  google::protobuf::MessageLite* response = nullptr;
  std::function<void(absl::Status)> done;
  Idempotency idempotency = Idempotency::kAtMostOnce;
  absl::Duration deadline;  // monotonic times
  absl::Duration trouble_since = absl::InfiniteDuration();
  absl::Duration not_before = absl::ZeroDuration();  // of the next sending
  int32_t retry_count = 0;
  int busy_answers = 0;
  bool sent = false;  // on the connection that is open now
};

using CallPtr = std::unique_ptr<PendingCall>;

struct Finished {
  CallPtr call;
  absl::Status status;
};

void Deliver(std::vector<Finished> finished) {
  for (Finished& each : finished) each.call->done(std::move(each.status));
}

absl::Status ParseBody(absl::string_view body, google::protobuf::MessageLite* response) {
  absl::string_view message;
  if (!TakeDelimited(&body, &message) || !body.empty() || !ParseMessage(message, response)) {
    return absl::InternalError("the server's answer does not parse");
  }
  return absl::OkStatus();
}

bool IsBusy(const absl::Status& status) {
  const FsError error = GetFsError(status);
  return error == FsError::kRetriable || error == FsError::kStandby;
}

}  // namespace

// The connection is made, read and closed by one I/O thread; writing and the table of calls are
// shared with the callers, under mu_. Callbacks run without it.
class RpcClient::Impl : public std::enable_shared_from_this<RpcClient::Impl> {
 public:
  Impl(RpcClientOptions options, asio::io_context& context)
      : options_(std::move(options)),
        context_(context),
        resolver_(context),
        socket_(context),
        backoff_timer_(context),
        tick_timer_(context) {
    FillRandom(std::as_writable_bytes(std::span(client_id_)));
  }

  void Submit(CallPtr call) ABSL_LOCKS_EXCLUDED(mu_);
  void Shutdown() ABSL_LOCKS_EXCLUDED(mu_);

  absl::Duration Now() const { return SystemClock().Monotonic(); }
  const ClientId& client_id() const { return client_id_; }
  std::string address() const { return absl::StrCat(options_.host, ":", options_.port); }
  void CountRetry(PendingCall& call) const {
    ++call.retry_count;
    if (options_.retries != nullptr) options_.retries->fetch_add(1, std::memory_order_relaxed);
  }

 private:
  using Lock = MutexLock;

  absl::string_view client_id_view() const {
    return {reinterpret_cast<const char*>(client_id_.data()), client_id_.size()};
  }

  // --- The I/O thread. ---
  asio::awaitable<void> Run(std::shared_ptr<Impl> self);
  asio::awaitable<absl::Status> Connect();
  asio::awaitable<absl::Status> ReadAnswers();
  // Takes the frames at the front of in_. An error ends the connection.
  absl::Status TakeFrames(std::vector<Finished>* finished) ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status TakeFrame(absl::string_view frame, std::vector<Finished>* finished)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Opened() ABSL_LOCKS_EXCLUDED(mu_);
  void Broken(const absl::Status& reason) ABSL_LOCKS_EXCLUDED(mu_);
  bool GoOn() ABSL_LOCKS_EXCLUDED(mu_);  // false: nobody needs a connection; the loop ends
  absl::Duration NextBackoff(int attempt);
  void Tick() ABSL_LOCKS_EXCLUDED(mu_);
  void ArmTick();
  void WaitWritable();
  void OnWritable() ABSL_LOCKS_EXCLUDED(mu_);

  // --- Any thread. ---
  void SendLocked(PendingCall& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void SendBytesLocked(absl::string_view bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  size_t WriteSomeLocked(absl::string_view bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  CallPtr TakeLocked(int32_t id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::vector<int32_t> IdsLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const RpcClientOptions options_;
  ClientId client_id_;

  // The I/O thread only.
  asio::io_context& context_;
  tcp::resolver resolver_;
  tcp::socket socket_;
  asio::steady_timer backoff_timer_;
  asio::steady_timer tick_timer_;
  std::string in_;  // the start of an answer
  std::unique_ptr<char[]> read_buffer_;
  absl::BitGen random_;
  int failed_attempts_ = 0;    // since the last answer
  bool unanswerable_ = false;  // the server refused the connection itself: no call will do better
  absl::Duration connect_deadline_ = absl::InfiniteDuration();
  absl::Duration last_heard_;
  absl::Duration last_ping_;

  Mutex mu_;
  absl::flat_hash_map<int32_t, CallPtr> calls_ ABSL_GUARDED_BY(mu_);
  int32_t next_call_id_ ABSL_GUARDED_BY(mu_) = 0;
  int fd_ ABSL_GUARDED_BY(mu_) = -1;    // >= 0: connected; may be written to under mu_
  OutBuffer out_ ABSL_GUARDED_BY(mu_);  // what the socket did not take yet
  OutBuffer scratch_ ABSL_GUARDED_BY(mu_);
  std::string last_error_ ABSL_GUARDED_BY(mu_) = "not connected yet";
  bool running_ ABSL_GUARDED_BY(mu_) = false;  // Run() is under way, or about to be
  bool ticking_ ABSL_GUARDED_BY(mu_) = false;
  bool waiting_writable_ ABSL_GUARDED_BY(mu_) = false;
  bool shut_ ABSL_GUARDED_BY(mu_) = false;
};

// --- Any thread. ---

void RpcClient::Impl::Submit(CallPtr call) {
  bool refused = false;
  {
    Lock lock(mu_);
    refused = shut_;
    if (!refused) {
      do {  // ids of calls under way are skipped: after 2^31 calls one may still be there
        call->id = next_call_id_;
        next_call_id_ = next_call_id_ == INT32_MAX ? 0 : next_call_id_ + 1;
      } while (calls_.contains(call->id));
      PendingCall& entry = *calls_.emplace(call->id, std::move(call)).first->second;
      if (fd_ >= 0) SendLocked(entry);
      if (!std::exchange(running_, true)) {
        asio::co_spawn(context_, Run(shared_from_this()), [](const std::exception_ptr& thrown) {
          if (thrown) std::rethrow_exception(thrown);  // out of memory
        });
      }
      if (!std::exchange(ticking_, true)) {
        asio::post(context_, [self = shared_from_this()] { self->ArmTick(); });
      }
    }
  }
  if (refused) call->done(absl::CancelledError("the RPC client was closed"));
}

void RpcClient::Impl::SendLocked(PendingCall& call) {
  const RequestHeader header{.rpc_kind = kRpcKindProtobuf,
                             .rpc_op = kRpcOpFinalPacket,
                             .call_id = call.id,
                             .client_id = client_id_view(),
                             .retry_count = call.retry_count,
                             .caller_context = options_.caller_context};
  scratch_.Clear();
  scratch_.Shrink(kKeptBytes);
  const bool fits =
      EncodeCall(header, {.method = call.method, .protocol = options_.protocol, .version = 1},
                 call.request, &scratch_);
  CHECK(fits) << "an overlong request was to be refused before";
  call.sent = true;
  SendBytesLocked(scratch_.view());
}

void RpcClient::Impl::SendBytesLocked(absl::string_view bytes) {
  if (out_.empty()) bytes.remove_prefix(WriteSomeLocked(bytes));
  if (bytes.empty()) return;
  out_.Append(bytes);
  if (std::exchange(waiting_writable_, true)) return;
  asio::post(context_, [self = shared_from_this()] { self->WaitWritable(); });
}

// An error is left to the reader, which sees it too.
size_t RpcClient::Impl::WriteSomeLocked(absl::string_view bytes) {
  size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t n =
        ::send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) {
      sent += static_cast<size_t>(n);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return sent;
    } else if (errno != EINTR) {
      return bytes.size();
    }
  }
  return sent;
}

CallPtr RpcClient::Impl::TakeLocked(int32_t id) {
  const auto found = calls_.find(id);
  if (found == calls_.end()) return nullptr;  // it has timed out
  CallPtr call = std::move(found->second);
  calls_.erase(found);
  return call;
}

// In order of submission, but for a wrap.
std::vector<int32_t> RpcClient::Impl::IdsLocked() const {
  std::vector<int32_t> ids;
  ids.reserve(calls_.size());
  for (const auto& [id, call] : calls_) ids.push_back(id);
  std::sort(ids.begin(), ids.end());
  return ids;
}

void RpcClient::Impl::Shutdown() {
  std::vector<Finished> finished;
  {
    Lock lock(mu_);
    shut_ = true;
    for (const int32_t id : IdsLocked()) {
      finished.push_back({TakeLocked(id), absl::CancelledError("the RPC client was closed")});
    }
  }
  const auto done = std::make_shared<std::latch>(1);
  const auto close = [this, done] {
    boost::system::error_code ignored;  // the descriptor is gone in any case
    {
      Lock lock(mu_);
      fd_ = -1;
      socket_.close(ignored);
    }
    resolver_.cancel();
    backoff_timer_.cancel();
    tick_timer_.cancel();
    done->count_down();
  };
  if (context_.stopped()) {
    close();
  } else {
    asio::post(context_, close);
  }
  done->wait();
  Deliver(std::move(finished));
}

// --- The I/O thread: making the connection. ---

asio::awaitable<void> RpcClient::Impl::Run([[maybe_unused]] std::shared_ptr<Impl> self) {
  do {
    if (failed_attempts_ > 0) {
      backoff_timer_.expires_after(absl::ToChronoMilliseconds(NextBackoff(failed_attempts_)));
      co_await backoff_timer_.async_wait(asio::as_tuple(asio::use_awaitable));
    }
    ++failed_attempts_;  // until an answer says otherwise
    absl::Status end = co_await Connect();
    if (end.ok()) end = co_await ReadAnswers();
    Broken(end);
  } while (GoOn());
}

bool RpcClient::Impl::GoOn() {
  Lock lock(mu_);
  running_ = !shut_ && !calls_.empty();
  return running_;
}

absl::Duration RpcClient::Impl::NextBackoff(int attempt) {
  const absl::Duration full =
      std::min(options_.backoff_max, options_.backoff_min * (1 << std::min(attempt - 1, 10)));
  return full * absl::Uniform(random_, 0.5, 1.0);  // clients of a restarted server come apart
}

asio::awaitable<absl::Status> RpcClient::Impl::Connect() {
  auto [resolve_error, endpoints] = co_await resolver_.async_resolve(
      options_.host, absl::StrCat(options_.port), asio::as_tuple(asio::use_awaitable));
  if (resolve_error) {
    co_return absl::UnavailableError(
        absl::StrCat("cannot resolve ", options_.host, ": ", resolve_error.message()));
  }
  absl::Status last = absl::UnavailableError(absl::StrCat(options_.host, " has no address"));
  for (const auto& entry : endpoints) {
    connect_deadline_ = Now() + options_.connect_timeout;
    socket_ = tcp::socket(context_);
    const auto [error] =
        co_await socket_.async_connect(entry.endpoint(), asio::as_tuple(asio::use_awaitable));
    const bool late = Now() >= connect_deadline_;
    connect_deadline_ = absl::InfiniteDuration();
    if (!error) {
      Opened();
      co_return absl::OkStatus();
    }
    last = absl::UnavailableError(
        absl::StrCat("cannot connect to ", entry.endpoint().address().to_string(), ":",
                     options_.port, ": ", late ? "timed out" : error.message()));
    {
      Lock lock(mu_);
      if (shut_) break;
    }
  }
  co_return last;
}

void RpcClient::Impl::Opened() {
  boost::system::error_code ignored;  // slower, not wrong, without these
  socket_.set_option(tcp::no_delay(true), ignored);
  const auto patience = static_cast<unsigned>(
      absl::ToInt64Milliseconds(std::min(2 * options_.ping_interval, absl::Hours(24))));
  ::setsockopt(socket_.native_handle(), IPPROTO_TCP, TCP_USER_TIMEOUT, &patience, sizeof patience);
  in_.clear();
  last_heard_ = last_ping_ = Now();

  hdfs::IpcConnectionContextProto context;
  context.mutable_userinfo()->set_effectiveuser(options_.user);
  if (!options_.real_user.empty()) context.mutable_userinfo()->set_realuser(options_.real_user);
  context.set_protocol(options_.protocol);
  OutBuffer hello;
  EncodePreamble(AuthByte::kNone, &hello);
  EncodeControl({.rpc_kind = kRpcKindProtobuf,
                 .rpc_op = kRpcOpFinalPacket,
                 .call_id = kCallIdContext,
                 .client_id = client_id_view()},
                &context, &hello);

  Lock lock(mu_);
  if (shut_) {
    socket_.close(ignored);  // Shutdown() came between
    return;
  }
  fd_ = socket_.native_handle();
  out_.Clear();
  SendBytesLocked(hello.view());
  const absl::Duration now = Now();
  for (const int32_t id : IdsLocked()) {
    PendingCall& call = *calls_[id];
    if (call.not_before <= now) SendLocked(call);
  }
}

// Ends the connection: calls that may be sent again wait for the next one.
void RpcClient::Impl::Broken(const absl::Status& reason) {
  std::vector<Finished> finished;
  {
    Lock lock(mu_);
    fd_ = -1;
    boost::system::error_code ignored;  // the descriptor is gone in any case
    socket_.close(ignored);
    out_.Clear();
    last_error_ = std::string(reason.message());
    const absl::Duration now = Now();
    for (const int32_t id : IdsLocked()) {
      PendingCall& call = *calls_[id];
      if (unanswerable_) {
        finished.push_back({TakeLocked(id), reason});
        continue;
      }
      call.trouble_since = std::min(call.trouble_since, now);
      if (!std::exchange(call.sent, false)) continue;
      if (call.idempotency == Idempotency::kNone) {
        finished.push_back(
            {TakeLocked(id), absl::DeadlineExceededError(absl::StrCat(
                                 call.method, " to ", address(), ": the connection broke (",
                                 last_error_, "), whether it was carried out is unknown"))});
        continue;
      }
      CountRetry(call);
    }
  }
  unanswerable_ = false;
  std::string().swap(in_);
  Deliver(std::move(finished));
}

// --- The I/O thread: answers. ---

asio::awaitable<absl::Status> RpcClient::Impl::ReadAnswers() {
  if (read_buffer_ == nullptr) read_buffer_.reset(new char[kReadBytes]);
  for (;;) {
    const auto [error, received] = co_await socket_.async_read_some(
        asio::buffer(read_buffer_.get(), kReadBytes), asio::as_tuple(asio::use_awaitable));
    if (error == asio::error::eof) {
      co_return absl::UnavailableError("the server closed the connection");
    }
    if (error) co_return absl::UnavailableError(error.message());
    last_heard_ = Now();
    in_.append(read_buffer_.get(), received);
    std::vector<Finished> finished;
    const absl::Status status = TakeFrames(&finished);
    Deliver(std::move(finished));
    if (!status.ok()) co_return status;
  }
}

absl::Status RpcClient::Impl::TakeFrames(std::vector<Finished>* finished) {
  absl::string_view rest = in_;
  {
    Lock lock(mu_);
    for (;;) {
      const FrameScan scan = ScanFrame(rest, options_.max_response_bytes);
      if (scan.result == FrameScan::kIncomplete) break;
      if (scan.result == FrameScan::kTooLong) {
        unanswerable_ = true;  // asking again would bring it again
        return absl::InternalError(absl::StrCat("an answer of ", scan.bytes, " bytes from ",
                                                address(), " is over the limit of ",
                                                options_.max_response_bytes));
      }
      RETURN_IF_ERROR(TakeFrame(rest.substr(kLengthBytes, scan.bytes - kLengthBytes), finished));
      rest.remove_prefix(scan.bytes);
    }
  }
  in_.erase(0, in_.size() - rest.size());
  if (in_.empty() && in_.capacity() > kKeptBytes) std::string().swap(in_);
  return absl::OkStatus();
}

absl::Status RpcClient::Impl::TakeFrame(absl::string_view frame, std::vector<Finished>* finished) {
  absl::string_view header_bytes;
  ResponseHeader header;
  if (!TakeDelimited(&frame, &header_bytes) || !ParseResponseHeader(header_bytes, &header)) {
    unanswerable_ = true;
    return absl::InternalError(absl::StrCat("damaged answer from ", address()));
  }
  failed_attempts_ = 0;
  const bool ours = header.client_id.empty() || header.client_id == client_id_view();
  CallPtr call = ours ? TakeLocked(header.call_id) : nullptr;
  if (header.status == RpcStatus::kSuccess) {
    if (call == nullptr) return absl::OkStatus();
    absl::Status status = ParseBody(frame, call->response);
    finished->push_back({std::move(call), std::move(status)});
    return absl::OkStatus();
  }
  absl::Status error = FromRemoteException(header.exception_class, header.error_message);
  if (header.status == RpcStatus::kFatal) {
    if (call != nullptr) finished->push_back({std::move(call), error});
    unanswerable_ = true;
    return error;
  }
  if (call == nullptr) return absl::OkStatus();
  const absl::Duration now = Now();
  call->trouble_since = std::min(call->trouble_since, now);
  const bool again = options_.retry_busy && IsBusy(error) &&
                     now - call->trouble_since < options_.retry_time && !shut_;
  if (!again) {
    finished->push_back({std::move(call), std::move(error)});
    return absl::OkStatus();
  }
  call->sent = false;
  CountRetry(*call);
  call->not_before = now + NextBackoff(++call->busy_answers);
  last_error_ = std::string(error.message());
  const int32_t id = call->id;
  calls_.emplace(id, std::move(call));
  return absl::OkStatus();
}

// --- The I/O thread: time, and what the socket did not take. ---

void RpcClient::Impl::ArmTick() {
  tick_timer_.expires_after(absl::ToChronoMilliseconds(kTick));
  tick_timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    if (!error) self->Tick();
  });
}

void RpcClient::Impl::Tick() {
  const absl::Duration now = Now();
  std::vector<Finished> finished;
  {
    Lock lock(mu_);
    ticking_ = !shut_ && !calls_.empty();
    if (!ticking_) return;
    for (const int32_t id : IdsLocked()) {
      PendingCall& call = *calls_[id];
      const bool waits = !call.sent;
      if (now >= call.deadline) {
        finished.push_back({TakeLocked(id), absl::DeadlineExceededError(absl::StrCat(
                                                call.method, " to ", address(), " timed out"))});
      } else if (waits && now - call.trouble_since >= options_.retry_time) {
        finished.push_back(
            {TakeLocked(id), absl::UnavailableError(
                                 absl::StrCat(call.method, " to ", address(), ": ", last_error_))});
      } else if (waits && fd_ >= 0 && call.not_before <= now) {
        SendLocked(call);
      }
    }
    const absl::Duration quiet_since = std::max(last_heard_, last_ping_);
    if (fd_ >= 0 && now - quiet_since >= options_.ping_interval) {
      OutBuffer ping;
      EncodeControl({.rpc_kind = kRpcKindProtobuf,
                     .rpc_op = kRpcOpFinalPacket,
                     .call_id = kCallIdPing,
                     .client_id = client_id_view()},
                    nullptr, &ping);
      SendBytesLocked(ping.view());
      last_ping_ = now;
    }
  }
  if (now >= connect_deadline_) {
    boost::system::error_code ignored;  // Connect() sees the operation end
    socket_.close(ignored);
  }
  Deliver(std::move(finished));
  ArmTick();
}

void RpcClient::Impl::WaitWritable() {
  socket_.async_wait(
      tcp::socket::wait_write,
      [self = shared_from_this()](const boost::system::error_code&) { self->OnWritable(); });
}

void RpcClient::Impl::OnWritable() {
  Lock lock(mu_);
  waiting_writable_ = false;
  if (fd_ < 0) return;  // Opened() begins anew
  out_.RemovePrefix(WriteSomeLocked(out_.view()));
  if (out_.empty()) {
    out_.Shrink(kKeptBytes);
    return;
  }
  waiting_writable_ = true;
  WaitWritable();
}

// --- RpcClient. ---

RpcClient::RpcClient(RpcClientOptions options, IoThreads& threads)
    : impl_(std::make_shared<Impl>(std::move(options), threads.Next())) {}

RpcClient::~RpcClient() { impl_->Shutdown(); }

void RpcClient::CallAsync(absl::string_view method, const google::protobuf::MessageLite& request,
                          google::protobuf::MessageLite* response, const CallOptions& options,
                          std::function<void(absl::Status)> done) {
  auto call = std::make_unique<PendingCall>();
  call->method = std::string(method);
  // What the headers may take beside it is left for them.
  if (request.ByteSizeLong() > kMaxRequestBytes - kMaxPreAuthBytes) {
    done(absl::InvalidArgumentError(
        absl::StrCat(method, ": the request is over the limit of 64 MiB")));
    return;
  }
  request.SerializeToString(&call->request);
  call->response = response;
  call->done = std::move(done);
  call->idempotency = options.idempotency;
  call->deadline = impl_->Now() + options.timeout;
  impl_->Submit(std::move(call));
}

absl::Status RpcClient::Call(absl::string_view method, const google::protobuf::MessageLite& request,
                             google::protobuf::MessageLite* response, const CallOptions& options) {
  Mutex mu;
  CondVar answered;
  bool done = false;
  absl::Status result;
  CallAsync(method, request, response, options, [&](absl::Status status) {
    MutexLock lock(mu);
    result = std::move(status);
    done = true;
    answered.NotifyOne();  // under the lock: the waiter's stack goes when it sees `done`
  });
  MutexLock lock(mu);
  while (!done) answered.Wait(mu);
  return result;
}

const ClientId& RpcClient::client_id() const { return impl_->client_id(); }

std::string RpcClient::address() const { return impl_->address(); }

}  // namespace cairn::rpc
