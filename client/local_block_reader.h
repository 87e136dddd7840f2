// client/local_block_reader.h - reads a replica from its files, by descriptors that its datanode
// has passed on.
//
// The data file's bytes go from the page cache straight to the caller's memory and are compared
// with the meta file's CRCs there, a piece at a time that the processor's cache holds. Small reads,
// and the ends of a range inside a chunk, go through a buffer of whole chunks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "client/block_reader.h"
#include "wire/transfer/checksum.h"

namespace cairn::client {

// The two files. Constant; any thread may read by it. The datanode may delete them, append to them
// and cut them meanwhile: bytes are then old or new ones of the same block, and what does not match
// its checksum is an error.
class LocalReplica {
 public:
  // Takes both descriptors. kDataLoss, kUnimplemented: `meta` does not begin as a meta file does;
  // kUnavailable: they cannot be read.
  static absl::StatusOr<std::shared_ptr<const LocalReplica>> Open(int data, int meta);
  ~LocalReplica();
  LocalReplica(const LocalReplica&) = delete;
  LocalReplica& operator=(const LocalReplica&) = delete;

  uint64_t length() const { return length_; }  // of the data when it was opened
  const transfer::DataChecksum& checksum() const { return checksum_; }

  // Fills `out` with the data from `offset`. kUnavailable: they cannot be read, or end before.
  absl::Status ReadData(uint64_t offset, std::span<std::byte> out) const;
  // The same, after comparing it. `offset` is a chunk's beginning; `out` ends with a chunk, or with
  // the data. kDataLoss: a chunk does not match. `crcs` is scratch.
  absl::Status ReadVerified(uint64_t offset, std::span<std::byte> out,
                            std::vector<std::byte>& crcs) const;

 private:
  LocalReplica(int data, int meta) : data_(data), meta_(meta) {}

  const int data_;
  const int meta_;
  uint64_t length_ = 0;
  transfer::DataChecksum checksum_;
};

class LocalBlockReader final : public BlockReader {
 public:
  // Bytes [offset, offset + length) of the block, which is within replica->length().
  LocalBlockReader(std::shared_ptr<const LocalReplica> replica, uint64_t offset, uint64_t length,
                   bool verify);

  absl::StatusOr<size_t> Read(std::span<std::byte> out) override;
  uint64_t remaining() const override { return end_ - position_; }
  bool is_local() const override { return true; }

 private:
  absl::Status FillBuffer();

  const std::shared_ptr<const LocalReplica> replica_;
  const uint64_t end_;
  const bool verify_;
  uint64_t position_;
  std::vector<std::byte> buffer_, crcs_;
  std::span<const std::byte> buffered_;  // what of buffer_ is still to be handed out
};

}  // namespace cairn::client
