// wire/transfer/ack.h - acknowledgements that travel up a write pipeline.
//
// One acknowledgement for each packet, in the order of the packets. Each node puts its own status
// before those of the nodes after it; the first that is not SUCCESS names the node to drop.
// Encoded with its length it is never below 5 bytes, since some clients read 5 before they look.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "absl/container/inlined_vector.h"
#include "absl/status/statusor.h"
#include "proto/hdfs/data_transfer.pb.h"

namespace cairn::transfer {

// Pipelines of 3 are usual; nobody has one of this many.
inline constexpr size_t kMaxPipelineNodes = 64;
inline constexpr size_t kMaxAckBytes = 4096;
inline constexpr uint32_t kAllBlocked = 1000;

struct PipelineAck {
  int64_t seqno = 0;                              // kHeartbeatSeqno, kUnknownSeqno are legal
  absl::InlinedVector<hdfs::Status, 4> statuses;  // the sender first, then the nodes after it
  uint64_t downstream_nanos = 0;                  // how long the nodes after the sender took
  // How long each took by itself; empty, or parallel to statuses. Nodes of HDFS do not say.
  absl::InlinedVector<uint64_t, 4> node_micros;
  uint32_t blocked_permille = 0;  // share of time in which the sender waited to send on; with those

  bool AllSucceeded() const;
  // Index of the first status that is not SUCCESS; nullopt if there is none.
  std::optional<size_t> FirstFailure() const;
};

// How long a packet was on its way to the sender of `ack` and the answer on its way back: of the
// `took` since it was sent, what the sender did not need itself, nor spend waiting for nodes
// behind.
uint64_t MicrosOnTheWay(const PipelineAck& ack, uint64_t took_micros);

// Appends the acknowledgement with its length. Writes `reply` and the equal `flag` of each node.
void AppendAck(const PipelineAck& ack, std::string& out);

struct TakenAck {
  PipelineAck ack;
  size_t consumed = 0;
};

// nullopt: the bytes so far are no whole acknowledgement. Where a peer sends flags, they win over
// reply. kInvalidArgument: too long, not a PipelineAckProto, or more nodes than kMaxPipelineNodes.
absl::StatusOr<std::optional<TakenAck>> TakeAck(std::span<const std::byte> buffered);

}  // namespace cairn::transfer
