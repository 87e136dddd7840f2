#include "datanode/pipeline/block_receiver.h"

#include <algorithm>
#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "boost/asio/co_spawn.hpp"
#include "boost/asio/detached.hpp"
#include "boost/asio/post.hpp"
#include "common/check.h"
#include "common/logging.h"
#include "wire/transfer/big_endian.h"

namespace cairn::datanode {
namespace {

namespace asio = boost::asio;
using transfer::DataChecksum;
using transfer::PacketHeader;
using transfer::PipelineAck;

constexpr size_t kScratchBytes = size_t{64} << 10;
// Checksums of one packet: those of 16 MiB under 512-byte chunks are an eighth of this.
constexpr uint32_t kMaxChecksumBytes = uint32_t{1} << 20;
// Packets received and not yet acknowledged; a client has some tens in flight.
constexpr size_t kMaxItems = 4096;
constexpr size_t kMaxAcksPerSend = 256;
constexpr uint32_t kSmallPacketBytes = uint32_t{32} << 10;
constexpr absl::Duration kBufferRetry = absl::Milliseconds(5);
// A buffer unused for so long is worth more to others than reading it again costs.
constexpr absl::Duration kQuietBuffer = absl::Milliseconds(100);
constexpr std::chrono::milliseconds kBlockingSpan{250};

iovec Area(std::span<const std::byte> bytes) {
  return {.iov_base = const_cast<std::byte*>(bytes.data()), .iov_len = bytes.size()};
}

bool DividesBuffer(const DataChecksum& checksum) {
  return kWriteBufferBytes % checksum.bytes_per_checksum() == 0;
}

}  // namespace

absl::Status BlockReceiver::CheckChecksums(const DataChecksum& replica,
                                           const DataChecksum& client) {
  if (replica.bytes_per_checksum() > kWriteBufferBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "bytes per checksum ", replica.bytes_per_checksum(), ": above ", kWriteBufferBytes));
  }
  if (replica.bytes_per_checksum() != client.bytes_per_checksum() &&
      !(DividesBuffer(replica) && DividesBuffer(client))) {
    return absl::InvalidArgumentError(
        absl::StrCat("bytes per checksum ", client.bytes_per_checksum(),
                     " does not go with the replica's ", replica.bytes_per_checksum()));
  }
  return absl::OkStatus();
}

absl::Status BlockReceiver::CheckNewChecksums(const DataChecksum& replica,
                                              const DataChecksum& client) {
  if (replica.bytes_per_checksum() < kMinBytesPerChecksum) {
    return absl::InvalidArgumentError(absl::StrCat(
        "bytes per checksum ", replica.bytes_per_checksum(), ": below ", kMinBytesPerChecksum));
  }
  return CheckChecksums(replica, client);
}

std::shared_ptr<BlockReceiver> BlockReceiver::Create(Setup setup) {
  return std::shared_ptr<BlockReceiver>(new BlockReceiver(std::move(setup)));
}

BlockReceiver::BlockReceiver(Setup setup)
    : disk_(*setup.disk),
      buffers_(*setup.buffers),
      buffer_waiters_(*setup.buffer_waiters),
      upstream_(std::move(setup.upstream)),
      mirror_(std::move(setup.mirror)),
      writer_(std::move(setup.writer)),
      client_checksum_(setup.client_checksum),
      checksum_(writer_->checksum()),
      translate_(client_checksum_ != checksum_),
      send_acks_(setup.send_acks),
      finalize_(setup.finalize),
      flush_delay_(setup.flush_delay),
      buffer_wait_(setup.buffer_wait),
      stall_limit_(setup.stall_limit),
      gives_signs_(setup.sign_period > absl::ZeroDuration() && send_acks_),
      mirror_gives_signs_(setup.mirror_gives_signs),
      watch_period_(gives_signs_ ? std::min(setup.sign_period, setup.watch_period)
                                 : setup.watch_period),
      stuck_limit_(setup.stuck_limit),
      span_(kWriteBufferBytes / checksum_.bytes_per_checksum() * checksum_.bytes_per_checksum()),
      buffer_start_(writer_->length() / span_ * span_),
      crcs_(static_cast<size_t>(checksum_.ChecksumBytes(span_))),
      start_length_(writer_->length()),
      length_(start_length_),
      disk_end_(length_),
      disk_signal_(upstream_->executor()),
      ack_signal_(upstream_->executor()),
      mirror_signal_(upstream_->executor()),
      end_signal_(upstream_->executor()),
      flush_timer_(upstream_->executor()),
      buffer_timer_(upstream_->executor()),
      watch_timer_(upstream_->executor()) {
  // What came together with the operation.
  fifo_ = std::move(upstream_->pending());
  upstream_->pending().clear();
  fifo_end_ = fifo_.size();
}

