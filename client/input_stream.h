// client/input_stream.h - reading one file.
//
// Bytes are checked against their CRC32C before the caller sees them, and go from the socket
// straight into the caller's memory when it asks for a packet's worth or more. Where a datanode of
// this machine has the block and passes its files on, they are read from there. A replica that
// fails (connection, error reply, checksum) is left for the next one; a bad checksum is reported to
// the namenode. When all replicas of a block have failed, the locations are asked for again, three
// times with growing pauses, before the read fails.
//
// Of an erasure-coded file the units of a block group are read, one datanode each, and what cannot
// be read is computed from as many others as it takes (striped_block_reader.h); only when too many
// have failed are the locations asked for again. Units are never read from files of this machine.
//
// A stream stays with the file that it opened, or fails: when its path is of another file by now,
// or blocks of it have been replaced, whatever is not known yet of where they are ends in kAborted
// with kChanged. Open it again. What is appended, and what is cut off the end, is no such change.
// Nor is a conversion from replicated to erasure-coded or back: the stream goes on in the new
// blocks when it has to ask where they are, unless the file has been appended to or cut since.
//
// The length is that of the moment of opening. For a file still being written it includes what its
// writer has flushed, of an erasure-coded one what the namenode knows of; RefreshLength() looks
// again.
//
// Threads: ReadAt and RefreshLength may be called from several threads at once, also beside one
// that calls Read. Read and Seek share a position and belong to one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace cairn::client {

// Which bytes a file holds: as long as the file tells the same, they are the same. HDFS never
// changes a byte of a block under its stamp.
struct ContentsId {
  uint64_t last_block = 0;
  uint64_t stamp = 0;  // of it
  uint64_t length = 0;
  // Of all blocks and their stamps, from a server where others than the last can be replaced; else
  // 0.
  uint64_t digest = 0;
  bool operator==(const ContentsId&) const = default;
};

// Whether the bytes that there were before are there now, as far as it can be told: the last block
// is the same under the same stamp, and no shorter.
bool OnlyGrew(const std::optional<ContentsId>& before, const std::optional<ContentsId>& now);

class InputStream {
 public:
  class Impl;
  explicit InputStream(std::unique_ptr<Impl> impl);
  ~InputStream();
  InputStream(const InputStream&) = delete;
  InputStream& operator=(const InputStream&) = delete;

  // Reads up to out.size() bytes at the position and moves it. 0 only at the end of the file or for
  // an empty `out`; fewer than asked for is normal. The datanode sends ahead of the reader.
  // kDataLoss: every replica failed its checksums. kUnavailable: no replica could be read; the
  // message names the last datanode's trouble. The same of too many units of a group, which the
  // message names. The position stands after the bytes delivered.
  absl::StatusOr<size_t> Read(std::span<std::byte> out);
  // Fills `out` from the position; returns less than out.size() only at the end of the file.
  absl::StatusOr<size_t> ReadFully(std::span<std::byte> out);
  // Reads out.size() bytes at `offset`, fewer only at the end of the file. Leaves the position.
  // With ClientOptions::hedged_read_threads another replica is asked when one takes long; `out` is
  // written by this thread alone, and by nobody any more after the return.
  absl::StatusOr<size_t> ReadAt(uint64_t offset, std::span<std::byte> out);
  // kOutOfRange: beyond the length.
  absl::Status Seek(uint64_t position);

  uint64_t position() const;
  uint64_t length() const;
  // Asks namenode and, for an open file, a datanode for the present length, and returns it.
  // kAborted with kChanged as above; the stream is as it was.
  absl::StatusOr<uint64_t> RefreshLength();
  // As of the open, or of the latest RefreshLength; nullopt: the server did not tell.
  std::optional<ContentsId> contents() const;
  // Of the bytes delivered, those read from files of this machine (short-circuit reads). Not those
  // that were computed from other units of a group.
  uint64_t local_bytes() const;
  const std::string& path() const;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn::client
