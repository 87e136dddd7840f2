#include "client/replicated_file_writer.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "common/status_macros.h"

namespace cairn::client {

ReplicatedFileWriter::ReplicatedFileWriter(const WrittenFile& file, const FileStatus& status,
                                           const std::atomic<bool>& aborted)
    : file_(file),
      aborted_(aborted),
      settings_({.block_bytes = status.block_bytes,
                 .window_bytes = file.context->options.write_window_bytes,
                 .replication = status.replication,
                 .checksum = WriteChecksum(file.context->options)}),
      packet_sizes_(file.context->options),
      excluded_(file.context->options.excluded_node_expiry, ExcludedNodes::Failing::kAsBefore,
                file.context->clock),
      syncing_(file.context->options.sync_blocks) {}

size_t ReplicatedFileWriter::Capacity(uint64_t offset) const {
  const uint64_t chunk = settings_.checksum.bytes_per_checksum();
  // An append inside a chunk fills that chunk first; every other packet begins at a chunk.
  const uint64_t usual =
      offset % chunk != 0 ? chunk - offset % chunk : packet_sizes_.After(unflushed_bytes_);
  return std::min<uint64_t>(usual, settings_.block_bytes - offset);
}

absl::Status ReplicatedFileWriter::Continue(const hdfs::LocatedBlockProto& block, bool new_block) {
  if (new_block || block.b().numbytes() >= settings_.block_bytes) {
    previous_ = block.b();
    return absl::OkStatus();
  }
  writer_ = std::make_unique<BlockWriter>(file_, settings_, pool_, aborted_);
  return writer_->Append(block, excluded_);
}

absl::Status ReplicatedFileWriter::StartBlock() {
  writer_ = std::make_unique<BlockWriter>(file_, settings_, pool_, aborted_);
  block_persisted_ = false;
  return writer_->Create(last_block(), excluded_);
}

absl::Status ReplicatedFileWriter::PutPacket(bool sync) {
  std::unique_ptr<OutPacket> packet = std::move(packet_);
  if (packet == nullptr || packet->end() <= writer_->bytes_put()) {
    // Nothing that was not sent before; a sync needs a packet all the same.
    if (packet != nullptr) pool_.Give(std::move(packet));
    return sync ? writer_->Put(pool_.Take(writer_->bytes_put(), 0), true) : absl::OkStatus();
  }
  return writer_->Put(std::move(packet), sync);
}

absl::Status ReplicatedFileWriter::EndBlock() {
  if (writer_ == nullptr) return absl::OkStatus();
  RETURN_IF_ERROR(PutPacket(/*sync=*/false));
  RETURN_IF_ERROR(writer_->Finish(syncing_));
  previous_ = writer_->block();
  writer_ = nullptr;
  return absl::OkStatus();
}

absl::Status ReplicatedFileWriter::Write(std::span<const std::byte> data) {
  while (!data.empty()) {
    if (writer_ == nullptr) RETURN_IF_ERROR(StartBlock());
    if (packet_ == nullptr) {
      packet_ = pool_.Take(writer_->bytes_put(), Capacity(writer_->bytes_put()));
    }
    const size_t bytes = std::min(packet_->room(), data.size());
    packet_->Append(data.first(bytes));
    data = data.subspan(bytes);
    unflushed_bytes_ += bytes;
    if (packet_->room() == 0) RETURN_IF_ERROR(PutPacket(/*sync=*/false));
    if (writer_->bytes_put() == settings_.block_bytes) RETURN_IF_ERROR(EndBlock());
  }
  return absl::OkStatus();
}

absl::Status ReplicatedFileWriter::Flush(bool sync) {
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

}  // namespace cairn::client
