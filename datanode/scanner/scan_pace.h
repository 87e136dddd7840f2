// datanode/scanner/scan_pace.h - when the next replica of a volume is to be read.
//
//   lap   one reading of all that is on a volume; the next one begins a period after it began
//
// The bytes of a lap are spread evenly over nine tenths of the period, so that what is written
// meanwhile, or a stop for a day, is made up for: a replica is due when the share of the lap's
// bytes that was read is less than the share of its time that has gone. Who is behind reads as fast
// as the limit allows. Nothing here knows of clocks or threads.
#pragma once

#include <cstdint>

#include "absl/time/time.h"

namespace cairn::datanode {

struct ScanPace {
  absl::Duration period = absl::Hours(21 * 24);
  uint64_t limit_bytes_per_second = uint64_t{16} << 20;

  // Either being 0 turns the reading off.
  bool enabled() const { return limit_bytes_per_second > 0 && period > absl::ZeroDuration(); }

  // How long after the lap's beginning the next byte is due, when `scanned` bytes are read and
  // `left` are not.
  absl::Duration DueAt(uint64_t scanned, uint64_t left) const;
  // How long reading `bytes` has to take at least.
  absl::Duration LeastTime(uint64_t bytes) const;
  // How long after its beginning a lap is going to end that is `elapsed` old.
  absl::Duration ExpectedEnd(absl::Duration elapsed, uint64_t left) const;
};

}  // namespace cairn::datanode
