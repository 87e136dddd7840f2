#include "datanode/pipeline/block_receiver.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "boost/asio/co_spawn.hpp"
#include "boost/asio/post.hpp"
#include "common/check.h"
#include "common/logging.h"
#include "datanode/pipeline/log_thrown.h"

namespace cairn::datanode {
namespace {

namespace asio = boost::asio;
using transfer::DataChecksum;

constexpr absl::Duration kBufferRetry = absl::Milliseconds(5);
constexpr int kWaitersAtOnce = 64;  // of more, each looks more seldom
// A buffer unused for so long is worth more to others than reading it again costs.
constexpr absl::Duration kQuietBuffer = absl::Milliseconds(100);

// Assigning an empty vector would keep the memory.
void Free(std::vector<std::byte>& bytes) { std::vector<std::byte>().swap(bytes); }

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
  if (replica.bytes_per_checksum() < transfer::kMinBytesPerNewChecksum) {
    return absl::InvalidArgumentError(absl::StrCat("bytes per checksum ",
                                                   replica.bytes_per_checksum(), ": below ",
                                                   transfer::kMinBytesPerNewChecksum));
  }
  return CheckChecksums(replica, client);
}

std::shared_ptr<BlockReceiver> BlockReceiver::Create(Setup setup) {
  return std::shared_ptr<BlockReceiver>(new BlockReceiver(std::move(setup)));
}

BlockReceiver::BlockReceiver(Setup setup)
    : disk_(*setup.disk),
      buffers_(*setup.buffers),
      checksum_buffers_(*setup.checksum_buffers),
      buffer_waiters_(*setup.buffer_waiters),
      checksum_waiters_(*setup.checksum_waiters),
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
  // What came together with the operation. Copied: the operation's own bytes had room there, too.
  fifo_.assign(upstream_->pending().begin(), upstream_->pending().end());
  Free(upstream_->pending());
  fifo_end_ = fifo_.size();
}

void BlockReceiver::Spawn(awaitable<void> (BlockReceiver::*loop)(),
                          void (BlockReceiver::*ended)(bool), const char* what) {
  ++loops_running_;
  // Not in the loop itself: there may be no memory for it to begin.
  const auto end = [this, ended](bool thrown) {
    (this->*ended)(thrown);
    --loops_running_;
    end_signal_.Notify();
  };
  try {
    asio::co_spawn(
        upstream_->executor(), [self = shared_from_this(), loop] { return (self.get()->*loop)(); },
        [self = shared_from_this(), end, what](const std::exception_ptr& thrown) {
          end(thrown != nullptr);
          LogThrown(what)(thrown);
        });
  } catch (const std::exception&) {
    end(true);
    throw;
  }
}

