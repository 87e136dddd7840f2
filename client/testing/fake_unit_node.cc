#include "client/testing/fake_unit_node.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <span>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "wire/transfer/ack.h"
#include "wire/transfer/checksum.h"
#include "wire/transfer/op.h"
#include "wire/transfer/packet.h"

namespace cairn::client {
namespace {

std::span<const std::byte> Bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

}  // namespace

FakeGroups::Node::Node(FakeGroups& groups, int index) : groups_(groups), index_(index) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  CHECK(::listen(listener_, 64) == 0);
  socklen_t size = sizeof(address);
  CHECK(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { Accept(); });
}

FakeGroups::Node::~Node() {
  ::shutdown(listener_, SHUT_RDWR);
  thread_.join();
  {
    MutexLock lock(mu_);
    for (const int fd : connections_) ::shutdown(fd, SHUT_RDWR);
  }
  for (std::thread& thread : serving_) thread.join();
  ::close(listener_);
}

void FakeGroups::Node::Accept() {
  while (true) {
    const int fd = ::accept(listener_, nullptr, nullptr);
    if (fd < 0) return;
    {
      MutexLock lock(mu_);
      connections_.insert(fd);
    }
    serving_.emplace_back([this, fd] {
      Socket socket(fd, "client", {});
      Serve(socket);
      MutexLock lock(mu_);
      connections_.erase(fd);
    });
  }
}

void FakeGroups::Node::Serve(Socket& socket) {
  std::string buffered;
  absl::StatusOr<std::optional<transfer::Op>> op;
  while (true) {
    op = transfer::TakeOp(Bytes(buffered));
    CHECK(op.ok()) << op.status();
    if (op->has_value()) break;
    std::byte byte;
    if (!socket.Receive(std::span(&byte, 1)).ok()) return;
    buffered += static_cast<char>(byte);
  }
  CHECK((*op)->opcode == transfer::Opcode::kWriteBlock);
  hdfs::OpWriteBlockProto request;
  CHECK(request.ParseFromString(std::string((*op)->body)));
  hdfs::BlockOpResponseProto reply;
  {
    MutexLock lock(groups_.mu_);
    reply.set_message(groups_.SetUp(index_, request));
  }
  reply.set_status(reply.message().empty() ? hdfs::STATUS_SUCCESS : hdfs::STATUS_ERROR);
  reply.set_firstbadlink("");
  reply.set_signsoflife(request.signoflifems() > 0);
  const std::string bytes = transfer::EncodeDelimited(reply);
  if (!socket.Send(Bytes(bytes)).ok() || reply.status() != hdfs::STATUS_SUCCESS) return;
  while (TakePacket(socket, request.header().baseheader().block().blockid())) {
  }
}

bool FakeGroups::Node::TakePacket(Socket& socket, uint64_t block) {
  std::array<std::byte, transfer::kPacketPrefixBytes> prefix_bytes;
  if (!socket.Receive(prefix_bytes).ok()) return false;
  const auto prefix = transfer::DecodePacketPrefix(prefix_bytes);
  CHECK(prefix.ok());
  std::vector<std::byte> header_bytes(prefix->header_bytes);
  std::vector<std::byte> payload(prefix->payload_bytes);
  if (!socket.Receive(header_bytes).ok() || !socket.Receive(payload).ok()) return false;
  const auto header = transfer::DecodePacketHeader(header_bytes, *prefix);
  CHECK(header.ok());
  const std::span<const std::byte> all = payload;
  const size_t checksum_bytes = payload.size() - header->data_bytes;
  const auto data = all.subspan(checksum_bytes);
  CHECK(!transfer::DataChecksum().FindMismatch(data, all.first(checksum_bytes)).has_value());
  transfer::PipelineAck ack{.seqno = header->seqno, .statuses = {hdfs::STATUS_SUCCESS}};
  {
    MutexLock lock(groups_.mu_);
    if (groups_.silent_.contains(index_)) {
      while (!groups_.ending_) groups_.ended_.Wait(groups_.mu_);
      return false;
    }
    if (header->is_heartbeat()) {
      ++groups_.heartbeats_;
    } else {
      ack.statuses[0] = Store(block, static_cast<uint64_t>(header->offset_in_block), data,
                              header->last_in_block, header->sync_block);
    }
  }
  std::string bytes;
  transfer::AppendAck(ack, bytes);
  return socket.Send(Bytes(bytes)).ok() && ack.AllSucceeded() && !header->last_in_block;
}

hdfs::Status FakeGroups::Node::Store(uint64_t block, uint64_t offset,
                                     std::span<const std::byte> data, bool last, bool sync) {
  Replica& replica = groups_.replicas_[{index_, block}];
  const auto limit = groups_.die_after_.find(index_);
  if (limit != groups_.die_after_.end() && offset + data.size() > limit->second) {
    groups_.refusing_.insert(index_);
    return hdfs::STATUS_ERROR;
  }
  if (last && groups_.dying_at_close_.contains(index_)) return hdfs::STATUS_ERROR;
  if (offset != replica.bytes.size()) {
    groups_.Complain(absl::StrCat("block ", block, ": a packet at ", offset, " after ",
                                  replica.bytes.size(), " bytes"));
    return hdfs::STATUS_ERROR;
  }
  replica.bytes.append(reinterpret_cast<const char*>(data.data()), data.size());
  replica.finished = last;
  replica.synced = last && sync;
  if (last) groups_.history_.push_back("finished");
  return hdfs::STATUS_SUCCESS;
}

}  // namespace cairn::client
