// client/replicated_file_writer.h - writes a file of blocks that have replicas.
//
// Cuts the bytes into packets and the packets into blocks; block_writer.h moves them.
// Not thread-safe; the stream serializes.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "client/block_writer.h"
#include "client/excluded_nodes.h"
#include "client/file_writer.h"
#include "client/out_packet.h"
#include "client/pipeline.h"
#include "client/types.h"

namespace cairn::client {

class ReplicatedFileWriter final : public FileWriter {
 public:
  // `file` and `aborted` outlive this. When *aborted becomes true, waits end with kAborted.
  ReplicatedFileWriter(const WrittenFile& file, const FileStatus& status,
                       const std::atomic<bool>& aborted);

  absl::Status Continue(const hdfs::LocatedBlockProto& block, bool new_block) override;
  absl::Status Write(std::span<const std::byte> data) override;
  absl::Status Flush(bool sync) override;
  absl::Status EndBlock() override;
  const hdfs::ExtendedBlockProto* last_block() const override {
    return previous_.has_value() ? &*previous_ : nullptr;
  }
  bool HasUnsent() const override { return writer_ != nullptr && writer_->HasUnsent(); }
  bool Serve(bool idle) override { return writer_ != nullptr && writer_->Serve(idle); }

 private:
  absl::Status StartBlock();
  // Sends what of packet_ has not been sent yet.
  absl::Status PutPacket(bool sync);
  size_t Capacity(uint64_t offset_in_block) const;

  const WrittenFile& file_;
  const std::atomic<bool>& aborted_;
  const BlockWriter::Settings settings_;
  const PacketSizes packet_sizes_;
  OutPacketPool pool_;
  std::unique_ptr<BlockWriter> writer_;  // null: no block is open
  std::unique_ptr<OutPacket> packet_;    // being filled; may be null
  std::optional<hdfs::ExtendedBlockProto> previous_;
  ExcludedNodes excluded_;
  bool block_persisted_ = false;  // the namenode has journalled this block
  bool syncing_;                  // blocks are synced at their end, as always after an Hsync
  uint64_t unflushed_bytes_ = 0;  // written since the last flush
};

}  // namespace cairn::client