awaitable<absl::Status> BlockReceiver::Run() {
  const auto self = shared_from_this();
  absl::Cleanup give_up = [this] {  // an exception: the loops have to end by themselves
    receiving_ended_ = true;
    upstream_->Close();
    if (mirror_ != nullptr) mirror_->Close();
    ack_signal_.Notify();
    mirror_signal_.Notify();
    flush_timer_.cancel();
    buffer_timer_.cancel();
    watch_timer_.cancel();
  };
  absl::Status status;
  try {
    Spawn(&BlockReceiver::AckLoop, &BlockReceiver::EndAckLoop, "acknowledging");
    if (mirror_ != nullptr && send_acks_) {
      Spawn(&BlockReceiver::MirrorAckLoop, &BlockReceiver::EndMirrorAckLoop,
            "reading acknowledgements");
    }
    status = co_await ReceiveAll();
  } catch (const std::exception&) {
    // No memory, not for a text either. The loops have to end, and the writer to be released: also
    // if there was none for the item of a bad packet.
    bad_received_ = !items_.empty() && items_.back().bad;
    status = absl::Status(absl::StatusCode::kResourceExhausted, "");
  }
  receiving_ended_ = true;
  in_data_ = false;
  ack_signal_.Notify();
  Free(fifo_);
  Free(head_);
  Free(scratch_);
  checksum_buffer_.reset();
  // What was received stays, whatever happened to the connection.
  if (!status.ok() && write_error_.ok() && length_ > disk_end_) FlushTail();
  flush_timer_.cancel();
  buffer_timer_.cancel();
  co_await WaitForDisk();
  ReleaseBuffer();  // the nodes behind may take their time
  ack_signal_.Notify();
  // The acknowledging loop ends by itself; the mirror's by its socket.
  while (loops_running_ > (mirror_ != nullptr && send_acks_ ? 1 : 0)) co_await end_signal_.Wait();
  if (mirror_ != nullptr) mirror_->Close();
  mirror_signal_.Notify();
  while (loops_running_ > 0) co_await end_signal_.Wait();
  watch_timer_.cancel();
  std::move(give_up).Cancel();
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

// ---- The buffer ----

awaitable<absl::Status> BlockReceiver::WaitForBuffer(BufferPool& pool, std::atomic<int>& waiters,
                                                     std::optional<BufferPool::Buffer>* out) {
  const auto give_up = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(buffer_wait_);
  waiters.fetch_add(1);
  const absl::Cleanup done = [&waiters] { waiters.fetch_sub(1); };
  while (true) {
    *out = pool.TryTake();
    if (out->has_value()) co_return absl::OkStatus();
    if (std::chrono::steady_clock::now() >= give_up) {
      LOG_EVERY_SECONDS(kWarn, 10, "a writer found no buffer in {}: all {} are taken",
                        absl::FormatDuration(buffer_wait_), pool.taken());
      co_return absl::ResourceExhaustedError(
          absl::StrCat("no write buffer in ", absl::FormatDuration(buffer_wait_), ": all ",
                       pool.taken(), " are taken (cairn.datanode.write.buffers)"));
    }
    LOG_EVERY_SECONDS(kWarn, 60, "all {} write buffers are taken: writers wait", pool.taken());
    const int share = std::max(waiters.load() / kWaitersAtOnce, 1);
    asio::steady_timer timer(upstream_->executor(),
                             absl::ToChronoNanoseconds(kBufferRetry * share));
    boost::system::error_code ignored;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    if (upstream_->closed()) co_return absl::UnavailableError("closed while waiting for memory");
  }
}

awaitable<absl::Status> BlockReceiver::TakeBuffer() {
  if (buffer_.has_value()) co_return absl::OkStatus();
  CO_RETURN_IF_ERROR(co_await WaitForBuffer(buffers_, buffer_waiters_, &buffer_));
  crcs_.resize(static_cast<size_t>(checksum_.ChecksumBytes(span_)));
  if (length_ == buffer_start_) co_return absl::OkStatus();
  co_await WaitForDisk();
  const auto bytes = buffer_->span().first(static_cast<size_t>(length_ - buffer_start_));
  co_return co_await OnDisk(disk_, [this, bytes] { return writer_->Load(buffer_start_, bytes); });
}

awaitable<absl::Status> BlockReceiver::TakeChecksumBuffer() {
  checksum_buffer_ = checksum_buffers_.TryTake();
  if (checksum_buffer_.has_value()) co_return absl::OkStatus();
  // Those who have one may be waiting for a buffer for data.
  while (buffer_.has_value()) {
    CO_RETURN_IF_ERROR(write_error_);
    if (dirty()) {
      FlushTail();
    } else if (!flush_running_) {
      ReleaseBuffer();
      break;
    }
    co_await disk_signal_.Wait();
  }
  co_return co_await WaitForBuffer(checksum_buffers_, checksum_waiters_, &checksum_buffer_);
}

bool BlockReceiver::BufferIsIdle() const {
  return buffer_.has_value() && waiting_ && !in_data_ && !dirty() && !flush_running_;
}

void BlockReceiver::ReleaseBuffer() {
  buffer_.reset();
  Free(crcs_);
}

void BlockReceiver::ReleaseIdleBuffer() {
  if (BufferIsIdle() && buffer_waiters_.load(std::memory_order_relaxed) > 0) ReleaseBuffer();
}

void BlockReceiver::WatchMemory() {
  const bool any = buffer_.has_value() || checksum_buffer_.has_value() || own_bytes() > 0;
  if (buffer_timer_armed_ || !any) return;
  buffer_timer_armed_ = true;
  buffer_timer_.expires_after(absl::ToChronoNanoseconds(kQuietBuffer));
  buffer_timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    self->buffer_timer_armed_ = false;
    if (!error && !self->receiving_ended_) self->CheckMemory();
  });
}

