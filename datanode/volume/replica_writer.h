// datanode/volume/replica_writer.h - the one who writes a replica.
//
// Data come in pieces of an aligned buffer. Whole 4096-byte blocks of a large piece go to the disk
// directly (fresh page-cache pages cost five times as much); what is left over goes through the
// page cache and is overwritten with the same bytes by the next direct write. Every Write puts the
// data first and their CRCs after, so that a killed process leaves what RecoverPrefix can cut.
//
// After an error every further call fails: above all, a sync that failed is never tried again, for
// the kernel may call pages clean that it has dropped.
//
// Owned by a pipeline. All calls block, and come from one thread at a time. Destroyed without
// Finalize, a replica being written stays as it is for recovery; a temporary one is deleted.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "absl/status/statusor.h"
#include "datanode/volume/replica.h"
#include "datanode/volume/replica_files.h"
#include "datanode/volume/volume.h"
#include "wire/transfer/checksum.h"

namespace cairn::datanode {

class ReplicaStore;

class ReplicaWriter {
 public:
  ~ReplicaWriter();
  ReplicaWriter(const ReplicaWriter&) = delete;
  ReplicaWriter& operator=(const ReplicaWriter&) = delete;

  BlockId block() const { return block_; }
  GenerationStamp stamp() const { return stamp_; }
  const transfer::DataChecksum& checksum() const { return checksum_; }
  // Bytes there are: where the pipeline goes on.
  uint64_t length() const { return length_; }
  OpenReplica& open() { return *open_; }

  // Reads bytes that are there, to begin a buffer in the middle; `out` ends at length(). kDataLoss:
  // the partial chunk at the end, whose checksum is about to be computed anew, does not match the
  // one it has.
  absl::Status Load(uint64_t offset, std::span<std::byte> out);

  // Writes block bytes [from, buffer_offset + buffer.size()), and the CRCs `crcs`, the first of
  // which is that of the chunk at `crc_from`. buffer[0] is block byte buffer_offset, and lies at a
  // multiple of 4096 in memory; bytes go to the disk directly only if buffer_offset is one as well.
  // buffer_offset <= from <= length(). After an error the replica may hold any part of it.
  absl::Status Write(uint64_t buffer_offset, std::span<const std::byte> buffer, uint64_t from,
                     uint64_t crc_from, std::span<const std::byte> crcs);

  // hsync: everything written so far survives a power cut.
  absl::Status Sync();

  // The replica is complete: synced, moved, announced. Once; then destroy. Not synced only if it is
  // so configured, `sync` does not ask for it, and nobody has, or may have, called hsync.
  // After an error the replica is being written still, and its files are where they were.
  absl::Status Finalize(bool sync = false);

  bool finalized() const { return finalized_; }

  // Nothing came of it: destruction deletes the replica. For one that was just created.
  void Discard() { discard_ = true; }

  // A temporary copy becomes a replica being written, with all its bytes acknowledged
  // (TRANSFER_RBW).
  absl::Status BecomeBeingWritten();

 private:
  friend class ReplicaStore;
  ReplicaWriter(ReplicaStore& store, Volume& volume, int volume_index, BlockId block,
                GenerationStamp stamp, ReplicaState state, transfer::DataChecksum checksum,
                std::shared_ptr<OpenReplica> open, uint64_t promised);

  absl::Status OpenFiles(bool create);
  absl::Status WriteDirect(uint64_t offset, std::span<const std::byte> data);
  void AllocateAhead(uint64_t end);
  std::string directory() const { return volume_.DirectoryOf(block_, state_); }
  // Every call's error: it may say something of the volume, and nothing goes on after it.
  absl::Status Note(absl::Status status);
  // kUnavailable: the volume has failed meanwhile. The error of an earlier call, if there was one.
  absl::Status CheckUsable() const;
  absl::Status SyncFiles();

  ReplicaStore& store_;
  Volume& volume_;
  const int volume_index_;
  const BlockId block_;
  const GenerationStamp stamp_;
  ReplicaState state_;  // kBeingWritten or kTemporary
  const transfer::DataChecksum checksum_;
  const std::shared_ptr<OpenReplica> open_;
  uint64_t promised_;
  ReplicaPaths paths_;
  std::unique_ptr<File> data_;
  std::unique_ptr<File> direct_;  // opened with the first large piece
  std::unique_ptr<File> meta_;
  uint64_t length_ = 0;
  uint64_t allocated_ = 0;  // bytes reserved on disk
  uint32_t last_crc_ = 0;   // of the last chunk written
  uint64_t tail_sequence_ = 0;
  bool has_tail_ = false;
  bool directory_synced_ = false;
  bool finalized_ = false;
  bool discard_ = false;
  absl::Status broken_;  // the first error
};

}  // namespace cairn::datanode
