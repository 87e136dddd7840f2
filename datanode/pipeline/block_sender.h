// datanode/pipeline/block_sender.h - a replica's bytes as packets.
//
//   header and checksums by send(MSG_MORE), data by sendfile from the page cache
//
// The range is widened to whole chunks. Where the page cache lacks the next bytes, a disk thread
// fetches them and the disk is kept busy some megabytes ahead, so that sendfile, on the I/O thread,
// rarely waits for a disk; checksums that the page cache lacks are read by a disk thread too. The
// CRC of a partial last chunk never comes from the meta file, where a writer may be changing it: it
// is computed, of bytes that match what the meta file says of them.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "datanode/pipeline/async.h"
#include "datanode/pipeline/channel.h"
#include "datanode/pipeline/disk_pool.h"
#include "datanode/volume/replica_store.h"
#include "wire/transfer/checksum.h"

namespace cairn::datanode {

class BlockSender {
 public:
  // How long to wait before so many further bytes are sent. kCancelled ends the sending; it is
  // asked for again, with 0 bytes, during a long wait.
  using Pace = std::function<absl::StatusOr<absl::Duration>(uint64_t bytes)>;

  // Bytes [offset, end) of `reader`, end <= reader.visible(). `checksums` false: packets go
  // without.
  BlockSender(DiskPool& disk, ReplicaReader reader, uint64_t offset, uint64_t end, bool checksums);

  // What the receiver is told: the kind of checksum in the packets, and where they begin.
  const transfer::DataChecksum& checksum() const { return checksum_; }
  uint64_t first_offset() const { return begin_; }

  void SetPace(Pace pace) { pace_ = std::move(pace); }

  // Sends the packets and the empty last one. kDataLoss: the disk's fault; the connection is then
  // in the middle of a packet and must be closed.
  awaitable<absl::Status> Send(Channel& channel);

 private:
  awaitable<absl::Status> WaitForTurn(uint64_t bytes);
  awaitable<absl::Status> Fetch(uint64_t offset, uint64_t end);
  // Fills crcs_ with those of the chunks in [offset, end), which has been fetched.
  awaitable<absl::Status> ReadWindowChecksums(uint64_t offset, uint64_t end);
  // Of the partial chunk that ends at end_.
  awaitable<absl::StatusOr<uint32_t>> TailCrc();
  // The same while the replica is written. kDataLoss: the chunk does not match the checksum that
  // the files have of it.
  absl::StatusOr<uint32_t> OpenTailCrc();

  DiskPool& disk_;
  const ReplicaReader reader_;
  const transfer::DataChecksum checksum_;
  const uint64_t begin_;
  const uint64_t end_;
  const uint64_t packet_bytes_;
  uint64_t ahead_ = 0;           // the disk has been asked for bytes up to here
  std::vector<std::byte> crcs_;  // of the window being sent
  Pace pace_;                    // may be empty
};

}  // namespace cairn::datanode
