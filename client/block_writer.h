// client/block_writer.h - one block being written through a pipeline, failures included.
//
// Whoever writes also sends what the socket takes and reads the acknowledgements that have come;
// between two calls the stream keeper's thread does (Serve). Packets are kept in one queue:
//
//   packets_   [ acknowledged, kept | sent | partly sent | waiting ]
//                0 .. acked_          acked_ .. sent_      sent_ .. end
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

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/excluded_nodes.h"
#include "client/options.h"
#include "client/out_packet.h"
#include "client/pipeline.h"
#include "client/slow_nodes.h"
#include "client/socket.h"
#include "wire/transfer/ack.h"

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
  BlockWriter(const OpenFile& file, const Settings& settings, OutPacketPool& pool,
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
  bool HasUnsent() const { return !AllSent() || heartbeat_left_ > 0; }

  // The block at its present acknowledged length; after Finish its final one.
  hdfs::ExtendedBlockProto block() const;
  uint64_t bytes_put() const { return put_bytes_; }

 private:
  // Moves bytes both ways; with `wait`, until at least something has moved.
  std::optional<PipelineFailure> Pump(bool wait);
  std::optional<PipelineFailure> SendSome();
  std::optional<PipelineFailure> TakeAcks();
  // After a failure of the connection: whom acknowledgements name that came before it, or come
  // within `patience`, else the first node.
  PipelineFailure Blame(absl::Status status, absl::Duration patience = absl::ZeroDuration());
  void NoteTimes(const transfer::PipelineAck& ack);  // of packets_[acked_]
  bool AllSent() const { return sent_ == packets_.size(); }
  // The first node has something to answer.
  bool IsOwed() const { return acked_ < sent_ || sent_of_next_ > 0; }
  bool AllAcked() const { return acked_ == packets_.size(); }
  absl::Status PumpUntilAcked();
  absl::Status PumpOnce(bool wait);
  void ReleaseAcked();
  void QueueHeartbeat();  // if one is due
  // Sends the rest of a queued heartbeat; what follows has to wait while there is one.
  absl::Status SendHeartbeat();

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

  const OpenFile& file_;
  const Settings settings_;
  OutPacketPool& pool_;
  const std::atomic<bool>& aborted_;

  PipelineTarget target_;
  std::optional<hdfs::ExtendedBlockProto> previous_;
  ExcludedNodes* excluded_ = nullptr;
  Socket socket_;
  bool gives_signs_ = false;  // of life, the first node
  bool is_local_ = false;     // the first node is on this machine
  std::deque<std::unique_ptr<OutPacket>> packets_;
  size_t acked_ = 0;
  size_t sent_ = 0;
  size_t sent_of_next_ = 0;  // bytes of packets_[sent_]
  uint64_t kept_bytes_ = 0;  // data in packets_
  int64_t next_seqno_ = 0;
  uint64_t put_bytes_ = 0;    // length of the block if all packets arrive
  uint64_t acked_bytes_ = 0;  // length that every node has confirmed
  uint64_t sent_bytes_ = 0;
  bool can_write_anew_ = false;
  bool appended_ = false;
  bool flushed_ = false;
  int recoveries_ = 0;            // since the last acknowledgement
  absl::Duration last_progress_;  // packets sent, or anything acknowledged
  absl::Duration last_sent_;      // heartbeats too
  absl::Duration last_heard_;     // anything, or since when there is something to be heard
  SlowNodes slow_nodes_;
  absl::Duration began_;                 // the pipeline
  uint64_t began_bytes_ = 0;             // acknowledged by then
  absl::Duration no_replacement_until_;  // of slow nodes: there was none
  std::array<std::byte, transfer::kMaxEncodedHeaderBytes> heartbeat_;
  size_t heartbeat_bytes_ = 0;
  size_t heartbeat_left_ = 0;              // bytes at its end that have not gone
  std::optional<PipelineFailure> failed_;  // met by Serve
  std::vector<std::byte> acks_;            // bytes received, not yet a whole acknowledgement
};

}  // namespace cairn::client
