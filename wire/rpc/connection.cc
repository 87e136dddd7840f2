#include "wire/rpc/connection.h"

#include <sys/socket.h>

#include <cerrno>
#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"
#include "boost/asio/as_tuple.hpp"
#include "boost/asio/co_spawn.hpp"
#include "boost/asio/use_awaitable.hpp"
#include "common/check.h"
#include "wire/rpc/remote_exception.h"

namespace cairn::rpc {
namespace {

namespace asio = boost::asio;

// A batch's answers are sent early when they reach this, so that the buffer stays in cache.
constexpr size_t kSendAtBytes = size_t{256} << 10;
// What an empty buffer may keep: of a connection, and of a shard.
constexpr size_t kKeptConnectionBytes = size_t{16} << 10;
constexpr size_t kKeptShardBytes = size_t{1} << 20;
// How long a connection that we end is kept open for its client to read the reason. Closing at
// once would reset it when unread input remains, and the reset overtakes the reason.
constexpr absl::Duration kLingerTime = absl::Seconds(2);

constexpr uint64_t kClientProtocolVersion = 1;
constexpr size_t kShownNameBytes = 128;  // of a protocol that nobody knows

ResponseHeader HeaderFor(const RequestHeader& request) {
  ResponseHeader header;
  header.call_id = request.call_id;
  header.client_id = request.client_id;
  header.retry_count = request.retry_count;
  return header;
}

ResponseHeader HeaderFor(const ReplyTo& to) {
  ResponseHeader header;
  header.call_id = to.call_id;
  header.client_id = to.client_id;
  header.retry_count = to.retry_count;
  return header;
}

}  // namespace

// Lives on the service's thread; hands its answer to the shard's inbox.
class Connection::Deferred final : public DeferredReply::Impl {
 public:
  Deferred(std::shared_ptr<ServerCore> core, Shard& shard, std::weak_ptr<Connection> connection,
           const RequestHeader& header)
      : core_(std::move(core)), shard_(shard) {
    answer_.connection = std::move(connection);
    answer_.to = {header.call_id, header.retry_count, std::string(header.client_id)};
  }
  ~Deferred() override {
    if (!answered_) FailAt(0, MakeFsError(FsError::kIo, "the server dropped the call"));
  }

  void SendBytesAt(uint64_t ticket, std::string response) override {
    answered_ = true;
    answer_.ticket = ticket;
    answer_.response = std::move(response);
    shard_.Deliver(std::move(answer_));
  }
  void FailAt(uint64_t ticket, absl::Status error) override {
    CHECK(!error.ok()) << "failed with OK";
    answered_ = true;
    answer_.ticket = ticket;
    answer_.error = std::move(error);
    shard_.Deliver(std::move(answer_));
  }
  // Best effort: its own work keeps a closed connection for a moment, and so does an answer that
  // waits for the journal.
  bool ConnectionGone() const override { return answer_.connection.expired(); }

 private:
  const std::shared_ptr<ServerCore> core_;  // keeps the shard
  Shard& shard_;
  LateAnswer answer_;
  bool answered_ = false;
};

class Connection::Reply final : public RpcReply {
 public:
  Reply(Connection& connection, const RequestHeader& header)
      : connection_(connection), header_(header) {}
  ~Reply() { CHECK(answered_) << "a service returned without an answer"; }

  void SendAt(uint64_t ticket, const google::protobuf::MessageLite& response) override {
    Answering();
    const ResponseHeader header = HeaderFor(header_);
    connection_.AddSuccess(header, ticket, [&](size_t max_bytes, OutBuffer* out) {
      return EncodeResponse(header, response, max_bytes, out);
    });
  }
  void SendBytesAt(uint64_t ticket, absl::string_view response) override {
    Answering();
    const ResponseHeader header = HeaderFor(header_);
    connection_.AddSuccess(header, ticket, [&](size_t max_bytes, OutBuffer* out) {
      return EncodeResponseBytes(header, response, max_bytes, out);
    });
  }
  void FailAt(uint64_t ticket, const absl::Status& error) override {
    Answering();
    connection_.AddStatus(HeaderFor(header_), ticket, error);
  }
  DeferredReply Defer() override {
    Answering();
    ++connection_.deferred_;
    return DeferredReply(std::make_unique<Deferred>(connection_.core_, connection_.shard_,
                                                    connection_.weak_from_this(), header_));
  }

