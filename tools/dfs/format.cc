#include "tools/dfs/format.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/utf8.h"

namespace cairn::tools {

std::string HumanSize(uint64_t bytes, absl::string_view unit, int decimals) {
  constexpr absl::string_view kPrefixes = "KMGTPE";
  if (bytes < 1024) return absl::StrCat(bytes, unit.empty() ? "" : " ", unit);
  size_t prefix = 0;
  while (prefix + 1 < kPrefixes.size() && bytes >> (10 * (prefix + 2)) != 0) ++prefix;
  const auto scaled = [&](size_t p) {
    return absl::StrFormat(
        "%.*f", decimals,
        static_cast<double>(bytes) / static_cast<double>(uint64_t{1} << (10 * (p + 1))));
  };
  std::string number;
  if (bytes % (uint64_t{1} << (10 * (prefix + 1))) == 0) {
    number = absl::StrCat(bytes >> (10 * (prefix + 1)));
  } else {
    number = scaled(prefix);
    if (absl::StartsWith(number, "1024") && prefix + 1 < kPrefixes.size()) {
      number = scaled(++prefix);  // rounded up to the next unit
    }
  }
  return absl::StrCat(number, " ", kPrefixes.substr(prefix, 1), unit);
}

std::string SizeText(uint64_t bytes, bool human) {
  return human ? HumanSize(bytes) : absl::StrCat(bytes);
}

std::string MinuteText(absl::Time time) {
  return absl::FormatTime("%E4Y-%m-%d %H:%M", time, absl::LocalTimeZone());
}

std::string SecondTextUtc(absl::Time time) {
  return absl::FormatTime("%E4Y-%m-%d %H:%M:%S", time, absl::UTCTimeZone());
}

std::string Printable(absl::string_view text) {
  std::string shown;
  for (const char c : ToUtf8(text)) {
    const auto byte = static_cast<uint8_t>(c);
    if (!shown.empty() && shown.back() == '\xC2' && byte < 0xA0) {
      shown.back() = '?';  // U+0080 to U+009F, control characters of two bytes
    } else {
      shown += byte < 0x20 || byte == 0x7F ? '?' : c;
    }
  }
  return shown;
}

namespace {

// Characters, as far as UTF-8 tells.
size_t Width(absl::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

std::string PadRight(absl::string_view text, size_t width) {
  return absl::StrCat(text, std::string(width - std::min(width, Width(text)), ' '));
}

std::string PadLeft(absl::string_view text, size_t width) {
  return absl::StrCat(std::string(width - std::min(width, Width(text)), ' '), text);
}

void TextTable::Print(std::ostream& out) const {
  std::vector<size_t> widths(right_aligned_.size(), 0);
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Width(row[i]));
  }
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) {
      if (i > 0) out << "  ";
      if (right_aligned_[i]) {
        out << PadLeft(row[i], widths[i]);
      } else {
        out << (i + 1 == row.size() ? row[i] : PadRight(row[i], widths[i]));
      }
    }
    out << "\n";
  }
}

}  // namespace cairn::tools
