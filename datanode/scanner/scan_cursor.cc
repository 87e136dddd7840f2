#include "datanode/scanner/scan_cursor.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/crc32c.h"
#include "common/logging.h"
#include "common/status_macros.h"

namespace cairn::datanode {
namespace {

constexpr absl::string_view kFirstLine = "cairn-scan-cursor 1";
constexpr uint64_t kMaxBytes = 64 << 10;

absl::Status Bad(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("scan cursor: ", what));
}

std::string CrcLine(absl::string_view text) {
  const uint32_t crc = Crc32c(std::as_bytes(std::span(text.data(), text.size())));
  return absl::StrCat("crc=", absl::Hex(crc, absl::kZeroPad8), "\n");
}

}  // namespace

std::string FormatCursor(const ScanCursor& cursor) {
  std::string text = absl::StrCat(
      kFirstLine, "\nlaps=", cursor.laps, "\nlapStarted=", absl::ToUnixMillis(cursor.lap_started),
      "\nposition=", ToInt(cursor.position), "\nscannedBytes=", cursor.scanned_bytes, "\n");
  size_t count = 0;
  for (const BlockId block : cursor.suspects) {
    if (++count > kMaxSuspects) break;
    absl::StrAppend(&text, "suspect=", ToInt(block), "\n");
  }
  absl::StrAppend(&text, CrcLine(text));
  return text;
}

absl::StatusOr<ScanCursor> ParseCursor(absl::string_view text) {
  const size_t end = text.rfind("crc=");
  if (end == absl::string_view::npos || text.substr(end) != CrcLine(text.substr(0, end))) {
    return Bad("its checksum does not match");
  }
  const std::vector<absl::string_view> lines =
      absl::StrSplit(text.substr(0, end), '\n', absl::SkipEmpty());
  if (lines.empty() || lines[0] != kFirstLine) return Bad("of another version");
  ScanCursor cursor;
  for (size_t i = 1; i < lines.size(); ++i) {
    const std::vector<absl::string_view> pair = absl::StrSplit(lines[i], absl::MaxSplits('=', 1));
    uint64_t number = 0;
    if (pair.size() != 2 || !absl::SimpleAtoi(pair[1], &number)) return Bad(lines[i]);
    if (pair[0] == "laps") cursor.laps = number;
    if (pair[0] == "lapStarted") {
      cursor.lap_started = absl::FromUnixMillis(static_cast<int64_t>(number));
    }
    if (pair[0] == "position") cursor.position = BlockId{number};
    if (pair[0] == "scannedBytes") cursor.scanned_bytes = number;
    if (pair[0] == "suspect") cursor.suspects.push_back(BlockId{number});
  }
  return cursor;
}

ScanCursor LoadCursor(FileSystem& fs, const std::string& path, absl::Time now) {
  const ScanCursor fresh{.lap_started = now};
  if (!fs.Exists(path)) return fresh;
  const auto load = [&]() -> absl::StatusOr<ScanCursor> {
    ASSIGN_OR_RETURN(const std::string text, fs.ReadAll(path, kMaxBytes));
    return ParseCursor(text);
  };
  const absl::StatusOr<ScanCursor> cursor = load();
  if (cursor.ok()) return *cursor;
  LOG_WARN("{}: {}; the scanner begins anew", path, cursor.status());
  return fresh;
}

absl::Status SaveCursor(FileSystem& fs, const std::string& path, const ScanCursor& cursor) {
  return fs.WriteDurably(path, FormatCursor(cursor));
}

}  // namespace cairn::datanode
