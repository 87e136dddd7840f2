// common/replica_digest.h - a digest of a set of replicas, by which a datanode and the namenode see
// without a list that they know the same ones.
//
//   sum over the set of mix(block id, generation stamp, length), in two 64-bit lanes, and a count
//
// The order in which replicas come makes no difference, and one can be added or taken away at any
// time. Sets that differ have equal digests with a chance of 2^-128, if nobody searches for such
// sets; datanodes are believed anyway. Digests of parts add up to that of the whole. The function
// is part of the protocol inside the cluster (proto/cairn/datanode.proto): changing it costs lists.
// Source of the idea: M. Bellare, D. Micciancio, "A New Paradigm for Collision-Free Hashing:
// Incrementality at Reduced Cost" (AdHash), EUROCRYPT 1997; of the mixing: D. Stafford's variant 13
// of MurmurHash3's finalizer, as in SplitMix64.
#pragma once

#include <cstdint>

#include "common/ids.h"

namespace cairn {

// Replicas are put into buckets by ranges of block ids: bucket i has the ids from i << shift on.
inline constexpr uint32_t kMaxDigestShift = 40;

inline uint64_t DigestBucket(BlockId block, uint32_t shift) { return ToInt(block) >> shift; }

struct ReplicaDigest {
  uint64_t low = 0, high = 0;
  uint64_t count = 0;

  static constexpr uint64_t Mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
  }
  static ReplicaDigest Of(BlockId block, GenerationStamp stamp, uint64_t length) {
    // Each step is a bijection of its input, so two replicas that differ in one field differ.
    uint64_t low = Mix(ToInt(block) + 0x9e3779b97f4a7c15);
    low = Mix(low ^ ToInt(stamp));
    low = Mix(low ^ length);
    uint64_t high = Mix(low + 0xd1b54a32d192ed03 * ToInt(block));
    high = Mix(high ^ (length + 0x8cb92ba72f3d8dd7));
    return {low, high, 1};
  }

  ReplicaDigest& operator+=(const ReplicaDigest& other) {
    low += other.low;
    high += other.high;
    count += other.count;
    return *this;
  }
  ReplicaDigest& operator-=(const ReplicaDigest& other) {
    low -= other.low;
    high -= other.high;
    count -= other.count;
    return *this;
  }
  bool operator==(const ReplicaDigest&) const = default;
  bool empty() const { return *this == ReplicaDigest{}; }
};

}  // namespace cairn