 private:
  void Answering() { CHECK(!std::exchange(answered_, true)) << "a call was answered twice"; }

  Connection& connection_;
  const RequestHeader& header_;
  bool answered_ = false;
};

Connection::Connection(std::shared_ptr<ServerCore> core, Shard& shard, asio::ip::tcp::socket socket,
                       std::string remote_ip, uint64_t address_key)
    : core_(std::move(core)),
      shard_(shard),
      socket_(std::move(socket)),
      fd_(socket_.native_handle()),
      remote_ip_(std::move(remote_ip)),
      address_key_(address_key),
      session_(remote_ip_, core_->options.proxy_check),
      opened_(core_->clock.Monotonic()),
      last_read_(opened_),
      frame_began_(opened_) {}

Connection::~Connection() = default;

void Connection::Start() { SpawnReadLoop(); }

void Connection::Close() {
  if (closed_) return;
  const auto self = shared_from_this();  // the shard's table may hold the last other reference
  closed_ = true;
  boost::system::error_code ignored;  // the descriptor is gone in any case
  socket_.close(ignored);
  std::string().swap(pending_);
  AccountPending();
  held_.clear();
  held_head_ = 0;
  for (OutBuffer* const unsent : {&out_, &held_bytes_}) {
    unsent->Clear();
    unsent->Shrink(0);
  }
  AccountOutput();
  EndHandshake();
  shard_.Forget(this);
  core_->ConnectionClosed();
}

void Connection::EndHandshake() {
  if (std::exchange(counted_pre_auth_, false)) {
    core_->HandshakeEnded(address_key_, counted_slow_);
  }
}

// --- Reading. ---

void Connection::SpawnReadLoop() {
  reading_ = true;
  asio::co_spawn(socket_.get_executor(), ReadLoop(shared_from_this()),
                 [self = shared_from_this()](const std::exception_ptr& thrown) {
                   if (thrown) self->Close();  // out of memory for this client's bytes
                 });
}

// Waits without a buffer: an idle connection costs its object and this frame.
asio::awaitable<void> Connection::ReadLoop([[maybe_unused]] std::shared_ptr<Connection> self) {
  while (!closed_) {
    const auto [error] = co_await socket_.async_wait(asio::ip::tcp::socket::wait_read,
                                                     asio::as_tuple(asio::use_awaitable));
    if (error || closed_) break;
    try {
      ReadSocket();
    } catch (...) {          // no memory for what was read or is to be sent; no call was under way
      shard_.out().Clear();  // the next connection's answers go there
      throw;
    }
    if (!lingering_ && must_pause()) break;
  }
  reading_ = false;
}

void Connection::ReadSocket() {
  const ssize_t received = ::recv(fd_, shard_.read_buffer(), Shard::kReadBufferBytes, MSG_DONTWAIT);
  if (received < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return;
  if (received <= 0) {
    Close();  // the client has gone, or the connection broke
    return;
  }
  last_read_ = core_->clock.Monotonic();
  core_->stats.reads.fetch_add(1, std::memory_order_relaxed);
  core_->stats.bytes_received.fetch_add(static_cast<uint64_t>(received), std::memory_order_relaxed);
  OnBytes({shard_.read_buffer(), static_cast<size_t>(received)});
  FinishBatch();
  ServePending();
}

void Connection::OnBytes(absl::string_view bytes) {
  // First what completes the frame at hand, and no more, so that the ones behind it are handled
  // where they lie, without a copy.
  while (!bytes.empty() && !pending_.empty() && !stalled_) {
    const size_t take = std::min(MissingBytes(), bytes.size());
    pending_.append(bytes.data(), take);
    bytes.remove_prefix(take);
    ErasePending(HandleFrames(pending_));
  }
  if (closed_ || lingering_) return;
  if (pending_.empty()) bytes.remove_prefix(HandleFrames(bytes));
  if (closed_ || lingering_) return;
  pending_.append(bytes.data(), bytes.size());
}

size_t Connection::MissingBytes() const {
  const size_t wanted = session_.preamble_done()
                            ? ScanFrame(pending_, core_->options.max_request_bytes).bytes
                            : kPreambleBytes;
  CHECK_GT(wanted, pending_.size());
  return wanted - pending_.size();
}

void Connection::ErasePending(size_t bytes) {
  if (closed_ || bytes == 0) return;
  if (bytes < pending_.size()) {
    pending_.erase(0, bytes);
    return;
  }
  pending_.clear();
  if (pending_.capacity() > kKeptConnectionBytes) std::string().swap(pending_);
}

size_t Connection::HandleFrames(absl::string_view bytes) {
  const size_t all = bytes.size();
  while (!bytes.empty()) {
    if (closed_ || lingering_) return all;  // discarded
    if (!session_.preamble_done()) {
      if (ScanPreamble(bytes) == Preamble::kIncomplete) break;
      Obey(session_.OnPreamble(bytes, &shard_.out()));
      bytes.remove_prefix(std::min(kPreambleBytes, bytes.size()));
      continue;
    }
    const size_t limit = session_.max_frame_bytes(core_->options.max_request_bytes);
    const FrameScan scan = ScanFrame(bytes, limit);
    if (scan.result == FrameScan::kTooLong) {
      core_->stats.fatal_replies.fetch_add(1, std::memory_order_relaxed);
      Close();  // as Hadoop does: what follows cannot be told from the rest of the frame
      return all;
    }
    if (scan.result == FrameScan::kIncomplete) break;
    if (must_pause()) {
      stalled_ = true;
      break;
    }
    frame_finished_ = true;
    HandleFrame(bytes.substr(kLengthBytes, scan.bytes - kLengthBytes));
    bytes.remove_prefix(scan.bytes);
    if (shard_.out().size() >= kSendAtBytes) SendBatch();
  }
  return all - bytes.size();
}

void Connection::HandleFrame(absl::string_view frame) {
  IncomingCall call;
  const Session::Next next = session_.OnFrame(frame, &call, &shard_.out());
  if (next == Session::Next::kCall) {
    HandleCall(call);
    return;
  }
  if (session_.established()) EndHandshake();
  Obey(next);
}

void Connection::Obey(Session::Next next) {
  if (next == Session::Next::kClose) Close();
  if (next != Session::Next::kCloseAfterReply) return;
  core_->stats.fatal_replies.fetch_add(1, std::memory_order_relaxed);
  lingering_ = true;
  linger_began_ = core_->clock.Monotonic();
  // The client gives up all its calls when it reads the reply.
  held_.clear();
  held_head_ = 0;
  held_bytes_.Clear();
}

void Connection::HandleCall(const IncomingCall& call) {
  ++batch_calls_;
  if (last_service_ == nullptr || call.method.protocol != last_protocol_) {
    RpcService* const service = core_->FindService(call.method.protocol);
    if (service == nullptr) {
      AddStatus(HeaderFor(call.header), 0,
                MakeFsError(FsError::kNoSuchProtocol,
                            absl::StrCat("Unknown protocol: ",
                                         call.method.protocol.substr(0, kShownNameBytes))));
      return;
    }
    last_service_ = service;
    last_protocol_.assign(call.method.protocol.data(), call.method.protocol.size());
  }
  if (call.method.version != kClientProtocolVersion) {
    AddError(HeaderFor(call.header), 0, kVersionMismatch,
             absl::StrCat("Protocol ", call.method.protocol, " version mismatch. (client = ",
                          call.method.version, ", server = ", kClientProtocolVersion, ")\n"),
             RpcErrorCode::kRpcVersionMismatch);
    return;
  }
  CallInfo info{.principal = session_.principal(), .remote_ip = remote_ip_};
  info.has_client_id = call.header.client_id.size() == info.client_id.size();
  if (info.has_client_id) {
    std::copy(call.header.client_id.begin(), call.header.client_id.end(), info.client_id.begin());
  }
  info.call_id = call.header.call_id;
  info.retry_count = call.header.retry_count;
  info.caller_context = call.header.caller_context;
  Reply reply(*this, call.header);
  // What a service throws is want of memory, and what it was doing may be half done: the process
  // ends here (common/out_of_memory.h), before `reply` takes that for a forgotten answer.
  [&]() noexcept { last_service_->Handle(info, call.method.method, call.request, reply); }();
}

// --- Answering. ---

OutBuffer& Connection::PlaceFor(uint64_t ticket) {
  if (ticket > passed_) passed_ = core_->GatePassed();
  return ticket > passed_ ? held_bytes_ : shard_.out();
}

void Connection::Placed(const OutBuffer& place, size_t bytes_before, uint64_t ticket) {
  if (&place != &held_bytes_) return;
  if (has_held()) ticket = std::max(ticket, held_.back().ticket);
  held_.push_back({ticket, place.size() - bytes_before});
}

template <typename Encode>
void Connection::AddSuccess(const ResponseHeader& header, uint64_t ticket, const Encode& encode) {
  if (closed_ || lingering_) return;
  OutBuffer& place = PlaceFor(ticket);
  const size_t before = place.size();
  if (encode(core_->options.max_response_bytes, &place)) {
    Placed(place, before, ticket);
    return;
  }
  AddError(
      header, ticket, kRpcServerException,
      absl::StrCat("The response is longer than ", core_->options.max_response_bytes, " bytes\n"),
      RpcErrorCode::kSerializingResponse);
}

void Connection::AddStatus(const ResponseHeader& header, uint64_t ticket,
                           const absl::Status& error) {
  const RemoteException exception = ToRemoteException(error);
  AddError(header, ticket, exception.class_name, exception.text, exception.code);
}

void Connection::AddError(ResponseHeader header, uint64_t ticket, absl::string_view class_name,
                          absl::string_view text, RpcErrorCode code) {
  if (closed_ || lingering_) return;
  core_->stats.errors.fetch_add(1, std::memory_order_relaxed);
  header.status = RpcStatus::kError;
  header.exception_class = class_name;
  header.error_message = text;
  header.error_code = code;
  OutBuffer& place = PlaceFor(ticket);
  const size_t before = place.size();
  EncodeErrorResponse(header, &place);
  Placed(place, before, ticket);
}

void Connection::AddLateAnswer(const LateAnswer& answer) {
  --deferred_;
  const ResponseHeader header = HeaderFor(answer.to);
  if (!answer.error.ok()) {
    AddStatus(header, answer.ticket, answer.error);
    return;
  }
  AddSuccess(header, answer.ticket, [&](size_t max_bytes, OutBuffer* out) {
    return EncodeResponseBytes(header, answer.response, max_bytes, out);
  });
}

void Connection::FinishLateAnswers() {
  FinishBatch();
  Resume();
}

void Connection::FinishBatch() {
  SendBatch();
  if (batch_calls_ > 0) {
    core_->stats.calls.fetch_add(std::exchange(batch_calls_, 0), std::memory_order_relaxed);
  }
  if (closed_) return;
  AccountPending();
  if (std::exchange(frame_finished_, false) || pending_.empty()) frame_began_ = last_read_;
  SendPassed();
  if (has_held() && !in_waiting_list) {
    shard_.AddWaiting(shared_from_this());
    SendPassed();  // the gate may have moved just before it could know of us
  }
  AccountOutput();
  BeginLinger();
  CloseIfDrained();
}

void Connection::SendBatch() {
  OutBuffer& out = shard_.out();
  Transmit(out.view());
  out.Clear();
  out.Shrink(kKeptShardBytes);
}

void Connection::SendPassed() {
  if (!has_held()) return;
  passed_ = core_->GatePassed();
  size_t bytes = 0;
  while (has_held() && held_[held_head_].ticket <= passed_) bytes += held_[held_head_++].bytes;
  if (bytes == 0) return;
  if (!has_held()) {
    held_.clear();
    held_head_ = 0;
  } else if (held_head_ >= held_.size() / 2) {
    held_.erase(held_.begin(), held_.begin() + static_cast<ptrdiff_t>(held_head_));
    held_head_ = 0;
  }
  Transmit(held_bytes_.view().substr(0, bytes));
  if (closed_) return;  // and nothing is held
  held_bytes_.RemovePrefix(bytes);
  held_bytes_.Shrink(kKeptConnectionBytes);
}

void Connection::FlushHeld() {
  SendPassed();
  AccountOutput();
  Resume();
  CloseIfDrained();
}

// --- Sending. ---

void Connection::Transmit(absl::string_view bytes) {
  if (closed_ || bytes.empty()) return;
  if (out_.empty()) {
    bytes.remove_prefix(SendSome(bytes));
    if (closed_ || bytes.empty()) return;
    output_moved_ = core_->clock.Monotonic();
  }
  out_.Append(bytes);
  WaitWritable();
}

size_t Connection::SendSome(absl::string_view bytes) {
  size_t sent = 0;
  uint64_t calls = 0;
  while (sent < bytes.size()) {
    ++calls;
    const ssize_t n =
        ::send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) {
      sent += static_cast<size_t>(n);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      break;
    } else if (errno != EINTR) {
      Close();
      break;
    }
  }
  core_->stats.sends.fetch_add(calls, std::memory_order_relaxed);
  core_->stats.bytes_sent.fetch_add(sent, std::memory_order_relaxed);
  return sent;
}

void Connection::WaitWritable() {
  if (std::exchange(waiting_writable_, true)) return;
  socket_.async_wait(asio::ip::tcp::socket::wait_write,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       self->waiting_writable_ = false;
                       if (!error && !self->closed_) self->OnWritable();
                     });
}