awaitable<absl::Status> BlockReceiver::Run() {
  const auto self = shared_from_this();
  ++loops_running_;
  asio::co_spawn(
      upstream_->executor(), [self] { return self->AckLoop(); }, asio::detached);
  if (mirror_ != nullptr && send_acks_) {
    ++loops_running_;
    asio::co_spawn(
        upstream_->executor(), [self] { return self->MirrorAckLoop(); }, asio::detached);
  }
  absl::Status status = co_await ReceiveAll();
  receiving_ended_ = true;
  ack_signal_.Notify();
  // What was received stays, whatever happened to the connection.
  if (!status.ok() && write_error_.ok() && length_ > disk_end_) FlushTail();
  flush_timer_.cancel();
  buffer_timer_.cancel();
  co_await WaitForDisk();
  ack_signal_.Notify();
  // The acknowledging loop ends by itself; the mirror's by its socket.
  while (loops_running_ > (mirror_ != nullptr && send_acks_ ? 1 : 0)) co_await end_signal_.Wait();
  if (mirror_ != nullptr) mirror_->Close();
  mirror_signal_.Notify();
  while (loops_running_ > 0) co_await end_signal_.Wait();
  watch_timer_.cancel();
  if (status.ok() && !all_acked_) {
    status = !write_error_.ok()    ? write_error_
             : !mirror_error_.ok() ? mirror_error_
                                   : absl::UnavailableError("not every packet was acknowledged");
  }
  if (writer_->finalized()) {
    writer_.reset();
  } else {
    const int unused = co_await OnDisk(disk_, [this] {
      writer_.reset();  // may delete files
      return 0;
    });
    (void)unused;
  }
  co_return status;
}

// ---- Receiving ----

awaitable<absl::Status> BlockReceiver::WaitForBuffer() {
  const auto give_up = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(buffer_wait_);
  buffer_waiters_.fetch_add(1);
  const absl::Cleanup done = [this] { buffer_waiters_.fetch_sub(1); };
  while (true) {
    buffer_ = buffers_.TryTake();
    if (buffer_.has_value()) co_return absl::OkStatus();
    if (std::chrono::steady_clock::now() >= give_up) {
      LOG_EVERY_SECONDS(kWarn, 10, "a writer found no buffer in {}: all {} are taken",
                        absl::FormatDuration(buffer_wait_), buffers_.taken());
      co_return absl::ResourceExhaustedError(
          absl::StrCat("no write buffer in ", absl::FormatDuration(buffer_wait_), ": all ",
                       buffers_.taken(), " are taken (cairn.datanode.write.buffers)"));
    }
    LOG_EVERY_SECONDS(kWarn, 60, "all {} write buffers are taken: writers wait", buffers_.taken());
    asio::steady_timer timer(upstream_->executor(), absl::ToChronoNanoseconds(kBufferRetry));
    boost::system::error_code ignored;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    if (upstream_->closed()) co_return absl::UnavailableError("closed while waiting for memory");
  }
}

awaitable<absl::Status> BlockReceiver::TakeBuffer() {
  if (buffer_.has_value()) co_return absl::OkStatus();
  CO_RETURN_IF_ERROR(co_await WaitForBuffer());
  if (length_ == buffer_start_) co_return absl::OkStatus();
  co_await WaitForDisk();
  const auto bytes = buffer_->span().first(static_cast<size_t>(length_ - buffer_start_));
  co_return co_await OnDisk(disk_, [this, bytes] { return writer_->Load(buffer_start_, bytes); });
}

bool BlockReceiver::BufferIsIdle() const {
  return buffer_.has_value() && waiting_ && !in_data_ && !dirty() && !flush_running_;
}

