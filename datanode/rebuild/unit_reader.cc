#include "datanode/rebuild/unit_reader.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "common/logging.h"
#include "datanode/pipeline/block_receiver.h"
#include "wire/parse_message.h"
#include "wire/transfer/op.h"

namespace cairn::datanode {
namespace {

constexpr char kClientName[] = "rebuild";
// For the datanode to send one chunk, once it has the operation.
constexpr absl::Duration kComplaintLimit = absl::Seconds(10);

std::string ReadOp(const TransferContext& context, const UnitReader::Range& range) {
  hdfs::OpReadBlockProto op;
  op.mutable_header()->set_clientname(kClientName);
  auto* const block = op.mutable_header()->mutable_baseheader()->mutable_block();
  block->set_poolid(context.store.volumes().front()->identity().block_pool_id);
  block->set_blockid(ToInt(range.block));
  block->set_generationstamp(ToInt(range.stamp));
  op.set_offset(range.offset);
  op.set_len(range.end - range.offset);
  op.set_sendchecksums(true);
  return transfer::EncodeOp(transfer::Opcode::kReadBlock, op);
}

absl::Status CheckChecksum(const transfer::DataChecksum& checksum) {
  if (checksum.type() == transfer::ChecksumType::kNull) {
    return absl::FailedPreconditionError("it has no checksums");
  }
  return BlockReceiver::CheckNewChecksums(checksum, checksum);
}

}  // namespace

awaitable<absl::StatusOr<std::unique_ptr<UnitReader>>> UnitReader::Open(
    const TransferContext& context, const TransferAddress& from, const Range& range) {
  // There may be others to go on with.
  const absl::Duration patience =
      std::min({context.options.idle_limit, context.options.next_node_limit, from.patience});
  auto channel = co_await ConnectToDatanode(context, from.ip, from.port, patience);
  if (!channel.ok()) co_return channel.status();
  (*channel)->SetTotalLimit(patience);
  const LeastRate rate(context.options.rebuild_least_bytes_per_second, patience);
  std::unique_ptr<UnitReader> reader(new UnitReader(*std::move(channel), range, rate));
  const std::string op = ReadOp(context, range);
  const absl::Status status = co_await reader->Begin(op);
  if (!status.ok()) co_return status;
  co_return reader;
}

awaitable<absl::Status> UnitReader::Begin(const std::string& op) {
  CO_RETURN_IF_ERROR(co_await channel_->WriteBytes(std::as_bytes(std::span(op.data(), op.size()))));
  co_return co_await ReadReply();
}

awaitable<absl::Status> UnitReader::ReadReply() {
  const absl::StatusOr<std::string> body =
      co_await channel_->ReadDelimited(transfer::kMaxReplyBytes);
  if (!body.ok()) co_return body.status();
  hdfs::BlockOpResponseProto reply;
  if (!ParseMessage(*body, &reply)) co_return Broken("an answer without sense");
  if (reply.status() != hdfs::STATUS_SUCCESS) {
    co_return absl::FailedPreconditionError(
        absl::StrCat(channel_->PeerName(), ": ", EscapeForLog(reply.message())));
  }
  const auto& info = reply.readopchecksuminfo();
  const auto checksum = transfer::DataChecksum::FromProto(info.checksum());
  if (!checksum.ok()) co_return Broken(checksum.status().message());
  if (const absl::Status usable = CheckChecksum(*checksum); !usable.ok()) {
    co_return Broken(usable.message());
  }
  if (info.chunkoffset() > position_ ||
      position_ - info.chunkoffset() >= checksum->bytes_per_checksum()) {
    co_return Broken(
        absl::StrCat("data from offset ", info.chunkoffset(), " instead of ", position_));
  }
  checksum_ = *checksum;
  received_ = info.chunkoffset();
  co_return absl::OkStatus();
}

absl::Status UnitReader::Broken(absl::string_view what) const {
  return absl::FailedPreconditionError(absl::StrCat(channel_->PeerName(), " sent: ", what));
}

awaitable<absl::Status> UnitReader::ReadFully(std::span<std::byte> out) {
  std::vector<std::byte>& pending = channel_->pending();  // came together with the answer
  const size_t there = std::min(out.size(), pending.size());
  if (there > 0) {
    std::memcpy(out.data(), pending.data(), there);
    pending.erase(pending.begin(), pending.begin() + static_cast<std::ptrdiff_t>(there));
    out = out.subspan(there);
  }
  while (!out.empty()) {
    const iovec area{.iov_base = out.data(), .iov_len = out.size()};
    const absl::StatusOr<size_t> count = channel_->TryRead(std::span(&area, 1));
    if (!count.ok()) co_return count.status();
    out = out.subspan(*count);
    if (*count == 0) CO_RETURN_IF_ERROR(co_await channel_->WaitReadable(out.size()));
  }
  co_return absl::OkStatus();
}

awaitable<absl::Status> UnitReader::ReadHeader() {
  std::array<std::byte, transfer::kPacketPrefixBytes> prefix_bytes;
  CO_RETURN_IF_ERROR(co_await ReadFully(prefix_bytes));
  const auto prefix = transfer::DecodePacketPrefix(prefix_bytes);
  if (!prefix.ok()) co_return Broken(prefix.status().message());
  std::array<std::byte, transfer::kMaxHeaderBytes> header_bytes;
  const auto used = std::span(header_bytes).first(prefix->header_bytes);
  CO_RETURN_IF_ERROR(co_await ReadFully(used));
  const auto header = transfer::DecodePacketHeader(used, *prefix);
  if (!header.ok()) co_return Broken(header.status().message());
  packet_ = *header;
  checksum_bytes_ = prefix->payload_bytes - packet_.data_bytes;
  co_return absl::OkStatus();
}

absl::Status UnitReader::CheckHeader() const {
  if (packet_.seqno != next_seqno_) {
    return Broken(absl::StrCat("packet ", packet_.seqno, " instead of ", next_seqno_));
  }
  if (static_cast<uint64_t>(packet_.offset_in_block) != received_) {
    return Broken(
        absl::StrCat("data of offset ", packet_.offset_in_block, " instead of ", received_));
  }
  if (packet_.data_bytes == 0 || packet_.data_bytes > kMaxSourcePacketBytes) {
    return Broken(absl::StrCat("a packet of ", packet_.data_bytes, " bytes"));
  }
  const auto packet_end = static_cast<uint64_t>(packet_.end_offset());
  if (packet_end > end_) {
    return Broken(absl::StrCat("bytes beyond the unit's end, ", end_, ", up to ", packet_end));
  }
  if (packet_end <= position_) return Broken("a packet before the position");
  const absl::Status count =
      transfer::CheckChecksumCount(checksum_, packet_.data_bytes, checksum_bytes_);
  return count.ok() ? count : Broken(count.message());
}

awaitable<absl::Status> UnitReader::ReadData(std::span<std::byte> data) {
  checksums_.resize(checksum_bytes_);
  CO_RETURN_IF_ERROR(co_await ReadFully(checksums_));
  CO_RETURN_IF_ERROR(co_await ReadFully(data));
  if (const auto bad = checksum_.FindMismatch(data, checksums_)) {
    bad_offset_ = received_ + *bad;
    co_return absl::DataLossError(
        absl::StrCat(channel_->PeerName(), ": checksum error at offset ", bad_offset_));
  }
  received_ += data.size();
  ++next_seqno_;
  co_return absl::OkStatus();
}

awaitable<absl::Status> UnitReader::Read(std::span<std::byte> out) {
  const absl::Duration limit = rate_.LimitFor(out.size());
  channel_->SetTotalLimit(limit);
  const absl::Duration begin = SystemClock().Monotonic();
  const absl::Status status = co_await ReadPackets(out);
  rate_.Moved(out.size(), SystemClock().Monotonic() - begin);
  if (!absl::IsDeadlineExceeded(status)) co_return status;
  co_return absl::DeadlineExceededError(absl::StrCat(channel_->PeerName(), " sent less than ",
                                                     out.size(), " bytes in ",
                                                     absl::FormatDuration(limit)));
}

awaitable<absl::Status> UnitReader::ReadPackets(std::span<std::byte> out) {
  while (!out.empty()) {
    if (held_.empty()) {
      CO_RETURN_IF_ERROR(co_await ReadHeader());
      CO_RETURN_IF_ERROR(CheckHeader());
      // The first packet may begin before the position: its chunk had to be whole.
      const auto skipped = static_cast<size_t>(position_ - received_);
      if (skipped == 0 && packet_.data_bytes <= out.size()) {
        CO_RETURN_IF_ERROR(co_await ReadData(out.first(packet_.data_bytes)));
        position_ = received_;
        out = out.subspan(packet_.data_bytes);
        continue;
      }
      held_packet_.resize(packet_.data_bytes);
      CO_RETURN_IF_ERROR(co_await ReadData(held_packet_));
      held_ = std::span<const std::byte>(held_packet_).subspan(skipped);
    }
    const size_t bytes = std::min(out.size(), held_.size());
    std::memcpy(out.data(), held_.data(), bytes);
    held_ = held_.subspan(bytes);
    position_ += bytes;
    out = out.subspan(bytes);
  }
  co_return absl::OkStatus();
}

awaitable<absl::Status> UnitReader::SkipToLastPacket() {
  while (true) {
    CO_RETURN_IF_ERROR(co_await ReadHeader());
    if (std::max(packet_.data_bytes, checksum_bytes_) > kMaxSourcePacketBytes) {
      co_return Broken("a packet that is too long");
    }
    held_packet_.resize(size_t{checksum_bytes_} + packet_.data_bytes);
    CO_RETURN_IF_ERROR(co_await ReadFully(held_packet_));
    if (packet_.last_in_block) co_return absl::OkStatus();
  }
}

awaitable<void> UnitReader::Complain(const TransferContext& context, const TransferAddress& from,
                                     Range range, uint64_t offset) {
  range.offset = offset;
  range.end = offset + 1;
  const auto reader = co_await Open(context, from, range);
  if (!reader.ok()) co_return;
  Channel& channel = *(*reader)->channel_;
  channel.SetTotalLimit(kComplaintLimit);
  // What a reader has not taken when it closes can cost what it has sent.
  if (!(co_await (*reader)->SkipToLastPacket()).ok()) co_return;
  hdfs::ClientReadStatusProto status;
  status.set_status(hdfs::STATUS_ERROR_CHECKSUM);
  const std::string bytes = transfer::EncodeDelimited(status);
  (void)co_await channel.WriteBytes(std::as_bytes(std::span(bytes.data(), bytes.size())));
}

}  // namespace cairn::datanode
