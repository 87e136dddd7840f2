// BlockReceiver: bytes from upstream into the buffer, and on to the mirror.
#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "datanode/pipeline/block_receiver.h"
#include "wire/transfer/big_endian.h"

namespace cairn::datanode {
namespace {

using transfer::PacketHeader;

constexpr size_t kScratchBytes = size_t{16} << 10;
// Checksums of one packet: those of 16 MiB under 512-byte chunks are an eighth of this.
constexpr uint32_t kMaxChecksumBytes = uint32_t{1} << 20;
static_assert(kMaxChecksumBytes <= kWriteBufferBytes);
// More of them than that, which are those of 2 MiB under 512-byte chunks, wait for a buffer.
constexpr uint32_t kOwnChecksumBytes = uint32_t{16} << 10;
// What a peer has announced costs no memory before it comes.
constexpr size_t kFifoStep = size_t{4} << 10;
constexpr uint32_t kSmallPacketBytes = uint32_t{32} << 10;

iovec Area(std::span<const std::byte> bytes) {
  return {.iov_base = const_cast<std::byte*>(bytes.data()), .iov_len = bytes.size()};
}

}  // namespace

awaitable<absl::Status> BlockReceiver::ReceiveAll() {
  while (!last_received_) CO_RETURN_IF_ERROR(co_await ReceivePacket());
  co_return absl::OkStatus();
}

awaitable<absl::Status> BlockReceiver::WaitForBytes(size_t coming) {
  if (dirty() && !flush_running_) {
    if (last_was_small_) {
      FlushTail();
    } else if (!flush_timer_armed_) {
      flush_timer_armed_ = true;
      flush_timer_.expires_after(absl::ToChronoNanoseconds(flush_delay_));
      flush_timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
        self->flush_timer_armed_ = false;
        if (!error && self->dirty() && !self->receiving_ended_) self->FlushTail();
      });
    }
  } else if (dirty()) {
    flush_again_ = true;
  }
  waiting_ = true;
  waiting_since_ = std::chrono::steady_clock::now();
  ReleaseIdleBuffer();
  WatchMemory();
  absl::Status status = co_await upstream_->WaitReadable(coming);
  waiting_ = false;
  co_return status;
}

// Makes `wanted` bytes of fifo_ available, contiguous.
awaitable<absl::Status> BlockReceiver::FillFifo(size_t wanted) {
  while (fifo_end_ - fifo_begin_ < wanted) {
    if (fifo_begin_ > 0) {
      std::memmove(fifo_.data(), fifo_.data() + fifo_begin_, fifo_end_ - fifo_begin_);
      fifo_end_ -= fifo_begin_;
      fifo_begin_ = 0;
    }
    const size_t room = std::min(wanted, fifo_end_ + kFifoStep);
    if (fifo_.size() < room) {
      fifo_.reserve(room);  // no more than that: resizing alone may double what there is
      fifo_.resize(room);
    }
    // Not more than asked for: what follows is data, which belongs into the aligned buffer.
    const size_t end = std::min(wanted, fifo_.size());
    const iovec area = Area(std::span(fifo_).subspan(fifo_end_, end - fifo_end_));
    const absl::StatusOr<size_t> count = upstream_->TryRead(std::span(&area, 1));
    if (!count.ok()) co_return count.status();
    fifo_end_ += *count;
    if (*count == 0) CO_RETURN_IF_ERROR(co_await WaitForBytes(1));
  }
  co_return absl::OkStatus();
}

