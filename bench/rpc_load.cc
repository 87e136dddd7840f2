#include "bench/rpc_load.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "bench/measure.h"
#include "common/check.h"
#include "proto/hdfs/ipc.pb.h"
#include "wire/rpc/frame.h"

namespace cairn::bench {
namespace {

constexpr char kClientProtocol[] = "org.apache.hadoop.hdfs.protocol.ClientProtocol";
constexpr size_t kReadBytes = size_t{64} << 10;  // room for a read, at least
constexpr int kSilenceMs = 60'000;

std::string RandomClientId() {
  std::string id(16, '\0');
  CHECK(::getrandom(id.data(), id.size(), 0) == static_cast<ssize_t>(id.size()));
  return id;
}

int Connect(const std::string& host, uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), absl::StrCat(port).c_str(), &hints, &found);
  CHECK(error == 0) << host << ": " << ::gai_strerror(error);
  int fd = -1;
  for (const addrinfo* at = found; at != nullptr && fd < 0; at = at->ai_next) {
    fd = ::socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, 0);
    if (fd >= 0 && ::connect(fd, at->ai_addr, at->ai_addrlen) != 0) {
      ::close(fd);
      fd = -1;
    }
  }
  CHECK(fd >= 0) << host << ":" << port << ": " << std::strerror(errno);
  ::freeaddrinfo(found);
  const int one = 1;
  CHECK(::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == 0);
  CHECK(::fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
  return fd;
}

rpc::RequestHeader Header(int32_t call_id, absl::string_view client_id, int32_t retry_count) {
  return {.rpc_kind = rpc::kRpcKindProtobuf,
          .rpc_op = rpc::kRpcOpFinalPacket,
          .call_id = call_id,
          .client_id = client_id,
          .retry_count = retry_count};
}

}  // namespace

Load::Load(const Options& options)
    : client_id_(RandomClientId()),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      connections_(options.connections),
      slots_(options.connections * options.depth) {
  CHECK(epoll_ >= 0);
  for (Connection& connection : connections_) {
    connection.fd = Connect(options.host, options.port);
    connection.in.resize(4 * kReadBytes);
    epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLET, .data = {.ptr = &connection}};
    CHECK(::epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.fd, &event) == 0);
    if (options.user.empty()) continue;
    hdfs::IpcConnectionContextProto context;
    context.mutable_userinfo()->set_effectiveuser(options.user);
    context.set_protocol(kClientProtocol);
    rpc::EncodePreamble(rpc::AuthByte::kNone, &connection.out);
    rpc::EncodeControl(Header(rpc::kCallIdContext, client_id_, rpc::kNoRetryCount), &context,
                       &connection.out);
  }
  const auto slots = static_cast<int32_t>(slots_.size());
  const int32_t base = (kFirstCallId / slots + 1) * slots;
  for (int32_t i = 0; i < slots; ++i) {
    Slot& slot = slots_[static_cast<size_t>(i)];
    slot.connection = &connections_[static_cast<size_t>(i) / options.depth];
    slot.call_id = base + i;
  }
}

Load::~Load() {
  for (const Connection& connection : connections_) ::close(connection.fd);
  ::close(epoll_);
}

Result Load::Run(const Operation& operation, uint64_t first, uint64_t count) {
  operation_ = &operation;
  next_ = first;
  end_ = first + count;
  latencies_.clear();
  latencies_.reserve(count);
  const double cpu = ThreadCpuSeconds();
  const double start = now_ = Now();
  for (Slot& slot : slots_) Begin(slot);
  for (Connection& connection : connections_) Send(connection);
  std::array<epoll_event, 64> events;
  while (in_flight_ > 0) {
    const int ready = ::epoll_wait(epoll_, events.data(), events.size(), kSilenceMs);
    if (ready < 0 && errno == EINTR) continue;
    CHECK(ready > 0) << "no answer for a minute to " << in_flight_ << " calls of "
                     << operation.front().method;
    for (int i = 0; i < ready; ++i) {
      auto& connection = *static_cast<Connection*>(events[static_cast<size_t>(i)].data.ptr);
      Receive(connection);
      Send(connection);
    }
  }
  return {.seconds = now_ - start,
          .client_cpu_seconds = ThreadCpuSeconds() - cpu,
          .latencies = std::move(latencies_)};
}