void BlockReceiver::ReleaseIdleBuffer() {
  if (BufferIsIdle() && buffer_waiters_.load(std::memory_order_relaxed) > 0) buffer_.reset();
}

void BlockReceiver::WatchBuffer() {
  if (buffer_timer_armed_ || !buffer_.has_value()) return;
  buffer_timer_armed_ = true;
  buffer_timer_.expires_after(absl::ToChronoNanoseconds(kQuietBuffer));
  buffer_timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    self->buffer_timer_armed_ = false;
    if (!error && !self->receiving_ended_) self->CheckBuffer();
  });
}

void BlockReceiver::CheckBuffer() {
  const auto silent = std::chrono::steady_clock::now() - waiting_since_;
  if (BufferIsIdle() && silent >= absl::ToChronoNanoseconds(kQuietBuffer)) buffer_.reset();
  if (buffer_.has_value() && waiting_ && in_data_ &&
      silent >= absl::ToChronoNanoseconds(stall_limit_) && buffer_waiters_.load() > 0) {
    LOG_WARN("block {} from {}: silent in the middle of a packet while others wait for its buffer",
             ToInt(writer_->block()), upstream_->PeerName());
    upstream_->Close();
  }
  WatchBuffer();
}

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
  WatchBuffer();
  absl::Status status = co_await upstream_->WaitReadable(coming);
  waiting_ = false;
  co_return status;
}