// Reads data, and behind it the next packet's header and checksums if they have the usual size.
awaitable<absl::Status> BlockReceiver::ReadInto(std::span<std::byte> out, bool ends_packet) {
  const size_t buffered = std::min(out.size(), fifo_end_ - fifo_begin_);
  if (buffered > 0) {
    std::memcpy(out.data(), &fifo_[fifo_begin_], buffered);
    fifo_begin_ += buffered;
    out = out.subspan(buffered);
  }
  while (!out.empty()) {
    // The header of this packet has been dealt with, so the fifo's memory is free.
    fifo_begin_ = fifo_end_ = 0;
    const size_t ahead = ends_packet ? usual_head_bytes_ : 0;
    if (fifo_.size() < ahead) fifo_.resize(ahead);
    const iovec areas[] = {Area(out), Area(std::span(fifo_).first(ahead))};
    const absl::StatusOr<size_t> count = upstream_->TryRead(std::span(areas, ends_packet ? 2 : 1));
    if (!count.ok()) co_return count.status();
    if (*count > out.size()) fifo_end_ = *count - out.size();
    out = out.subspan(std::min(*count, out.size()));
    if (*count == 0) CO_RETURN_IF_ERROR(co_await WaitForBytes(out.size()));
  }
  co_return absl::OkStatus();
}

absl::Status BlockReceiver::CheckPacket(const PacketHeader& header, uint32_t checksum_bytes) const {
  const auto offset = static_cast<uint64_t>(header.offset_in_block);
  if (header.is_heartbeat()) {
    if (checksum_bytes == 0) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("a heartbeat with ", checksum_bytes, " bytes behind its header"));
  }
  if (offset > length_) {
    return absl::InvalidArgumentError(absl::StrCat("packet ", header.seqno, " at offset ", offset,
                                                   ", but only ", length_, " bytes have come"));
  }
  if (checksum_bytes > kMaxChecksumBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("packet with ", checksum_bytes, " bytes of checksums"));
  }
  const uint64_t into_chunk = offset % client_checksum_.bytes_per_checksum();
  if (into_chunk != 0 && into_chunk + header.data_bytes > client_checksum_.bytes_per_checksum()) {
    return absl::InvalidArgumentError(absl::StrCat("packet at offset ", offset, " of ",
                                                   header.data_bytes,
                                                   " bytes goes on beyond the chunk it completes"));
  }
  return transfer::CheckChecksumCount(client_checksum_, header.data_bytes, checksum_bytes);
}

awaitable<absl::Status> BlockReceiver::ReceivePacket() {
  CO_RETURN_IF_ERROR(co_await FillFifo(transfer::kPacketPrefixBytes));
  in_packet_ = true;
  Watch();
  const auto prefix = transfer::DecodePacketPrefix(
      std::span(fifo_).subspan(fifo_begin_).first<transfer::kPacketPrefixBytes>());
  if (!prefix.ok()) co_return prefix.status();
  const size_t header_end = transfer::kPacketPrefixBytes + prefix->header_bytes;
  CO_RETURN_IF_ERROR(co_await FillFifo(header_end));
  const auto header = transfer::DecodePacketHeader(
      std::span(fifo_).subspan(fifo_begin_ + transfer::kPacketPrefixBytes, prefix->header_bytes),
      *prefix);
  if (!header.ok()) co_return header.status();
  const uint32_t checksum_bytes = prefix->payload_bytes - header->data_bytes;
  CO_RETURN_IF_ERROR(CheckPacket(*header, checksum_bytes));
  const bool large = checksum_bytes > kOwnChecksumBytes;
  const size_t head_bytes = large ? header_end : header_end + checksum_bytes;
  CO_RETURN_IF_ERROR(co_await FillFifo(head_bytes));
  if (header->data_bytes > 0) usual_head_bytes_ = head_bytes;

  // Out of the fifo, whose memory the data's reads use for the next header.
  const auto head_begin = fifo_.begin() + static_cast<std::ptrdiff_t>(fifo_begin_);
  head_.assign(head_begin, head_begin + static_cast<std::ptrdiff_t>(head_bytes));
  fifo_begin_ += head_bytes;
  std::span<const std::byte> head = head_;
  auto checksums = head.subspan(header_end);
  if (large) {
    CO_RETURN_IF_ERROR(co_await TakeChecksumBuffer());
    const auto area = checksum_buffer_->span().first(checksum_bytes);
    CO_RETURN_IF_ERROR(co_await ReadInto(area, /*ends_packet=*/false));
    checksums = area;
    co_await Forward(head, checksums);
    head = {};
  }
  if (header->data_bytes == 0) {
    co_await Forward(head, {});
  } else {
    in_data_ = true;
    const absl::Status status = co_await ReceiveData(*header, head, checksums);
    in_data_ = false;
    checksum_buffer_.reset();
    if (bad_received_) {
      items_.push_back({.seqno = header->seqno, .end = length_, .bad = true});
      ++items_enqueued_;
    }
    CO_RETURN_IF_ERROR(status);
  }
  const absl::Status status = co_await Enqueue(*header);
  in_packet_ = false;
  co_return status;
}

