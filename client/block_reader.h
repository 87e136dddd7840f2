// client/block_reader.h - a range of one replica, over a connection (remote_block_reader.h) or from
// its files (local_block_reader.h), or of a block group (striped_block_reader.h).
//
// Used by one thread at a time. After an error the reader is of no more use; bytes returned before
// were good.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "absl/status/statusor.h"
#include "client/socket.h"

namespace cairn::client {

class BlockReader {
 public:
  virtual ~BlockReader() = default;

  // 1 to out.size() bytes from the position; 0 once the range is read. kDataLoss: a checksum does
  // not match. kUnavailable: the replica cannot be read here any more.
  virtual absl::StatusOr<size_t> Read(std::span<std::byte> out) = 0;

  virtual uint64_t remaining() const = 0;
  // What the last Read gave came from files of this machine. Of a replica that is so from the
  // start, and after an error its datanode is asked before anything is thought of it.
  virtual bool is_local() const = 0;
  // The connection, ready for another operation, once the whole range has been read.
  virtual std::optional<Socket> Release() { return std::nullopt; }
};

}  // namespace cairn::client
