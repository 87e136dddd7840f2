#include "client/output_stream.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/output_stream_impl.h"
#include "common/status_macros.h"

namespace cairn::client {
namespace {

// A stream that has gone so far without a flush is a long one.
constexpr uint64_t kGrowAfterBytes = 1 << 20;

}  // namespace

OutputStream::Impl::Impl(OpenFile file, FileStatus status)
    : file_(std::move(file)),
      status_(std::move(status)),
      position_(status_.length),
      excluded_(file_.context->options.excluded_node_expiry, file_.context->clock),
      syncing_(file_.context->options.sync_blocks) {
  const ClientOptions& options = file_.context->options;
  const uint32_t chunk = options.bytes_per_checksum;
  settings_ = {.block_bytes = status_.block_bytes,
               .window_bytes = options.write_window_bytes,
               .replication = status_.replication,
               .checksum = transfer::DataChecksum(transfer::ChecksumType::kCrc32c, chunk)};
  packet_bytes_ = std::max(options.write_packet_bytes / chunk, 1u) * chunk;
  large_packet_bytes_ = std::max<size_t>(options.large_packet_bytes / chunk * chunk, packet_bytes_);
}

OutputStream::Impl::~Impl() { Unregister(); }

void OutputStream::Impl::Register() {
  file_.context->leases.Add(*this);
  file_.context->keeper.Add(*this);
}

void OutputStream::Impl::Unregister() {
  file_.context->keeper.Remove(*this);
  file_.context->leases.Remove(*this);
}

size_t OutputStream::Impl::Capacity(uint64_t offset) const {
  const uint64_t chunk = settings_.checksum.bytes_per_checksum();
  // An append inside a chunk fills that chunk first; every other packet begins at a chunk.
  const size_t packet = unflushed_bytes_ >= kGrowAfterBytes ? large_packet_bytes_ : packet_bytes_;
  const uint64_t usual = offset % chunk != 0 ? chunk - offset % chunk : packet;
  return std::min<uint64_t>(usual, settings_.block_bytes - offset);
}

absl::Status OutputStream::Impl::Remember(absl::Status status) {
  if (!status.ok() && error_.ok()) {
    error_ = status;
    writer_ = nullptr;
    packet_ = nullptr;
  }
  return status;
}

absl::Status OutputStream::Impl::Leave(absl::Status status) {
  if (writer_ != nullptr && writer_->HasUnsent()) file_.context->keeper.Want();
  return Remember(std::move(status));
}

absl::Status OutputStream::Impl::Continue(const hdfs::LocatedBlockProto& block, bool new_block) {
  MutexLock lock(mu_);
  if (new_block || block.b().numbytes() >= settings_.block_bytes) {
    previous_ = block.b();
    return absl::OkStatus();
  }
  writer_ = std::make_unique<BlockWriter>(file_, settings_, pool_, aborted_);
  return Remember(writer_->Append(block, excluded_));
}

absl::Status OutputStream::Impl::StartBlock() {
  writer_ = std::make_unique<BlockWriter>(file_, settings_, pool_, aborted_);
  block_persisted_ = false;
  return writer_->Create(previous_.has_value() ? &*previous_ : nullptr, excluded_);
}

absl::Status OutputStream::Impl::PutPacket(bool sync) {
  std::unique_ptr<OutPacket> packet = std::move(packet_);
  if (packet == nullptr || packet->end() <= writer_->bytes_put()) {
    // Nothing that was not sent before; a sync needs a packet all the same.
    if (packet != nullptr) pool_.Give(std::move(packet));
    return sync ? writer_->Put(pool_.Take(writer_->bytes_put(), 0), true) : absl::OkStatus();
  }
  return writer_->Put(std::move(packet), sync);
}

absl::Status OutputStream::Impl::EndBlock() {
  RETURN_IF_ERROR(PutPacket(/*sync=*/false));
  RETURN_IF_ERROR(writer_->Finish(syncing_));
  previous_ = writer_->block();
  writer_ = nullptr;
  return absl::OkStatus();
}

absl::Status OutputStream::Impl::DoWrite(std::span<const std::byte> data) {
  while (!data.empty()) {
    if (writer_ == nullptr) RETURN_IF_ERROR(StartBlock());
    if (packet_ == nullptr) {
      packet_ = pool_.Take(writer_->bytes_put(), Capacity(writer_->bytes_put()));
    }
    const size_t bytes = std::min(packet_->room(), data.size());
    packet_->Append(data.first(bytes));
    data = data.subspan(bytes);
    position_.fetch_add(bytes, std::memory_order_relaxed);
    unflushed_bytes_ += bytes;
    if (packet_->room() == 0) RETURN_IF_ERROR(PutPacket(/*sync=*/false));
    if (writer_->bytes_put() == settings_.block_bytes) RETURN_IF_ERROR(EndBlock());
  }
  return absl::OkStatus();
}

absl::Status OutputStream::Impl::DoFlush(bool sync) {
  syncing_ |= sync;
  unflushed_bytes_ = 0;
  // At a block's end everything is acknowledged, and finished on its datanodes.
  if (writer_ == nullptr) return absl::OkStatus();
  // A started chunk is sent as it is, and again with what follows it: the next packet begins where
  // that chunk does, or where this packet began if that is later.
  std::vector<std::byte> tail;
  uint64_t tail_offset = 0;
  if (packet_ != nullptr) {
    const uint64_t end = packet_->end();
    tail_offset = std::max(packet_->offset(), settings_.checksum.RoundDown(end));
    const auto bytes = packet_->data().subspan(tail_offset - packet_->offset());
    tail.assign(bytes.begin(), bytes.end());
  }
  RETURN_IF_ERROR(PutPacket(sync));
  RETURN_IF_ERROR(writer_->Flush());
  if (!tail.empty()) {
    packet_ = pool_.Take(tail_offset, Capacity(tail_offset));
    packet_->Append(tail);
  }
  if (!block_persisted_) {
    RETURN_IF_ERROR(Fsync(file_, static_cast<int64_t>(writer_->bytes_put())));
    block_persisted_ = true;
  }
  return absl::OkStatus();
}

absl::Status OutputStream::Impl::DoClose() {
  if (writer_ != nullptr) RETURN_IF_ERROR(EndBlock());
  return Complete(file_, previous_.has_value() ? &*previous_ : nullptr);
}

absl::Status OutputStream::Impl::Write(std::span<const std::byte> data) {
  calls_.fetch_add(1, std::memory_order_relaxed);
  MutexLock lock(mu_);
  if (!error_.ok()) return error_;
  if (closed_) return absl::FailedPreconditionError(absl::StrCat(file_.path, ": stream is closed"));
  return Leave(DoWrite(data));
}

absl::Status OutputStream::Impl::Flush(bool sync) {
  calls_.fetch_add(1, std::memory_order_relaxed);
  MutexLock lock(mu_);
  if (!error_.ok()) return error_;
  if (closed_) return absl::FailedPreconditionError(absl::StrCat(file_.path, ": stream is closed"));
  return Leave(DoFlush(sync));
}

absl::Status OutputStream::Impl::CutBlock() {
  calls_.fetch_add(1, std::memory_order_relaxed);
  MutexLock lock(mu_);
  if (!error_.ok()) return error_;
  if (closed_) return absl::FailedPreconditionError(absl::StrCat(file_.path, ": stream is closed"));
  return writer_ == nullptr ? absl::OkStatus() : Remember(EndBlock());
}

absl::Status OutputStream::Impl::Close() {
  absl::Status result;
  {
    MutexLock lock(mu_);
    if (closed_) return error_;
    closed_ = true;
    result = error_.ok() ? Remember(DoClose()) : error_;
  }
  Unregister();
  return result;
}

bool OutputStream::Impl::Serve() {
  const uint64_t calls = calls_.load(std::memory_order_relaxed);
  const bool idle = std::exchange(calls_seen_, calls) == calls;
  // A call that is under way moves the bytes itself, and tells the keeper at its end.
  if (!mu_.try_lock()) return false;
  const bool unsent = writer_ != nullptr && writer_->Serve(idle);
  mu_.unlock();
  return unsent;
}

void OutputStream::Impl::Abort(absl::Status why) {
  // First the flag: the writer may be waiting inside a call, with the lock.
  aborted_.store(true, std::memory_order_relaxed);
  MutexLock lock(mu_);
  Remember(std::move(why)).IgnoreError();  // kept, and returned by the writer's next call
}

OutputStream::OutputStream(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

OutputStream::~OutputStream() = default;

absl::Status OutputStream::Write(std::span<const std::byte> data) { return impl_->Write(data); }
absl::Status OutputStream::Hflush() { return impl_->Flush(/*sync=*/false); }
absl::Status OutputStream::Hsync() { return impl_->Flush(/*sync=*/true); }
absl::Status OutputStream::EndBlock() { return impl_->CutBlock(); }
absl::Status OutputStream::Close() { return impl_->Close(); }
uint64_t OutputStream::position() const { return impl_->position(); }
const std::string& OutputStream::path() const { return impl_->path(); }
const FileStatus& OutputStream::status() const { return impl_->status(); }

}  // namespace cairn::client