awaitable<absl::Status> BlockReceiver::SkipData(uint64_t count, bool ends_packet,
                                                std::span<const std::byte>* head) {
  if (count == 0) co_return absl::OkStatus();
  const auto most = static_cast<size_t>(std::min<uint64_t>(count, kScratchBytes));
  if (scratch_.size() < most) scratch_.resize(most);
  while (count > 0) {
    const auto piece =
        std::span(scratch_).first(static_cast<size_t>(std::min<uint64_t>(count, most)));
    count -= piece.size();
    CO_RETURN_IF_ERROR(co_await ReadInto(piece, ends_packet && count == 0));
    co_await Forward(*head, piece);
    *head = {};
  }
  co_return absl::OkStatus();
}

awaitable<absl::Status> BlockReceiver::ReceiveData(const PacketHeader& header,
                                                   std::span<const std::byte> head,
                                                   std::span<const std::byte> checksums) {
  const auto offset = static_cast<uint64_t>(header.offset_in_block);
  const auto end = static_cast<uint64_t>(header.end_offset());
  const uint64_t client_chunk = client_checksum_.bytes_per_checksum();
  // What has come before stays as it is, whatever the packet says of it: it may be acknowledged.
  // hflush sends the beginning of the last chunk again; a recovered pipeline sends whole packets.
  const uint64_t keep_from = std::min(end, length_);
  CO_RETURN_IF_ERROR(co_await SkipData(keep_from - offset, keep_from == end, &head));
  if (keep_from == end) co_return absl::OkStatus();

  // Completing a chunk changes its checksum, which must not vouch for bytes nobody has checked.
  const bool recompute = translate_ || offset % checksum_.bytes_per_checksum() != 0;
  // The chunk in which the new bytes begin, as far as the packet has a checksum of it: our bytes
  // and the packet's must go together.
  const uint64_t checked_from = std::max(offset, client_checksum_.RoundDown(keep_from));
  const bool verify = mirror_ == nullptr || recompute || !send_acks_ || checked_from < keep_from;
  const bool had_buffer = buffer_.has_value();
  CO_RETURN_IF_ERROR(co_await TakeBuffer());
  if (recompute && had_buffer) CO_RETURN_IF_ERROR(CheckTail());
  for (uint64_t position = keep_from; position < end;) {
    CO_RETURN_IF_ERROR(co_await TakeBuffer());
    const uint64_t piece_end = std::min(end, buffer_start_ + span_);
    const auto data = buffer_->span().subspan(static_cast<size_t>(position - buffer_start_),
                                              static_cast<size_t>(piece_end - position));
    CO_RETURN_IF_ERROR(co_await ReadInto(data, piece_end == end));
    const uint64_t from = position == keep_from ? checked_from : position;
    const auto chunks = buffer_->span().subspan(static_cast<size_t>(from - buffer_start_),
                                                static_cast<size_t>(piece_end - from));
    std::span<const std::byte> piece_sums;
    if (client_checksum_.checksum_size() != 0) {
      piece_sums =
          checksums.subspan(static_cast<size_t>((from - offset) / client_chunk * 4),
                            static_cast<size_t>(client_checksum_.ChecksumBytes(chunks.size())));
    }
    if (verify) {
      if (const auto bad = client_checksum_.FindMismatch(chunks, piece_sums)) {
        co_return BadChecksum(from + *bad);
      }
    }
    // A flush may begin while the mirror is waited for, and writes the chunks up to length_: the
    // last one's checksum must be of all its bytes that have come, and of no more.
    StoreChecksums(position, piece_end, recompute ? std::span<const std::byte>() : piece_sums);
    length_ = piece_end;
    co_await Forward(head, data);
    head = {};
    position = piece_end;
    if (position == buffer_start_ + span_) {
      co_await Rotate();
      CO_RETURN_IF_ERROR(write_error_);  // the buffer was not rotated then
    }
  }
  co_return absl::OkStatus();
}

