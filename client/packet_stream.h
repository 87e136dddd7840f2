// client/packet_stream.h - the packets of one block on their way to a pipeline, and what comes
// back.
//
// Packets are kept in one queue, which outlives a connection: over the next one it is sent again
// from the first packet that is kept.
//
//   packets_   [ acknowledged, kept | sent | partly sent | waiting ]
//                0 .. acked_          acked_ .. sent_      sent_ .. end
//
// It moves bytes and tells what failed. When to wait for more, and how to go on after a failure, is
// its owner's business: block_writer.h, block_group_writer.h.
//
// Not thread-safe; the output stream serializes.
#pragma once

#include <poll.h>

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/context.h"
#include "client/out_packet.h"
#include "client/pipeline.h"
#include "client/slow_nodes.h"
#include "client/socket.h"
#include "wire/transfer/ack.h"
#include "wire/transfer/checksum.h"

namespace cairn::client {

class PacketStream {
 public:
  // `context` and `pool` outlive this.
  PacketStream(const ClientContext& context, OutPacketPool& pool,
               const transfer::DataChecksum& checksum);

  // ---- The connection ----

  // Sends over `pipeline`, to `nodes`, from the first packet that is kept.
  void Use(OpenPipeline pipeline, const std::vector<hdfs::DatanodeInfoProto>& nodes);
  void Disconnect() { socket_.Close(); }  // what is queued stays
  bool is_connected() const { return socket_.is_open(); }
  bool is_local() const { return is_local_; }  // the first node is on this machine

  // ---- The queue ----

  // Of a block that has `bytes` already.
  void BeginAt(uint64_t bytes) { put_bytes_ = acked_bytes_ = sent_bytes_ = bytes; }
  // Numbers a filled packet; it is sent by Move.
  void Put(std::unique_ptr<OutPacket> packet, bool sync);
  void PutClosing(bool sync);
  void ReleaseAcked();
  // Nothing was sent so far, as far as the next pipeline is concerned.
  void StartOver() { acked_bytes_ = sent_bytes_ = 0; }
  // The pipeline has, by another way, what the queue still waits for.
  void SetAllAcked() { sent_ = acked_ = packets_.size(); }
  // Drops the connection and every packet.
  void Abandon();

  bool AllAcked() const { return acked_ == packets_.size(); }
  bool HasUnsent() const { return !AllSent() || heartbeat_left_ > 0; }
  size_t kept() const { return packets_.size(); }
  size_t kept_acked() const { return acked_; }
  size_t unacked() const { return packets_.size() - acked_; }
  bool has_closing() const { return !packets_.empty() && packets_.back()->is_last(); }
  uint64_t kept_bytes() const { return kept_bytes_; }        // data in packets
  uint64_t put_bytes() const { return put_bytes_; }          // of the block, if all packets arrive
  uint64_t acked_bytes() const { return acked_bytes_; }      // of the block, on every node
  uint64_t sent_bytes() const { return sent_bytes_; }        // of the block
  uint64_t acked_packets() const { return acked_packets_; }  // ever, those sent again too
  const SlowNodes& slow_nodes() const { return slow_nodes_; }

  // ---- Moving bytes ----

  // Sends what the socket takes and reads the acknowledgements that have come, without waiting.
  std::optional<PipelineFailure> Move();
  // The first node owes something, and has not been heard of for as long as one is given up soon.
  bool IsSilent() const;
  // To be asked while waiting: a failure if the first node owes something for too long. `spare`:
  // the writing goes on without this pipeline, even of one node, which is then given up sooner.
  std::optional<PipelineFailure> CheckOverdue(bool spare = false);
  // How long to wait at a time, so that nothing is overdue for long and heartbeats are on time.
  absl::Duration WaitSlice(bool spare = false) const;
  // Waits until Move can do something, or for `timeout`.
  std::optional<PipelineFailure> Wait(absl::Duration timeout);
  // The same for poll(2), of several.
  pollfd WhatToPoll() const;
  // If one is due: datanodes give a silent writer up.
  void QueueHeartbeat();
  bool HasHeartbeat() const { return heartbeat_left_ > 0; }

 private:
  std::optional<PipelineFailure> SendSome();
  std::optional<PipelineFailure> TakeAcks();
  std::optional<PipelineFailure> TakeAck(const transfer::PipelineAck& ack);
  // After a failure of the connection: whom acknowledgements name that came before it, or come
  // within `patience`, else the first node.
  PipelineFailure Blame(absl::Status status, absl::Duration patience = absl::ZeroDuration());
  void NoteTimes(const transfer::PipelineAck& ack);  // of packets_[acked_]
  bool AllSent() const { return sent_ == packets_.size(); }
  // The first node has something to answer.
  bool IsOwed() const { return acked_ < sent_ || sent_of_next_ > 0; }
  absl::Duration Silence(bool spare) const;
  // Sends the rest of a queued heartbeat; what follows has to wait while there is one.
  absl::Status SendHeartbeat();

  const ClientContext& context_;
  OutPacketPool& pool_;
  const transfer::DataChecksum checksum_;

  Socket socket_;
  std::vector<std::string> nodes_;  // ip:port
  bool gives_signs_ = false;        // of life, the first node
  bool is_local_ = false;
  std::deque<std::unique_ptr<OutPacket>> packets_;
  size_t acked_ = 0;
  size_t sent_ = 0;
  size_t sent_of_next_ = 0;  // bytes of packets_[sent_]
  int64_t next_seqno_ = 0;
  uint64_t kept_bytes_ = 0;
  uint64_t put_bytes_ = 0;
  uint64_t acked_bytes_ = 0;
  uint64_t sent_bytes_ = 0;
  uint64_t acked_packets_ = 0;
  absl::Duration last_progress_;  // packets sent, or anything acknowledged
  absl::Duration last_sent_;      // heartbeats too
  absl::Duration last_heard_;     // anything, or since when there is something to be heard
  SlowNodes slow_nodes_;
  std::array<std::byte, transfer::kMaxEncodedHeaderBytes> heartbeat_;
  size_t heartbeat_bytes_ = 0;
  size_t heartbeat_left_ = 0;    // bytes at its end that have not gone
  std::vector<std::byte> acks_;  // bytes received, not yet a whole acknowledgement
};

// ip:port, for messages.
std::string NodeName(const hdfs::DatanodeInfoProto& node);

}  // namespace cairn::client
