#include "client/remote_block_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/transfer_reply.h"
#include "common/status_macros.h"
#include "proto/hdfs/data_transfer.pb.h"
#include "wire/transfer/op.h"

namespace cairn::client {

using transfer::kPacketPrefixBytes;
using transfer::kPlainHeaderBytes;

namespace {

constexpr size_t kLowWaterBytes = size_t{256} << 10;
constexpr int64_t kPacketsBetweenLooks = 16;  // at the receive buffer, which the kernel makes grow

}  // namespace

RemoteBlockReader::RemoteBlockReader(Socket socket, const Request& request)
    : socket_(std::move(socket)),
      end_(request.offset + request.length),
      verify_(request.verify),
      position_(request.offset) {}

absl::StatusOr<std::unique_ptr<RemoteBlockReader>> RemoteBlockReader::Open(Socket socket,
                                                                           const Request& request) {
  hdfs::OpReadBlockProto op;
  auto& header = *op.mutable_header();
  *header.mutable_baseheader()->mutable_block() = request.block;
  *header.mutable_baseheader()->mutable_token() = request.token;
  header.set_clientname(request.client_name);
  op.set_offset(request.offset);
  op.set_len(request.length);
  op.set_sendchecksums(request.verify);
  if (request.interrupt != nullptr) RETURN_IF_ERROR(request.interrupt->Watch(socket));
  socket.SetReadTimeout(request.silence_limit);
  std::unique_ptr<RemoteBlockReader> reader(new RemoteBlockReader(std::move(socket), request));
  const std::string bytes = transfer::EncodeOp(transfer::Opcode::kReadBlock, op);
  RETURN_IF_ERROR(reader->socket_.Send(std::as_bytes(std::span(bytes))));

  hdfs::BlockOpResponseProto reply;
  RETURN_IF_ERROR(ReceiveDelimited(reader->socket_, reply));
  RETURN_IF_ERROR(FromTransferStatus(
      reply.status(), reply.message(),
      absl::StrCat(reader->peer(), ": reading block ", request.block.blockid())));
  if (!reply.has_readopchecksuminfo()) return reader->Broken("no checksum in its answer");
  const auto& info = reply.readopchecksuminfo();
  absl::StatusOr<transfer::DataChecksum> checksum =
      transfer::DataChecksum::FromProto(info.checksum());
  if (!checksum.ok()) return reader->Broken(checksum.status().message());
  reader->checksum_ = *checksum;
  if (info.chunkoffset() > request.offset ||
      request.offset - info.chunkoffset() >= checksum->bytes_per_checksum()) {
    return reader->Broken(
        absl::StrCat("data from offset ", info.chunkoffset(), " instead of ", request.offset));
  }
  reader->received_ = info.chunkoffset();
  RETURN_IF_ERROR(reader->ReceiveHeader());
  return reader;
}

absl::Status RemoteBlockReader::Broken(absl::string_view what) const {
  return absl::UnavailableError(absl::StrCat(socket_.peer(), ": the datanode sent ", what));
}

absl::Status RemoteBlockReader::ReceiveHeader() {
  RETURN_IF_ERROR(socket_.Receive(next_header_));
  return DecodeNextHeader();
}

absl::Status RemoteBlockReader::DecodeNextHeader() {
  const std::span<const std::byte> bytes = next_header_;
  absl::StatusOr<transfer::PacketPrefix> prefix =
      transfer::DecodePacketPrefix(bytes.first<kPacketPrefixBytes>());
  if (!prefix.ok()) return Broken(prefix.status().message());
  prefix_ = *prefix;
  // All required fields have fixed widths: no header is shorter.
  if (prefix_.header_bytes < kPlainHeaderBytes) return Broken("a short packet header");
  absl::StatusOr<transfer::PacketHeader> header;
  if (prefix_.header_bytes == kPlainHeaderBytes) {
    header = transfer::DecodePacketHeader(bytes.subspan(kPacketPrefixBytes), prefix_);
  } else {
    std::array<std::byte, transfer::kMaxHeaderBytes> longer;
    std::memcpy(longer.data(), bytes.data() + kPacketPrefixBytes, kPlainHeaderBytes);
    const std::span<std::byte> all = std::span(longer).first(prefix_.header_bytes);
    RETURN_IF_ERROR(socket_.Receive(all.subspan(kPlainHeaderBytes)));
    header = transfer::DecodePacketHeader(all, prefix_);
  }
  if (!header.ok()) return Broken(header.status().message());
  packet_ = *header;
  return CheckHeader();
}

absl::Status RemoteBlockReader::CheckHeader() const {
  if (packet_.seqno != next_seqno_) {
    return Broken(absl::StrCat("packet ", packet_.seqno, " instead of ", next_seqno_));
  }
  if (static_cast<uint64_t>(packet_.offset_in_block) != received_) {
    return Broken(
        absl::StrCat("data of offset ", packet_.offset_in_block, " instead of ", received_));
  }
  // All that was asked for has come: what follows must be the empty packet that says so.
  if (received_ >= end_ && !packet_.last_in_block) return Broken("more than was asked for");
  if (received_ < end_ && packet_.data_bytes == 0) return Broken("less than was asked for");
  absl::Status count = transfer::CheckChecksumCount(checksum_, packet_.data_bytes,
                                                    prefix_.payload_bytes - packet_.data_bytes);
  return count.ok() ? count : Broken(count.message());
}

// While so much is still to come after this packet, no wait inside it can wait for ever.
void RemoteBlockReader::ChooseLowWater() {
  const uint64_t after_packet = end_ - std::min(end_, received_ + packet_.data_bytes);
  if (after_packet < kLowWaterBytes) {
    socket_.SetLowWater(1);
  } else if (next_seqno_ % kPacketsBetweenLooks == 0) {
    socket_.SetLowWater(kLowWaterBytes);
  }
}

absl::Status RemoteBlockReader::ReceivePacket(std::span<std::byte> data) {
  checksums_.resize(prefix_.payload_bytes - packet_.data_bytes);
  ChooseLowWater();
  iovec buffers[] = {{checksums_.data(), checksums_.size()},
                     {data.data(), data.size()},
                     {next_header_.data(), next_header_.size()}};
  RETURN_IF_ERROR(socket_.ReceiveAll(buffers));
  if (verify_) {
    if (const auto bad = checksum_.FindMismatch(data, checksums_)) {
      return absl::DataLossError(absl::StrCat(socket_.peer(), ": checksum error at offset ",
                                              received_ + *bad, " of the block"));
    }
  }
  received_ += data.size();
  ++next_seqno_;
  return absl::OkStatus();
}

absl::StatusOr<size_t> RemoteBlockReader::Read(std::span<std::byte> out) {
  if (out.empty() || position_ == end_) return 0;
  if (buffered_.empty()) {
    const bool whole = packet_.data_bytes <= out.size() && received_ == position_ &&
                       packet_.data_bytes <= end_ - position_;
    if (whole) {
      const size_t bytes = packet_.data_bytes;
      RETURN_IF_ERROR(ReceivePacket(out.first(bytes)));
      position_ += bytes;
      RETURN_IF_ERROR(DecodeNextHeader());
      if (position_ == end_) RETURN_IF_ERROR(ReceiveTrailer());
      return bytes;
    }
    // The first packet may begin before the position: its chunk had to be whole.
    if (position_ - received_ >= packet_.data_bytes) return Broken("a packet before the position");
    buffer_.resize(packet_.data_bytes);
    const uint64_t start = received_;
    RETURN_IF_ERROR(ReceivePacket(buffer_));
    buffered_ = std::span<const std::byte>(buffer_).subspan(position_ - start);
    buffered_ = buffered_.first(std::min<uint64_t>(buffered_.size(), end_ - position_));
    RETURN_IF_ERROR(DecodeNextHeader());
  }
  const size_t bytes = std::min(out.size(), buffered_.size());
  std::memcpy(out.data(), buffered_.data(), bytes);
  buffered_ = buffered_.subspan(bytes);
  position_ += bytes;
  if (position_ == end_) RETURN_IF_ERROR(ReceiveTrailer());
  return bytes;
}

absl::Status RemoteBlockReader::ReceiveTrailer() {
  // CheckHeader has seen that packet_ is the empty last one. The datanode keeps the connection once
  // it has been told how the read went.
  hdfs::ClientReadStatusProto status;
  status.set_status(verify_ && checksum_.checksum_size() > 0 ? hdfs::STATUS_CHECKSUM_OK
                                                             : hdfs::STATUS_SUCCESS);
  const std::string bytes = transfer::EncodeDelimited(status);
  finished_ = socket_.Send(std::as_bytes(std::span(bytes))).ok();
  return absl::OkStatus();  // the data is here; a connection that fails now is only not kept
}

std::optional<Socket> RemoteBlockReader::Release() {
  if (!finished_) return std::nullopt;
  finished_ = false;
  return std::move(socket_);
}

}  // namespace cairn::client
