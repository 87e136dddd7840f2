// datanode/rebuild/least_rate.h - how long a peer is waited for that moves bytes, but few.
//
// A peer has a store of patience. Waiting uses it up, and each byte that moves gives back the time
// that it may take at the least rate, up to the whole store: so a peer may stall for that long, and
// over any longer time has to keep the rate. Only the time is counted in which this peer is waited
// for. Pure: knows no clock.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"

namespace cairn::datanode {

class LeastRate {
 public:
  LeastRate(uint64_t bytes_per_second, absl::Duration patience)
      : bytes_per_second_(static_cast<double>(bytes_per_second)),
        patience_(patience),
        left_(patience) {}

  // The next `bytes` have to move within this time.
  absl::Duration LimitFor(size_t bytes) const { return left_ + TimeFor(bytes); }
  // They did, and were waited for for so long.
  void Moved(size_t bytes, absl::Duration waited) {
    left_ = std::clamp(left_ + TimeFor(bytes) - waited, absl::ZeroDuration(), patience_);
  }

 private:
  absl::Duration TimeFor(size_t bytes) const {
    return absl::Seconds(static_cast<double>(bytes) / bytes_per_second_);
  }

  const double bytes_per_second_;
  const absl::Duration patience_;
  absl::Duration left_;
};

}  // namespace cairn::datanode
