#include "datanode/testing/transfer_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/status_macros.h"

namespace cairn::datanode::testing {
namespace {

using transfer::PacketHeader;

absl::Status Ended() { return absl::UnavailableError("the stream ended"); }

std::span<const std::byte> Bytes(absl::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace

std::string Pattern(size_t size, uint32_t seed) {
  std::string out(size, '\0');
  uint32_t state = seed * 2654435761u + 1;
  for (char& c : out) {
    state = state * 1664525u + 1013904223u;
    c = static_cast<char>(state >> 24);
  }
  return out;
}

hdfs::ExtendedBlockProto TestBlock::ToProto() const {
  hdfs::ExtendedBlockProto proto;
  proto.set_poolid(kPool);
  proto.set_blockid(id);
  proto.set_generationstamp(stamp);
  proto.set_numbytes(length);
  return proto;
}

hdfs::DatanodeInfoProto NodeAt(uint16_t port) {
  hdfs::DatanodeInfoProto node;
  node.mutable_id()->set_ipaddr("127.0.0.1");
  node.mutable_id()->set_hostname("localhost");
  node.mutable_id()->set_datanodeuuid(absl::StrCat("node-", port));
  node.mutable_id()->set_xferport(port);
  node.mutable_id()->set_infoport(0);
  node.mutable_id()->set_ipcport(0);
  return node;
}

hdfs::TokenProto TokenOf(absl::string_view identifier) {
  hdfs::TokenProto token;
  token.set_identifier(std::string(identifier));
  token.set_password("");
  token.set_kind("");
  token.set_service("");
  return token;
}

hdfs::OpWriteBlockProto WriteOp(const TestBlock& block, const std::vector<uint16_t>& targets) {
  hdfs::OpWriteBlockProto op;
  *op.mutable_header()->mutable_baseheader()->mutable_block() = block.ToProto();
  op.mutable_header()->set_clientname("test-client");
  for (const uint16_t port : targets) *op.add_targets() = NodeAt(port);
  op.set_stage(hdfs::OpWriteBlockProto::PIPELINE_SETUP_CREATE);
  op.set_pipelinesize(static_cast<uint32_t>(targets.size() + 1));
  op.set_minbytesrcvd(0);
  op.set_maxbytesrcvd(0);
  op.set_latestgenerationstamp(0);
  *op.mutable_requestedchecksum() = transfer::DataChecksum().ToProto();
  return op;
}

TransferClient::TransferClient(uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
}

TransferClient::TransferClient(const std::string& socket_path)
    : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  CHECK(socket_path.size() < sizeof(address.sun_path));
  std::memcpy(address.sun_path, socket_path.data(), socket_path.size());
  CHECK(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
}

TransferClient::~TransferClient() { Close(); }

void TransferClient::Close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

void TransferClient::ShutdownWrite() { ::shutdown(fd_, SHUT_WR); }

bool TransferClient::Send(absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return true;
}

bool TransferClient::SendOp(transfer::Opcode opcode, const google::protobuf::MessageLite& message) {
  return Send(transfer::EncodeOp(opcode, message));
}

bool TransferClient::ReadFully(void* out, size_t size) {
  return size == 0 || ::recv(fd_, out, size, MSG_WAITALL) == static_cast<ssize_t>(size);
}

bool TransferClient::AtEnd() {
  char byte;
  return ::recv(fd_, &byte, 1, MSG_PEEK) <= 0;
}

absl::StatusOr<std::string> TransferClient::ReadDelimited() {
  uint64_t length = 0;
  for (int shift = 0;; shift += 7) {
    uint8_t next = 0;
    if (shift > 28 || !ReadFully(&next, 1)) return Ended();
    length |= uint64_t{next & 0x7fu} << shift;
    if ((next & 0x80) == 0) break;
  }
  if (length > transfer::kMaxReplyBytes) return absl::InvalidArgumentError("a reply too long");
  std::string body(length, '\0');
  if (!ReadFully(body.data(), body.size())) return Ended();
  return body;
}

absl::StatusOr<hdfs::BlockOpResponseProto> TransferClient::ReadReply() {
  ASSIGN_OR_RETURN(const std::string body, ReadDelimited());
  // The smallest reply that every client understands has 5 bytes with its length.
  if (body.size() < 4) return absl::InvalidArgumentError("a reply below 5 bytes");
  hdfs::BlockOpResponseProto reply;
  if (!reply.ParseFromString(body)) return absl::InvalidArgumentError("no reply");
  return reply;
}

absl::StatusOr<transfer::PipelineAck> TransferClient::ReadAck() {
  ASSIGN_OR_RETURN(const std::string body, ReadDelimited());
  if (body.size() < 4) return absl::InvalidArgumentError("an acknowledgement below 5 bytes");
  std::string framed(1, static_cast<char>(body.size()));
  CHECK(body.size() < 128);
  framed += body;
  ASSIGN_OR_RETURN(const auto taken, transfer::TakeAck(Bytes(framed)));
  return taken->ack;
}

std::string TransferClient::EncodePacket(int64_t seqno, uint64_t offset, absl::string_view data,
                                         bool sync, bool flip) const {
  std::string sums(checksum.ChecksumBytes(data.size()), '\0');
  checksum.Compute(Bytes(data), std::as_writable_bytes(std::span(sums)));
  if (flip) sums.back() = static_cast<char>(sums.back() ^ 1);
  std::array<std::byte, transfer::kMaxEncodedHeaderBytes> head;
  const size_t size =
      transfer::EncodePacketHeader({.offset_in_block = static_cast<int64_t>(offset),
                                    .seqno = seqno,
                                    .data_bytes = static_cast<uint32_t>(data.size()),
                                    .sync_block = sync},
                                   static_cast<uint32_t>(sums.size()), head);
  return absl::StrCat(absl::string_view(reinterpret_cast<const char*>(head.data()), size), sums,
                      data);
}

bool TransferClient::SendPacket(int64_t seqno, uint64_t offset, absl::string_view data, bool sync,
                                bool flip) {
  return Send(EncodePacket(seqno, offset, data, sync, flip));
}

bool TransferClient::SendDamaged(int64_t seqno, uint64_t offset, absl::string_view data,
                                 size_t damaged) {
  std::string packet = EncodePacket(seqno, offset, data, false, false);
  char& byte = packet[packet.size() - data.size() + damaged];
  byte = static_cast<char>(byte ^ 1);
  return Send(packet);
}

bool TransferClient::SendPartOfPacket(uint64_t offset, absl::string_view data, size_t bytes) {
  const std::string packet = EncodePacket(1, offset, data, false, false);
  return Send(absl::string_view(packet).substr(0, packet.size() - data.size() + bytes));
}

bool TransferClient::SendLast(int64_t seqno, uint64_t offset, bool sync) {
  std::array<std::byte, transfer::kMaxEncodedHeaderBytes> head;
  const size_t size = transfer::EncodePacketHeader({.offset_in_block = static_cast<int64_t>(offset),
                                                    .seqno = seqno,
                                                    .last_in_block = true,
                                                    .sync_block = sync},
                                                   0, head);
  return Send(absl::string_view(reinterpret_cast<const char*>(head.data()), size));
}

absl::Status TransferClient::WriteRest(uint64_t offset, absl::string_view data, size_t packet_bytes,
                                       int64_t first_seqno) {
  constexpr int64_t kWindow = 32;  // packets in flight: neither side's socket fills up
  int64_t sent = first_seqno;
  int64_t acked = first_seqno;
  const auto take_ack = [&]() -> absl::Status {
    ASSIGN_OR_RETURN(const transfer::PipelineAck ack, ReadAck());
    if (ack.seqno != acked) {
      return absl::InternalError(absl::StrCat("ack of ", ack.seqno, ", expected ", acked));
    }
    if (!ack.AllSucceeded()) {
      return absl::DataLossError(
          absl::StrCat("node ", *ack.FirstFailure(), " says ", ack.statuses[*ack.FirstFailure()]));
    }
    ++acked;
    return absl::OkStatus();
  };
  for (size_t done = 0; done < data.size();) {
    // A packet that does not begin at a chunk boundary ends at the next.
    const uint64_t at = offset + done;
    const uint64_t into_chunk = at % checksum.bytes_per_checksum();
    const size_t size = into_chunk == 0
                            ? packet_bytes
                            : static_cast<size_t>(checksum.bytes_per_checksum() - into_chunk);
    const absl::string_view piece = data.substr(done, size);
    if (!SendPacket(sent++, at, piece)) return Ended();
    done += piece.size();
    if (sent - acked >= kWindow) RETURN_IF_ERROR(take_ack());
  }
  if (!SendLast(sent++, offset + data.size())) return Ended();
  while (acked < sent) RETURN_IF_ERROR(take_ack());
  return absl::OkStatus();
}

absl::StatusOr<std::string> TransferClient::ReadBlock(const TestBlock& block, uint64_t offset,
                                                      uint64_t length, bool checksums) {
  hdfs::OpReadBlockProto op;
  *op.mutable_header()->mutable_baseheader()->mutable_block() = block.ToProto();
  op.mutable_header()->set_clientname("test-client");
  op.set_offset(offset);
  op.set_len(length);
  op.set_sendchecksums(checksums);
  if (!SendOp(transfer::Opcode::kReadBlock, op)) return Ended();
  ASSIGN_OR_RETURN(const hdfs::BlockOpResponseProto reply, ReadReply());
  if (reply.status() != hdfs::STATUS_SUCCESS) {
    return absl::FailedPreconditionError(
        absl::StrCat(hdfs::Status_Name(reply.status()), ": ", reply.message()));
  }
  ASSIGN_OR_RETURN(const auto sums_kind,
                   transfer::DataChecksum::FromProto(reply.readopchecksuminfo().checksum()));
  const uint64_t first = reply.readopchecksuminfo().chunkoffset();
  if (first > offset || offset - first >= sums_kind.bytes_per_checksum()) {
    return absl::InternalError(absl::StrCat("chunk offset ", first, " for ", offset));
  }
  std::string out;
  for (int64_t seqno = 0;; ++seqno) {
    std::array<std::byte, transfer::kPacketPrefixBytes> prefix_bytes;
    if (!ReadFully(prefix_bytes.data(), prefix_bytes.size())) return Ended();
    ASSIGN_OR_RETURN(const auto prefix, transfer::DecodePacketPrefix(prefix_bytes));
    std::vector<std::byte> header_bytes(prefix.header_bytes);
    if (!ReadFully(header_bytes.data(), header_bytes.size())) return Ended();
    ASSIGN_OR_RETURN(const PacketHeader header, transfer::DecodePacketHeader(header_bytes, prefix));
    std::vector<std::byte> sums(prefix.payload_bytes - header.data_bytes);
    std::string data(header.data_bytes, '\0');
    if (!ReadFully(sums.data(), sums.size()) || !ReadFully(data.data(), data.size())) {
      return Ended();
    }
    if (header.seqno != seqno ||
        static_cast<uint64_t>(header.offset_in_block) != first + out.size()) {
      return absl::InternalError(
          absl::StrCat("packet ", header.seqno, " at ", header.offset_in_block));
    }
    RETURN_IF_ERROR(transfer::CheckChecksumCount(sums_kind, header.data_bytes,
                                                 static_cast<uint32_t>(sums.size())));
    if (sums_kind.FindMismatch(Bytes(data), sums)) return absl::DataLossError("bad checksum");
    out += data;
    if (header.last_in_block) break;
  }
  hdfs::ClientReadStatusProto status;
  status.set_status(hdfs::STATUS_CHECKSUM_OK);
  Send(transfer::EncodeDelimited(status));
  if (out.size() < offset - first + length) return absl::InternalError("too few bytes");
  return out.substr(offset - first, length);
}

}  // namespace cairn::datanode::testing
