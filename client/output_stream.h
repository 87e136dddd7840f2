// client/output_stream.h - writing one file.
//
// Bytes are gathered into packets, checksummed while in cache, and sent down a pipeline of
// datanodes without waiting for each acknowledgement (at most ClientOptions::write_window_bytes are
// on their way). When a datanode fails, the writer goes on with the rest of the pipeline, to which
// another may be added (ClientOptions::replace_node): nothing that was written is lost while one
// datanode of the block lives.
//
// A file for which the namenode has an erasure-coding policy is written in block groups: data go to
// k datanodes in turn, a cell at a time, and parity of each stripe to m others
// (striped_file_writer.h). As many of a group's datanodes as there is parity may fail.
//
// Where it is replicated as long as it is small (ClientOptions::small_file_bytes), so many bytes
// wait in memory until they are flushed, or it is closed, or grows (small_file_writer.h).
//
// What is promised:
//   Write   the bytes will be written; an error may show in a later call
//   Hflush  every datanode of the pipeline, or of as many units of a block group as give its bytes
//           back, has them in memory; new readers see them
//   Hsync   every datanode has them on stable media: those of the block that is open, and of blocks
//           that end later; of earlier ones if the datanodes sync what they complete, or with
//           ClientOptions::sync_blocks
//   Close   the namenode has the file complete, with its minimum of replicas confirmed, or as many
//           units of an erasure-coded file as give its bytes back
//   EndBlock  what is written next begins a block, or block group, however short the one before is
// Of an erasure-coded file Hflush and Hsync end the block group: what is written next begins one,
// as after EndBlock. A file has only so many (dfs.namenode.fs-limits.max-blocks-per-file), so many
// small flushes are better made of a replicated one. Where nothing was written since the last
// flush, another costs nothing. Apache HDFS keeps of a lost writer's last group whole stripes only.
// After an error every further call returns the same error; what had been flushed remains. A
// stream that is destroyed without Close is abandoned: the namenode closes the file when the lease
// runs out.
//
// Threads: calls are serialized inside; writers of one stream should be one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "client/types.h"

namespace cairn::client {

class OutputStream {
 public:
  class Impl;
  explicit OutputStream(std::shared_ptr<Impl> impl);
  ~OutputStream();
  OutputStream(const OutputStream&) = delete;
  OutputStream& operator=(const OutputStream&) = delete;

  absl::Status Write(std::span<const std::byte> data);
  absl::Status Write(absl::string_view data) { return Write(std::as_bytes(std::span(data))); }
  absl::Status Hflush();
  absl::Status Hsync();
  absl::Status EndBlock();
  // Idempotent: a second call returns what the first did.
  absl::Status Close();

  // Bytes in the file if all that was written arrives.
  uint64_t position() const;
  const std::string& path() const;
  // The file as the namenode described it when this stream was made; its path is path().
  const FileStatus& status() const;

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace cairn::client