absl::Status BlockReceiver::BadChecksum(uint64_t offset) {
  bad_received_ = true;
  return absl::DataLossError(absl::StrCat(NameOf(writer_->block()), " from ", upstream_->PeerName(),
                                          ": checksum error at offset ", offset));
}

absl::Status BlockReceiver::CheckTail() {
  const uint64_t from = checksum_.RoundDown(length_);
  if (from == length_ || checksum_.checksum_size() == 0) return absl::OkStatus();
  const uint64_t chunk = checksum_.bytes_per_checksum();
  const uint32_t known =
      transfer::LoadBig32(&crcs_[static_cast<size_t>((from - buffer_start_) / chunk * 4)]);
  const auto tail = buffer_->span().subspan(static_cast<size_t>(from - buffer_start_),
                                            static_cast<size_t>(length_ - from));
  return checksum_.Of(tail) == known ? absl::OkStatus() : BadChecksum(from);
}

void BlockReceiver::StoreChecksums(uint64_t offset, uint64_t end,
                                   std::span<const std::byte> given) {
  const uint64_t chunk = checksum_.bytes_per_checksum();
  const uint64_t from = checksum_.RoundDown(offset);
  const auto out =
      std::span(crcs_).subspan(static_cast<size_t>((from - buffer_start_) / chunk * 4),
                               static_cast<size_t>(checksum_.ChecksumBytes(end - from)));
  if (!given.empty()) {
    CHECK_EQ(given.size(), out.size());
    std::memcpy(out.data(), given.data(), given.size());
    return;
  }
  checksum_.Compute(buffer_->span().subspan(static_cast<size_t>(from - buffer_start_),
                                            static_cast<size_t>(end - from)),
                    out);
}

awaitable<void> BlockReceiver::Forward(std::span<const std::byte> head,
                                       std::span<const std::byte> data) {
  if (mirror_ == nullptr || !forward_error_.ok()) co_return;
  const iovec areas[] = {Area(head), Area(data)};
  forwarding_ = true;
  const auto began = Steady::now();
  forward_error_ = co_await mirror_->Write(areas);
  MeasureBlocking(began, Steady::now());
  forwarding_ = false;
  if (!forward_error_.ok()) mirror_signal_.Notify();
}

awaitable<absl::Status> BlockReceiver::Enqueue(const PacketHeader& header) {
  const auto now = Steady::now();
  if (items_.empty()) last_acked_ = now;
  items_.push_back(
      {.seqno = header.seqno, .end = length_, .last = header.last_in_block, .received = now});
  ++items_enqueued_;
  mirror_signal_.Notify();
  last_was_small_ = header.data_bytes < kSmallPacketBytes;
  if (header.sync_block && !header.is_heartbeat()) sync_wanted_ = true;
  if (header.last_in_block) last_received_ = finalize_wanted_ = true;
  if (sync_wanted_ || finalize_wanted_) {
    FlushTail();
  } else if (!dirty() && !flush_running_) {
    SetWritten(items_enqueued_);  // nothing to write: a heartbeat, or bytes sent again
    ack_signal_.Notify();
  }
  while (items_.size() >= kMaxItems && write_error_.ok() && !upstream_->closed() &&
         !restart_told_) {
    if (dirty()) FlushTail();
    co_await disk_signal_.Wait();
  }
  co_return write_error_;
}

}  // namespace cairn::datanode
