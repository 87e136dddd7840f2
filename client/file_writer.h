// client/file_writer.h - what cuts the bytes of a file into blocks and moves them.
//
// One for a way to keep a file: replicated_file_writer.h, striped_file_writer.h. output_stream.h
// says what is promised; its stream has the file's lease, serializes the calls, and makes none
// after an error.
#pragma once

#include <cstddef>
#include <span>

#include "absl/status/status.h"
#include "proto/hdfs/types.pb.h"

namespace cairn::client {

class FileWriter {
 public:
  virtual ~FileWriter() = default;

  // For an append, before anything else: goes on with `block`, the file's last one, or after it if
  // it is full or `new_block` says so.
  virtual absl::Status Continue(const hdfs::LocatedBlockProto& block, bool new_block) = 0;
  virtual absl::Status Write(std::span<const std::byte> data) = 0;
  // See OutputStream::Hflush; with `sync` Hsync.
  virtual absl::Status Flush(bool sync) = 0;
  // Ends the block that is open, if one is: it is finished on its datanodes.
  virtual absl::Status EndBlock() = 0;
  // The last block that has ended, with its length; null: there is none.
  virtual const hdfs::ExtendedBlockProto* last_block() const = 0;

  // At the end of a call: there are bytes that a socket did not take.
  virtual bool HasUnsent() const = 0;
  // From the stream keeper, see stream_keeper.h: HasUnsent() afterwards. `idle`: the application
  // has made no call since the last time.
  virtual bool Serve(bool idle) = 0;
};

}  // namespace cairn::client
