// client/slow_nodes.h - finds the node of a pipeline that holds the others up.
//
// Cairn's datanodes say with each acknowledgement how long every node took for the packet
// (PipelineAckProto.nodeMicros). A node is slow while, second after second, its mean is above an
// absolute limit and clearly above that of every other node: where all are slow, the load or the
// network is, and no other node would help. Nothing is found out about HDFS's nodes, which tell no
// times of single nodes.
//
// Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/time/time.h"

namespace cairn::client {

class SlowNodes {
 public:
  struct Limits {
    int seconds = 10;  // in a row, each with acknowledgements; 0: nobody is ever slow
    absl::Duration mean = absl::Milliseconds(100);  // of a packet
    double factor = 4;                              // times the next slowest
  };

  explicit SlowNodes(const Limits& limits) : limits_(limits) {}

  // Another pipeline, of `nodes`: what was known is forgotten.
  void Restart(size_t nodes);
  // Of one packet: microseconds by node, as many as there are. `now` is on a monotonic clock.
  void Add(absl::Duration now, std::span<const uint64_t> node_micros);
  // The node that has been slow for long enough.
  std::optional<size_t> Find() const;

 private:
  void EndSecond();

  const Limits limits_;
  absl::Duration began_;         // the second under way
  uint64_t packets_ = 0;         // in it
  std::vector<uint64_t> sums_;   // of it, in microseconds, by node
  std::optional<size_t> worst_;  // of the last seconds
  int seconds_ = 0;              // that it was
};

}  // namespace cairn::client
