#include "datanode/scanner/scan_pace.h"

#include <algorithm>

namespace cairn::datanode {
namespace {

constexpr double kShareOfPeriod = 0.9;

}  // namespace

absl::Duration ScanPace::DueAt(uint64_t scanned, uint64_t left) const {
  const double total = static_cast<double>(scanned) + static_cast<double>(left);
  if (total <= 0) return absl::ZeroDuration();
  return period * kShareOfPeriod * (static_cast<double>(scanned) / total);
}

absl::Duration ScanPace::LeastTime(uint64_t bytes) const {
  return absl::Seconds(static_cast<double>(bytes) / static_cast<double>(limit_bytes_per_second));
}

absl::Duration ScanPace::ExpectedEnd(absl::Duration elapsed, uint64_t left) const {
  return std::max(period * kShareOfPeriod, elapsed + LeastTime(left));
}

}  // namespace cairn::datanode