void Connection::OnWritable() {
  const size_t sent = SendSome(out_.view());
  if (closed_) return;
  out_.RemovePrefix(sent);
  AccountOutput();
  if (sent > 0) output_moved_ = core_->clock.Monotonic();
  if (!out_.empty()) {
    WaitWritable();
  } else {
    out_.Shrink(kKeptConnectionBytes);
    BeginLinger();
    CloseIfDrained();
  }
  Resume();
}

// --- Pausing, lingering, ending. ---

bool Connection::must_pause() const {
  return calls_in_flight() >= static_cast<size_t>(core_->options.max_calls_in_flight) ||
         out_.size() + held_bytes_.size() >= core_->options.max_queued_output_bytes ||
         shard_.draining();
}

// Handles the whole frames that a pause left in pending_.
void Connection::ServePending() {
  while (stalled_ && !closed_ && !lingering_ && !must_pause()) {
    stalled_ = false;
    ErasePending(HandleFrames(pending_));
    FinishBatch();
  }
}

void Connection::Resume() {
  if (reading_ || closed_) return;
  ServePending();
  if (!reading_ && !closed_ && (lingering_ || !must_pause())) SpawnReadLoop();
}

void Connection::BeginLinger() {
  if (!lingering_ || closed_ || write_shut_ || !out_.empty()) return;
  write_shut_ = true;
  ::shutdown(fd_, SHUT_WR);
}

