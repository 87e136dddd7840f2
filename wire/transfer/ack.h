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

struct PipelineAck {
  int64_t seqno = 0;                              // kHeartbeatSeqno, kUnknownSeqno are legal
  absl::InlinedVector<hdfs::Status, 4> statuses;  // the sender first, then the nodes after it
  uint64_t downstream_nanos = 0;                  // how long the nodes after the sender took

  bool AllSucceeded() const;
  // Index of the first status that is not SUCCESS; nullopt if there is none.
  std::optional<size_t> FirstFailure() const;
};

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