// Makes `wanted` bytes of fifo_ available, contiguous.
awaitable<absl::Status> BlockReceiver::FillFifo(size_t wanted) {
  while (fifo_end_ - fifo_begin_ < wanted) {
    if (fifo_begin_ > 0) {
      std::memmove(fifo_.data(), &fifo_[fifo_begin_], fifo_end_ - fifo_begin_);
      fifo_end_ -= fifo_begin_;
      fifo_begin_ = 0;
    }
    if (fifo_.size() < wanted) fifo_.resize(wanted);
    // Not more than asked for: what follows is data, which belongs into the aligned buffer.
    const iovec area = Area(std::span(fifo_).subspan(fifo_end_, wanted - fifo_end_));
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
    if (fifo_.size() < usual_head_bytes_) fifo_.resize(usual_head_bytes_);
    const iovec areas[] = {Area(out), Area(std::span(fifo_).first(usual_head_bytes_))};
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
  if (header.is_heartbeat()) return absl::OkStatus();
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
  const size_t head_bytes = header_end + checksum_bytes;
  CO_RETURN_IF_ERROR(co_await FillFifo(head_bytes));
  if (header->data_bytes > 0) usual_head_bytes_ = head_bytes;

  // Out of the fifo, whose memory the data's reads use for the next header.
  const auto head_begin = fifo_.begin() + static_cast<std::ptrdiff_t>(fifo_begin_);
  head_.assign(head_begin, head_begin + static_cast<std::ptrdiff_t>(head_bytes));
  fifo_begin_ += head_bytes;
  if (header->data_bytes == 0) {
    co_await Forward(head_, {});
  } else {
    in_data_ = true;
    const absl::Status status = co_await ReceiveData(*header, header_end);
    in_data_ = false;
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
  scratch_.resize(kScratchBytes);
  while (count > 0) {
    const auto piece =
        std::span(scratch_).first(static_cast<size_t>(std::min<uint64_t>(count, kScratchBytes)));
    count -= piece.size();
    CO_RETURN_IF_ERROR(co_await ReadInto(piece, ends_packet && count == 0));
    co_await Forward(*head, piece);
    *head = {};
  }
  co_return absl::OkStatus();
}

awaitable<absl::Status> BlockReceiver::ReceiveData(const PacketHeader& header, size_t header_end) {
  const auto offset = static_cast<uint64_t>(header.offset_in_block);
  const auto end = static_cast<uint64_t>(header.end_offset());
  std::span<const std::byte> head = head_;  // goes out with the first piece
  const auto checksums = std::span<const std::byte>(head_).subspan(header_end);
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
    StoreChecksums(position, piece_end, recompute ? std::span<const std::byte>() : piece_sums);
    co_await Forward(head, data);
    head = {};
    length_ = std::max(length_, piece_end);
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
  return absl::DataLossError(absl::StrCat("block ", ToInt(writer_->block()), " from ",
                                          upstream_->PeerName(), ": checksum error at offset ",
                                          offset));
}

absl::Status BlockReceiver::CheckTail() {
  const uint64_t from = checksum_.RoundDown(length_);
  if (from == length_) return absl::OkStatus();
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

// ---- Writing ----

awaitable<void> BlockReceiver::WaitForDisk() {
  while (flush_running_) co_await disk_signal_.Wait();
}

awaitable<void> BlockReceiver::Rotate() {
  co_await WaitForDisk();
  StartFlush(/*rotate=*/true);
}

void BlockReceiver::FlushTail() {
  if (flush_running_) {
    flush_again_ = true;
  } else {
    StartFlush(/*rotate=*/false);
  }
}

void BlockReceiver::StartFlush(bool rotate) {
  CHECK(!flush_running_);
  flush_again_ = false;
  if (!write_error_.ok()) return;
  flush_running_ = true;
  flush_began_ = Steady::now();
  const uint64_t start = buffer_start_;
  const uint64_t from = disk_end_;
  const uint64_t end = length_;
  const bool sync = std::exchange(sync_wanted_, false);
  const bool complete = std::exchange(finalize_wanted_, false);
  std::span<const std::byte> data;
  std::vector<std::byte> crcs;
  const uint64_t crc_from = checksum_.RoundDown(from);
  if (end > from) {
    CHECK(buffer_.has_value());
    data = buffer_->span().first(static_cast<size_t>(end - start));
    // Copied: the CRC of a partial chunk changes while the job runs.
    const auto chunk = checksum_.bytes_per_checksum();
    const auto first = crcs_.begin() + static_cast<std::ptrdiff_t>((crc_from - start) / chunk * 4);
    crcs.assign(first,
                first + static_cast<std::ptrdiff_t>(checksum_.ChecksumBytes(end - crc_from)));
  }
  std::optional<BufferPool::Buffer> buffer;  // keeps `data` alive when the receiver goes on
  if (rotate) {
    buffer.swap(buffer_);
    buffer_start_ += span_;
  }
  disk_.Run([self = shared_from_this(), buffer = std::move(buffer), data, start, from, end,
             crc_from, crcs = std::move(crcs), sync, complete, items = items_enqueued_]() mutable {
    ReplicaWriter& writer = *self->writer_;
    absl::Status status;
    if (end > from) status = writer.Write(start, data, from, crc_from, crcs);
    const bool finalize = complete && self->finalize_;
    if (status.ok() && sync && !finalize) status = writer.Sync();
    if (status.ok() && complete) {
      status = finalize ? writer.Finalize(sync) : writer.BecomeBeingWritten();
    }
    buffer.reset();
    const auto executor = self->upstream_->executor();
    asio::post(executor, [self = std::move(self), status = std::move(status), end, items] {
      self->OnFlushed(status, end, items);
    });
  });
}

void BlockReceiver::OnFlushed(absl::Status status, uint64_t end, uint64_t items) {
  flush_running_ = false;
  if (status.ok()) {
    disk_end_ = end;
    SetWritten(dirty() ? items : items_enqueued_);
    if (flush_again_ && dirty()) StartFlush(/*rotate=*/false);
    ReleaseIdleBuffer();
  } else {
    LOG_WARN("block {} stamp {}: {}", ToInt(writer_->block()), ToInt(writer_->stamp()), status);
    write_error_ = std::move(status);
  }
  disk_signal_.Notify();
  ack_signal_.Notify();
}

void BlockReceiver::SetWritten(uint64_t items) {
  const auto now = Steady::now();
  for (uint64_t i = std::max(items_written_, items_acked_); i < items; ++i) {
    Item& item = items_[static_cast<size_t>(i - items_acked_)];
    item.writing = now - item.received;
  }
  items_written_ = items;
}

// ---- Signs of life ----

bool BlockReceiver::IsStuck() const {
  const auto now = Steady::now();
  const auto limit = absl::ToChronoNanoseconds(stuck_limit_);
  return (flush_running_ && now - flush_began_ > limit) ||
         (!items_.empty() && now - last_acked_ > limit);
}

void BlockReceiver::Watch() {
  if (watch_timer_armed_) return;
  watch_timer_armed_ = true;
  watch_timer_.expires_after(absl::ToChronoNanoseconds(watch_period_));
  watch_timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    self->watch_timer_armed_ = false;
    if (error || !self->OwesAnswer()) return;
    // What the mirror says while it takes nothing has to be read: it is alive.
    if (self->forwarding_) self->mirror_signal_.Notify();
    if (self->gives_signs_ && !self->IsStuck()) {
      self->sign_wanted_ = true;
      self->ack_signal_.Notify();
    }
    if (self->loops_running_ > 0) self->Watch();
  });
}

void BlockReceiver::AnnounceRestart() {
  asio::post(upstream_->executor(), [self = shared_from_this()] {
    self->restart_wanted_ = true;
    self->ack_signal_.Notify();
  });
}

std::string BlockReceiver::OutOfTurn() {
  std::string out;
  if (!send_acks_) return out;
  if (notice_.has_value()) {
    notice_->statuses.insert(notice_->statuses.begin(), hdfs::STATUS_SUCCESS);
    transfer::AppendAck(*notice_, out);
    notice_.reset();
  }
  if (restart_wanted_ && !restart_told_) {
    restart_told_ = true;
    transfer::AppendAck({.seqno = transfer::kUnknownSeqno, .statuses = {hdfs::STATUS_OOB_RESTART}},
                        out);
  } else if (std::exchange(sign_wanted_, false)) {
    transfer::AppendAck({.seqno = transfer::kSignOfLifeSeqno, .statuses = {hdfs::STATUS_SUCCESS}},
                        out);
  }
  return out;
}

awaitable<void> BlockReceiver::WaitForClient() {
  while (!receiving_ended_) co_await ack_signal_.Wait();
}

// ---- Acknowledging ----

bool BlockReceiver::FrontIsReady() const {
  const Item& item = items_.front();
  const bool wrote = item.bad || !write_error_.ok() || items_written_ > items_acked_;
  const bool mirrored =
      mirror_ == nullptr || !send_acks_ || item.bad || !mirror_error_.ok() || !downstream_.empty();
  return wrote && mirrored;
}

PipelineAck BlockReceiver::MakeAck(const Item& item) {
  PipelineAck ack{.seqno = item.seqno};
  if (item.bad) {
    ack.statuses.push_back(hdfs::STATUS_ERROR_CHECKSUM);
    return ack;
  }
  const bool wrote = write_error_.ok() || items_written_ > items_acked_;
  ack.statuses.push_back(wrote ? hdfs::STATUS_SUCCESS : hdfs::STATUS_ERROR);
  if (mirror_ == nullptr || !send_acks_) {
    AddTimes(item, nullptr, ack);
    return ack;
  }
  if (downstream_.empty() || downstream_.front().ack.seqno != item.seqno) {
    if (mirror_error_.ok()) {
      mirror_error_ = absl::UnavailableError(
          absl::StrCat(mirror_->PeerName(), ": acknowledged another packet"));
    }
    ack.statuses.push_back(hdfs::STATUS_ERROR);
    return ack;
  }
  const auto& statuses = downstream_.front().ack.statuses;
  ack.statuses.insert(ack.statuses.end(), statuses.begin(), statuses.end());
  AddTimes(item, &downstream_.front(), ack);
  downstream_.pop_front();
  return ack;
}

void BlockReceiver::AddTimes(const Item& item, const MirrorAck* mirrored, PipelineAck& ack) const {
  if (!gives_signs_ || item.received == Steady::time_point()) return;
  using std::chrono::microseconds;
  using std::chrono::nanoseconds;
  const auto micros = [](Steady::duration time) {
    return static_cast<uint64_t>(
        std::max<int64_t>(std::chrono::duration_cast<microseconds>(time).count(), 0));
  };
  ack.downstream_nanos = static_cast<uint64_t>(
      std::chrono::duration_cast<nanoseconds>(Steady::now() - item.received).count());
  ack.node_micros.push_back(micros(item.writing));
  if (mirrored == nullptr) return;
  const PipelineAck& next = mirrored->ack;
  ack.node_micros.insert(ack.node_micros.end(), next.node_micros.begin(), next.node_micros.end());
  // The way there and back: what is not the next node's own time, or that of nodes behind it.
  if (ack.node_micros.size() < 2) return;
  ack.node_micros[1] += transfer::MicrosOnTheWay(next, micros(mirrored->came - item.received));
  ack.blocked_permille = blocked_permille_;
}

void BlockReceiver::MeasureBlocking(Steady::time_point from, Steady::time_point to) {
  blocked_ += to - from;
  const auto span = to - blocked_since_;
  if (span < kBlockingSpan) return;
  blocked_permille_ = static_cast<uint32_t>(
      std::min<int64_t>(blocked_ * int64_t{transfer::kAllBlocked} / span, transfer::kAllBlocked));
  blocked_ = {};
  blocked_since_ = to;
}

awaitable<void> BlockReceiver::AckLoop() {
  const auto self = shared_from_this();
  bool stop = false;
  while (!stop) {
    std::string out;
    size_t count = 0;
    for (; count < kMaxAcksPerSend && !stop && !items_.empty() && FrontIsReady(); ++count) {
      const Item item = items_.front();
      const PipelineAck ack = MakeAck(item);
      items_.pop_front();
      ++items_acked_;
      if (ack.AllSucceeded()) {
        // Before anybody can know of the acknowledgement and ask for the bytes.
        writer_->open().SetAcked(std::max(item.end, writer_->open().acked()));
        all_acked_ = item.last;
      }
      stop = item.last || !ack.AllSucceeded();
      if (send_acks_) transfer::AppendAck(ack, out);
    }
    if (count > 0) {
      last_acked_ = Steady::now();
      sign_wanted_ = false;  // these are
    }
    if (!stop) out += OutOfTurn();
    if (count > 0 || !out.empty()) {
      const absl::Status status =
          co_await upstream_->WriteBytes(std::as_bytes(std::span(out.data(), out.size())));
      if (!status.ok()) {
        all_acked_ = false;
        break;
      }
      disk_signal_.Notify();  // there is room in items_
      if (restart_told_ && !stop) {
        co_await WaitForClient();
        break;
      }
      continue;
    }
    const bool nothing_comes = receiving_ended_ && !last_received_ && !bad_received_;
    const bool cannot_write = receiving_ended_ && !write_error_.ok() && items_.empty();
    if (stop || nothing_comes || cannot_write) break;
    co_await ack_signal_.Wait();
  }
  // Without acknowledgements a receiver that has ended by itself still answers.
  if (!all_acked_ && (send_acks_ || !receiving_ended_)) upstream_->Close();
  disk_signal_.Notify();
  --loops_running_;
  end_signal_.Notify();
}

awaitable<void> BlockReceiver::MirrorAckLoop() {
  const auto self = shared_from_this();
  while (mirror_error_.ok()) {
    auto taken = transfer::TakeAck(mirror_->pending());
    if (!taken.ok()) {
      mirror_error_ = taken.status();
    } else if (taken->has_value()) {
      auto& pending = mirror_->pending();
      pending.erase(pending.begin(),
                    pending.begin() + static_cast<std::ptrdiff_t>((*taken)->consumed));
      transfer::PipelineAck& ack = (*taken)->ack;
      if (ack.seqno == transfer::kSignOfLifeSeqno) continue;
      if (ack.seqno == transfer::kUnknownSeqno) {
        notice_ = std::move(ack);
        ack_signal_.Notify();
        continue;
      }
      downstream_.push_back({std::move(ack), Steady::now()});
      ++mirror_acks_;
      if (downstream_.size() > kMaxItems) {
        mirror_error_ = absl::UnavailableError("the next node acknowledges what it was not sent");
      }
    } else if (items_enqueued_ <= mirror_acks_ && !(forwarding_ && mirror_gives_signs_) &&
               !mirror_->closed() && forward_error_.ok()) {
      co_await mirror_signal_.Wait();  // its silence is no failure now
      continue;
    } else {
      absl::Status status = co_await mirror_->ReadMore();
      if (status.ok()) continue;
      mirror_error_ = std::move(status);
    }
    ack_signal_.Notify();
  }
  if (!all_acked_ && !upstream_->closed()) {
    LOG_WARN("block {}: the next node has failed: {}", ToInt(writer_->block()), mirror_error_);
  }
  ack_signal_.Notify();
  --loops_running_;
  end_signal_.Notify();
}

}  // namespace cairn::datanode