void BlockReceiver::FreeQuietMemory() {
  if (BufferIsIdle()) ReleaseBuffer();
  if (!buffer_.has_value()) Free(crcs_);  // the last one went to the disk
  if (fifo_.capacity() > fifo_end_ - fifo_begin_) {
    const auto begin = fifo_.begin();
    fifo_ = std::vector<std::byte>(begin + static_cast<std::ptrdiff_t>(fifo_begin_),
                                   begin + static_cast<std::ptrdiff_t>(fifo_end_));
    fifo_begin_ = 0;
    fifo_end_ = fifo_.size();
  }
  if (in_packet_) return;  // its header and checksums are needed still
  Free(head_);
  Free(scratch_);
}

void BlockReceiver::CheckMemory() {
  const auto silent = std::chrono::steady_clock::now() - waiting_since_;
  const bool quiet = waiting_ && silent >= absl::ToChronoNanoseconds(kQuietBuffer);
  if (quiet) FreeQuietMemory();
  const bool data_wanted = buffer_waiters_.load() > 0;
  const bool in_the_way =
      (buffer_.has_value() && in_data_ && data_wanted) ||
      (checksum_buffer_.has_value() && (data_wanted || checksum_waiters_.load() > 0));
  if (waiting_ && in_the_way && silent >= absl::ToChronoNanoseconds(stall_limit_)) {
    LOG_WARN("{} from {}: silent in the middle of a packet while others wait for its buffer",
             NameOf(writer_->block()), upstream_->PeerName());
    upstream_->Close();
  }
  // Without a buffer there is nothing more to free before its next byte, or its next wait for one.
  const bool soon = waiting_ && !quiet;
  if (soon || buffer_.has_value() || checksum_buffer_.has_value()) WatchMemory();
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
  try {
    GiveToDisk(rotate);
  } catch (const std::exception&) {
    // No memory, and no job: whoever waits for this one hears of it in the way of a disk's error.
    write_error_ = absl::Status(absl::StatusCode::kResourceExhausted, "");
    disk_signal_.Notify();
    ack_signal_.Notify();
  }
}

void BlockReceiver::GiveToDisk(bool rotate) {
  const uint64_t start = buffer_start_;
  const uint64_t from = disk_end_;
  const uint64_t end = length_;
  const bool sync = sync_wanted_;
  const bool complete = finalize_wanted_;
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
  if (rotate) buffer.swap(buffer_);
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
  // Only now is there a job whose end will be told, which is no sooner than this thread is idle.
  flush_running_ = true;
  flush_began_ = Steady::now();
  sync_wanted_ = finalize_wanted_ = false;
  if (rotate) buffer_start_ += span_;
}

void BlockReceiver::OnFlushed(absl::Status status, uint64_t end, uint64_t items) {
  flush_running_ = false;
  disk_signal_.Notify();
  ack_signal_.Notify();
  if (status.ok()) {
    disk_end_ = end;
    SetWritten(dirty() ? items : items_enqueued_);
    if (flush_again_ && dirty()) StartFlush(/*rotate=*/false);
    ReleaseIdleBuffer();
  } else {
    write_error_ = std::move(status);
    LOG_WARN("{} stamp {}: {}", NameOf(writer_->block()), ToInt(writer_->stamp()), write_error_);
  }
}

void BlockReceiver::SetWritten(uint64_t items) {
  const auto now = Steady::now();
  for (uint64_t i = std::max(items_written_, items_acked_); i < items; ++i) {
    Item& item = items_[static_cast<size_t>(i - items_acked_)];
    item.writing = now - item.received;
  }
  items_written_ = items;
}

}  // namespace cairn::datanode
