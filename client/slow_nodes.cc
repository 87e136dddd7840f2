#include "client/slow_nodes.h"

#include <algorithm>

namespace cairn::client {

void SlowNodes::Restart(size_t nodes) {
  sums_.assign(nodes, 0);
  packets_ = 0;
  worst_.reset();
  seconds_ = 0;
}

void SlowNodes::Add(absl::Duration now, std::span<const uint64_t> node_micros) {
  if (node_micros.size() != sums_.size()) return;
  if (packets_ > 0 && now - began_ >= absl::Seconds(1)) EndSecond();
  if (packets_ == 0) began_ = now;
  ++packets_;
  for (size_t i = 0; i < sums_.size(); ++i) sums_[i] += node_micros[i];
}

void SlowNodes::EndSecond() {
  size_t slowest = 0;
  for (size_t i = 1; i < sums_.size(); ++i) {
    if (sums_[i] > sums_[slowest]) slowest = i;
  }
  uint64_t next = 0;
  for (size_t i = 0; i < sums_.size(); ++i) {
    if (i != slowest) next = std::max(next, sums_[i]);
  }
  const absl::Duration mean =
      absl::Microseconds(static_cast<double>(sums_[slowest]) / static_cast<double>(packets_));
  const bool slow =
      sums_.size() > 1 && mean >= limits_.mean &&
      static_cast<double>(sums_[slowest]) >= limits_.factor * static_cast<double>(next);
  if (slow && worst_ == slowest) {
    ++seconds_;
  } else {
    worst_ = slow ? std::optional(slowest) : std::nullopt;
    seconds_ = slow ? 1 : 0;
  }
  packets_ = 0;
  std::fill(sums_.begin(), sums_.end(), 0);
}

std::optional<size_t> SlowNodes::Find() const {
  return limits_.seconds > 0 && seconds_ >= limits_.seconds ? worst_ : std::nullopt;
}

}  // namespace cairn::client
