#include "namenode/blocks/leave_progress.h"

namespace cairn::namenode {

void LeaveEstimate::Sample(absl::Duration now, uint64_t done_bytes) {
  // The last point is of now, whatever its distance from the one before.
  if (points_.size() >= 2 && now - points_[points_.size() - 2].at < kSampleEvery) {
    points_.back() = {now, done_bytes};
  } else {
    points_.push_back({now, done_bytes});
  }
  while (points_.size() > 2 && points_[1].at <= now - kWindow) points_.pop_front();
}

double LeaveEstimate::bytes_per_second() const {
  if (points_.size() < 2) return 0;
  const absl::Duration time = points_.back().at - points_.front().at;
  if (time < kSampleEvery) return 0;
  return static_cast<double>(points_.back().bytes - points_.front().bytes) /
         absl::ToDoubleSeconds(time);
}

std::optional<absl::Duration> LeaveEstimate::EndsIn(uint64_t bytes_left) const {
  const double rate = bytes_per_second();
  if (rate <= 0) return std::nullopt;
  return absl::Seconds(static_cast<double>(bytes_left) / rate);
}

}  // namespace cairn::namenode
