// client/block_writer.h - one block being written through a pipeline, failures included.
//
// Whoever writes also sends what the socket takes and reads the acknowledgements that have come;
// between two calls the stream keeper's thread does (Serve). packet_stream.h moves the bytes.
//
// As long as all of a new block's packets are kept and nothing was flushed, a failed pipeline is
// cured by abandoning the block and writing it again elsewhere, with all its replicas. After that
// (more data than the window, an hflush, an append) the failed node is dropped, another may take
// its place with a copy of a replica, all get a new generation stamp, and what is not acknowledged
// is sent again: HDFS's pipeline recovery.
//
// A node that says it restarts is waited for if it is the only one or on this machine, as HDFS's
// clients do. Where it may have finished the block without a word, the block is written anew. A
// node that holds the others up (slow_nodes.h) gives its place to another if the namenode knows
// one: in the block that follows if this one is soon full, else at once.
//
// The closing packet of a block that can be written again follows the data at once. Otherwise it
// waits until all data is acknowledged, so that a recovery finds every replica in the same state.
//
// Not thread-safe; the stream serializes.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "client/excluded_nodes.h"
#include "client/options.h"
#include "client/out_packet.h"
#include "client/packet_stream.h"
#include "client/pipeline.h"

namespace cairn::client {

// Whether a block of which `nodes` are left is to get another node before the writing goes on.
// `promised`: readers count on its bytes, since it was flushed or appended to.
bool WantsAnotherNode(ReplaceNode policy, size_t replication, size_t nodes, bool promised);

class BlockWriter {
 public:
  struct Settings {
    uint64_t block_bytes = 0;  // length at which the block is full
    uint64_t window_bytes = 0;
    uint32_t replication = 0;  // of the file
    transfer::DataChecksum checksum;
  };

  // `file`, `pool` and `aborted` outlive this. When *aborted becomes true, waits end with kAborted.
  BlockWriter(const WrittenFile& file, const Settings& settings, OutPacketPool& pool,
              const std::atomic<bool>& aborted);

  // A new block after `previous`. Nodes that fail are added to `excluded` for the file's next
  // blocks.
  absl::Status Create(const hdfs::ExtendedBlockProto* previous, ExcludedNodes& excluded);
  // Goes on with the file's last block, of block.b().numBytes so far.
  absl::Status Append(const hdfs::LocatedBlockProto& block, ExcludedNodes& excluded);

  // Takes a filled packet, numbers it, and sends. Returns when it fits the window; it need not have
  // left. Any error is final for the block and the file.
  absl::Status Put(std::unique_ptr<OutPacket> packet, bool sync);
  // Returns when every packet is acknowledged. From now on the block is not written anew.
  absl::Status Flush();
  // Sends the closing packet and waits until the block is finished on all its nodes.
  absl::Status Finish(bool sync);

  // From the stream keeper: sends a heartbeat if one is due and, when the writer is `idle`, moves
  // what can be moved without waiting. A failure is kept for the writer's next call, which cures
  // it: a recovery can take a minute, during which other streams would go without heartbeats.
  // Returns HasUnsent(), or false after a failure.
  bool Serve(bool idle);
  bool HasUnsent() const { return stream_.HasUnsent(); }

  // The block at its present acknowledged length; after Finish its final one.
  hdfs::ExtendedBlockProto block() const;
  uint64_t bytes_put() const { return stream_.put_bytes(); }

 private:
  // Moves bytes both ways; with `wait`, until at least something has moved.
  std::optional<PipelineFailure> Pump(bool wait);
  absl::Status PumpUntilAcked();
  absl::Status PumpOnce(bool wait);

  absl::Status Recover(PipelineFailure failure);
  // The closing packet is among those sent together, of which data are not acknowledged: a node may
  // be writing the block or have finished it, and neither kind of recovery is for both. Until the
  // block is written anew.
  bool MayBeFinished() const;
  // `exclude`: the node that failed.
  absl::Status WriteAnew(PipelineFailure failure, bool exclude = true);
  absl::Status GoOnWithout(PipelineFailure failure);
  absl::Status WaitForRestart(PipelineFailure failure);
  // Gives the place of a slow node to another, if there is a slow one and another.
  absl::Status ReplaceSlowNode();
  absl::Status Reopen(Stage stage, bool replace = true);
  absl::Status ReplaceNode(Stage stage);
  Stage RecoveryStage() const;
  void Exclude(const PipelineFailure& failure);
  void Use(OpenPipeline pipeline);  // and send from the first packet that is kept

  const WrittenFile& file_;
  const Settings settings_;
  const std::atomic<bool>& aborted_;

  PipelineTarget target_;
  std::optional<hdfs::ExtendedBlockProto> previous_;
  ExcludedNodes* excluded_ = nullptr;
  PacketStream stream_;
  bool can_write_anew_ = false;
  bool appended_ = false;
  bool flushed_ = false;
  int recoveries_ = 0;                     // since the last acknowledgement
  uint64_t acked_at_recovery_ = 0;         // packets, at the last one
  absl::Duration began_;                   // the pipeline
  uint64_t began_bytes_ = 0;               // acknowledged by then
  absl::Duration no_replacement_until_;    // of slow nodes: there was none
  std::optional<PipelineFailure> failed_;  // met by Serve
};

}  // namespace cairn::client
