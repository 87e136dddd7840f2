// tests/sim/limits.h - the cluster's clocks, shorter than a real one's but in the same order, so
// that a history of a minute or two sees all of them run out.
#pragma once

#include "absl/time/time.h"

namespace cairn::sim {

inline constexpr absl::Duration kHeartbeat = absl::Seconds(1);
inline constexpr absl::Duration kStale = absl::Seconds(4);
inline constexpr absl::Duration kDead = absl::Seconds(20);
inline constexpr absl::Duration kSafeModeLongest = absl::Seconds(10);
inline constexpr absl::Duration kLeaseSoftLimit = absl::Seconds(10);
inline constexpr absl::Duration kLeaseHardLimit = absl::Seconds(30);
inline constexpr absl::Duration kCallLimit = absl::Seconds(3);    // an RPC, before it is repeated
inline constexpr absl::Duration kPacketLimit = absl::Seconds(3);  // for an acknowledgement ...
inline constexpr absl::Duration kPerNode = absl::Seconds(1);      // ... and for each node more
inline constexpr uint64_t kBlockBytes = 4096;
inline constexpr uint64_t kChunkBytes = 512;

}  // namespace cairn::sim
