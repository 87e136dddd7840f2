// datanode/scanner/scan_cursor.h - how far the scanner has come on a volume, across restarts.
//
// A small text file in the volume, written now and then: what is lost of it is read twice. Format:
// docs/formats/replica.md.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/ids.h"
#include "common/io/file_system.h"

namespace cairn::datanode {

struct ScanCursor {
  uint64_t laps = 0;           // that have ended
  absl::Time lap_started;      // wall time
  BlockId position{};          // the last replica that was read; they are read by ascending id
  uint64_t scanned_bytes = 0;  // in this lap
  // Replicas that were known as corrupt: memory forgets it, so they are looked at first.
  std::vector<BlockId> suspects;
};

// More suspects than this are left out: the lap will come by them.
inline constexpr size_t kMaxSuspects = 1000;

std::string FormatCursor(const ScanCursor& cursor);
// kDataLoss: not what FormatCursor writes.
absl::StatusOr<ScanCursor> ParseCursor(absl::string_view text);

// A new cursor, beginning at `now`, if there is none or it cannot be read.
ScanCursor LoadCursor(FileSystem& fs, const std::string& path, absl::Time now);
absl::Status SaveCursor(FileSystem& fs, const std::string& path, const ScanCursor& cursor);

}  // namespace cairn::datanode
