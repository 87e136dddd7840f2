// client/early_ends.h - which block groups a writer ends before they are full.
//
// A group that has lost a unit while it was written stays without it, whatever else of it fails; a
// new group has all its units. So a group that has lost one is ended at the border of a stripe,
//
//   - at once if it cannot do without one more: the next loss would be the end of the stream;
//   - else if it has so many bytes: a stripe at first, twice as many after each group that was
//     ended early, half as many after each that got full and lost nothing.
//
// Datanodes that fail again and again thus cost a file at most log2(full group / stripe) groups,
// and one for each that is full and whole. Those of the first kind need as many losses as there is
// parity, each of a datanode that is then left out for longer each time (excluded_nodes.h).
//
// Not thread-safe.
#pragma once

#include <algorithm>
#include <cstdint>

namespace cairn::client {

class EarlyEnds {
 public:
  // Of data; a full group has at least one stripe.
  EarlyEnds(uint64_t stripe_bytes, uint64_t group_bytes)
      : stripe_bytes_(stripe_bytes), group_bytes_(group_bytes), least_bytes_(stripe_bytes) {}

  // Whether a group of `bytes` that has lost a unit is to end here.
  bool IsDue(uint64_t bytes, bool can_lose_one) const {
    return !can_lose_one || bytes >= least_bytes_;
  }
  void EndedEarly() { least_bytes_ = std::min(least_bytes_ * 2, group_bytes_); }
  void GotFullAndWhole() { least_bytes_ = std::max(least_bytes_ / 2, stripe_bytes_); }

 private:
  const uint64_t stripe_bytes_;
  const uint64_t group_bytes_;
  uint64_t least_bytes_;
};

}  // namespace cairn::client