void Connection::CloseIfDrained() {
  if (shard_.draining() && idle()) Close();
}

void Connection::AccountPending() {
  Account(pending_.size(), accounted_pending_, core_->stats.partial_request_bytes,
          core_->options.max_partial_request_bytes);
}

void Connection::AccountOutput() {
  Account(out_.size() + held_bytes_.size(), accounted_output_, core_->stats.unsent_answer_bytes,
          core_->options.max_unsent_answer_bytes);
}

void Connection::Account(size_t now, size_t& accounted, std::atomic<int64_t>& all, size_t limit) {
  if (now == accounted) return;
  const auto change = static_cast<int64_t>(now) - static_cast<int64_t>(accounted);
  accounted = now;
  const int64_t before = all.fetch_add(change, std::memory_order_relaxed);
  if (change > 0 && before + change > static_cast<int64_t>(limit) &&
      now > core_->options.connection_share_bytes) {
    core_->stats.connections_refused.fetch_add(1, std::memory_order_relaxed);
    Close();
  }
}

void Connection::CheckTimeouts(absl::Duration now) {
  if (closed_) return;
  const RpcServerOptions& options = core_->options;
  bool in_others_way = false;
  if (counted_pre_auth_ && !counted_slow_ && now - opened_ >= options.pre_auth_grace) {
    counted_slow_ = core_->HandshakeIsSlow(address_key_);
    in_others_way = !counted_slow_;
  }
  const bool header_late = !session_.established() && now - opened_ >= options.header_timeout;
  const bool frame_late =
      !pending_.empty() && !stalled_ && now - frame_began_ >= options.frame_timeout;
  const bool output_late = !out_.empty() && now - output_moved_ >= options.output_timeout;
  const bool crowded =
      core_->stats.open_connections.load(std::memory_order_relaxed) > options.idle_scan_threshold;
  const bool idle_long = crowded && idle() && now - last_read_ >= options.idle_timeout;
  const bool lingered = lingering_ && now - linger_began_ >= kLingerTime;
  if (!in_others_way && !header_late && !frame_late && !output_late && !idle_long && !lingered)
    return;
  if (!lingered) core_->stats.connections_timed_out.fetch_add(1, std::memory_order_relaxed);
  Close();
}

}  // namespace cairn::rpc
