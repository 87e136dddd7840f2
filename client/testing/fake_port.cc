#include "client/testing/fake_port.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "wire/transfer/checksum.h"

namespace cairn::client {

FakePort::FakePort(Options options) : options_(std::move(options)) {
  options_.path.empty() ? ListenOnLoopback() : ListenAtPath();
  thread_ = std::thread([this] { Accept(); });
}

void FakePort::ListenAtPath() {
  listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  CHECK_LT(options_.path.size(), sizeof(address.sun_path));
  options_.path.copy(address.sun_path, options_.path.size());
  CHECK(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  CHECK(::listen(listener_, 64) == 0);
}

void FakePort::ListenOnLoopback() {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (const int bytes = options_.receive_buffer_bytes; bytes > 0) {
    CHECK(::setsockopt(listener_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)) == 0);
  }
  CHECK(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  CHECK(::listen(listener_, 64) == 0);
  socklen_t size = sizeof(address);
  CHECK(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  port_ = ntohs(address.sin_port);
}

FakePort::~FakePort() {
  ::shutdown(listener_, SHUT_RDWR);
  thread_.join();
  {
    MutexLock lock(mu_);
    for (const int fd : connections_) ::shutdown(fd, SHUT_RDWR);
  }
  for (std::thread& thread : serving_) thread.join();
  ::close(listener_);
}

void FakePort::Close() { ::shutdown(listener_, SHUT_RDWR); }

size_t FakePort::Connections() {
  MutexLock lock(mu_);
  return connections_.size();
}

void FakePort::EndConnections(absl::string_view last_words) {
  MutexLock lock(mu_);
  for (const int fd : connections_) {
    ::send(fd, last_words.data(), last_words.size(), MSG_NOSIGNAL);
    ::shutdown(fd, SHUT_RDWR);
  }
}

void FakePort::Accept() {
  while (true) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    {
      MutexLock lock(mu_);
      connections_.insert(fd);
    }
    serving_.emplace_back([this, fd] {
      {
        Socket socket(fd, "client", {});
        options_.serve(socket);
        MutexLock lock(mu_);
        connections_.erase(fd);
      }
      if (options_.closed) options_.closed();
    });
  }
}

std::optional<FakeOp> TakeOp(Socket& socket) {
  std::string buffered;
  while (true) {
    const auto op = transfer::TakeOp(std::as_bytes(std::span(buffered)));
    CHECK(op.ok()) << op.status();
    if (op->has_value()) return FakeOp{(*op)->opcode, std::string((*op)->body)};
    std::byte byte;
    if (!socket.Receive(std::span(&byte, 1)).ok()) return std::nullopt;
    buffered += static_cast<char>(byte);
  }
}

std::optional<FakePacket> TakePacket(Socket& socket, const transfer::DataChecksum& checksum) {
  std::array<std::byte, transfer::kPacketPrefixBytes> prefix_bytes;
  if (!socket.Receive(prefix_bytes).ok()) return std::nullopt;
  const auto prefix = transfer::DecodePacketPrefix(prefix_bytes);
  CHECK(prefix.ok());
  std::vector<std::byte> header_bytes(prefix->header_bytes);
  FakePacket packet;
  packet.payload.resize(prefix->payload_bytes);
  if (!socket.Receive(header_bytes).ok() || !socket.Receive(packet.payload).ok()) {
    return std::nullopt;
  }
  const auto header = transfer::DecodePacketHeader(header_bytes, *prefix);
  CHECK(header.ok());
  packet.header = *header;
  const std::span<const std::byte> all = packet.payload;
  const auto checksums = all.first(all.size() - header->data_bytes);
  CHECK(!checksum.FindMismatch(packet.data(), checksums).has_value());
  return packet;
}

void Reply(Socket& socket, const google::protobuf::MessageLite& message) {
  const std::string bytes = transfer::EncodeDelimited(message);
  socket.Send(std::as_bytes(std::span(bytes))).IgnoreError();
}

bool SendAck(Socket& socket, const transfer::PipelineAck& ack) {
  std::string bytes;
  transfer::AppendAck(ack, bytes);
  return socket.Send(std::as_bytes(std::span(bytes))).ok();
}

}  // namespace cairn::client