void Load::Begin(Slot& slot) {
  if (next_ == end_) return;
  slot.item = next_++;
  slot.step = 0;
  slot.start = now_;
  ++in_flight_;
  Call(slot, {});
}

void Load::Call(Slot& slot, absl::string_view previous) {
  const Step& step = (*operation_)[slot.step];
  slot.call_id += static_cast<int32_t>(slots_.size());
  CHECK_LT(slot.call_id, kEndOfCallIds) << "too many calls for one Load";
  step.ask(slot.item, previous, &request_);
  CHECK(rpc::EncodeCall(Header(slot.call_id, client_id_, /*retry_count=*/0),
                        {.method = step.method, .protocol = kClientProtocol, .version = 1},
                        request_, &slot.connection->out));
}

// What the socket does not take stays in `out`: epoll says when it takes more.
void Load::Send(Connection& connection) {
  while (!connection.out.empty()) {
    const absl::string_view bytes = connection.out.view();
    const ssize_t sent = ::send(connection.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      connection.out.RemovePrefix(static_cast<size_t>(sent));
    } else if (errno == EAGAIN) {
      return;
    } else {
      CHECK(errno == EINTR) << "send: " << std::strerror(errno);
    }
  }
}

void Load::Receive(Connection& connection) {
  for (;;) {
    std::vector<char>& in = connection.in;
    if (in.size() - connection.in_bytes < kReadBytes) in.resize(2 * in.size());
    const size_t room = in.size() - connection.in_bytes;
    const ssize_t count = ::recv(connection.fd, in.data() + connection.in_bytes, room, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) return;
    CHECK(count > 0) << "connection lost: " << (count == 0 ? "end" : std::strerror(errno));
    now_ = Now();
    connection.in_bytes += static_cast<size_t>(count);
    TakeAnswers(connection);
    // A short read of a stream has emptied it (epoll(7)); another would only say so.
    if (static_cast<size_t>(count) < room) return;
  }
}

void Load::TakeAnswers(Connection& connection) {
  absl::string_view bytes(connection.in.data(), connection.in_bytes);
  for (;;) {
    const rpc::FrameScan frame = rpc::ScanFrame(bytes, rpc::kMaxResponseBytes);
    CHECK(frame.result != rpc::FrameScan::kTooLong) << "an answer of impossible length";
    if (frame.result == rpc::FrameScan::kIncomplete) break;
    OnAnswer(bytes.substr(rpc::kLengthBytes, frame.bytes - rpc::kLengthBytes));
    bytes.remove_prefix(frame.bytes);
  }
  std::memmove(connection.in.data(), bytes.data(), bytes.size());
  connection.in_bytes = bytes.size();
}

void Load::OnAnswer(absl::string_view frame) {
  absl::string_view bytes;
  rpc::ResponseHeader header;
  CHECK(rpc::TakeDelimited(&frame, &bytes) && rpc::ParseResponseHeader(bytes, &header))
      << "an answer with a damaged header";
  CHECK(header.status != rpc::RpcStatus::kFatal)
      << header.exception_class << ": " << header.error_message;
  Slot& slot = slots_[static_cast<uint32_t>(header.call_id) % slots_.size()];
  CHECK_EQ(header.call_id, slot.call_id) << "an answer to a call that was not made";
  const Step& step = (*operation_)[slot.step];
  CHECK(header.status == rpc::RpcStatus::kSuccess)
      << step.method << ": " << header.exception_class << ": " << header.error_message;
  absl::string_view answer;
  CHECK(rpc::TakeDelimited(&frame, &answer) && frame.empty()) << step.method << ": damaged answer";
  CHECK(step.check(answer)) << step.method << ": not the answer that was expected";
  if (++slot.step < operation_->size()) return Call(slot, answer);
  latencies_.push_back(static_cast<float>(now_ - slot.start));
  --in_flight_;
  Begin(slot);
}

}  // namespace cairn::bench
