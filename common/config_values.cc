#include "common/config_values.h"

#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace cairn {
namespace {

// SimpleAtoi, but for the white space that it lets pass.
template <typename Int>
bool ParseDecimal(absl::string_view text, Int* value) {
  return !text.empty() && !absl::ascii_isspace(text.front()) && absl::ascii_isdigit(text.back()) &&
         absl::SimpleAtoi(text, value);
}

}  // namespace

std::optional<int64_t> ParseConfigInt(absl::string_view text) {
  int64_t value = 0;
  if (ParseDecimal(text, &value)) return value;
  if (!absl::StartsWithIgnoreCase(text, "0x") || !absl::SimpleHexAtoi(text, &value)) {
    return std::nullopt;
  }
  return value;
}

std::optional<bool> ParseConfigBool(absl::string_view text) {
  if (absl::EqualsIgnoreCase(text, "true")) return true;
  if (absl::EqualsIgnoreCase(text, "false")) return false;
  return std::nullopt;
}

std::optional<uint64_t> ParseConfigSize(absl::string_view text) {
  constexpr absl::string_view kPrefixes = "kmgtpe";
  int shift = 0;
  if (!text.empty() && absl::ascii_tolower(text.back()) == 'b') text.remove_suffix(1);
  if (!text.empty()) {
    const size_t power = kPrefixes.find(absl::ascii_tolower(text.back()));
    if (power != absl::string_view::npos) {
      shift = 10 * (static_cast<int>(power) + 1);
      text.remove_suffix(1);
    }
  }
  uint64_t value = 0;
  if (!ParseDecimal(text, &value)) return std::nullopt;
  // Sizes fit a signed 64-bit number, as all of HDFS's protocols have them.
  if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) >> shift) {
    return std::nullopt;
  }
  return value << shift;
}

std::optional<absl::Duration> ParseConfigDuration(absl::string_view text, absl::Duration unit) {
  struct Suffix {
    absl::string_view text;
    absl::Duration unit;
  };
  // Those that end in "s" come before "s" itself.
  static const Suffix kSuffixes[] = {{"ns", absl::Nanoseconds(1)},  {"us", absl::Microseconds(1)},
                                     {"ms", absl::Milliseconds(1)}, {"s", absl::Seconds(1)},
                                     {"m", absl::Minutes(1)},       {"h", absl::Hours(1)},
                                     {"d", absl::Hours(24)}};
  for (const Suffix& suffix : kSuffixes) {
    if (absl::EndsWithIgnoreCase(text, suffix.text)) {
      text.remove_suffix(suffix.text.size());
      unit = suffix.unit;
      break;
    }
  }
  int64_t count = 0;
  if (!ParseDecimal(text, &count)) return std::nullopt;
  const absl::Duration value = count * unit;
  if (value == absl::InfiniteDuration() || value == -absl::InfiniteDuration()) return std::nullopt;
  return value;
}

std::vector<std::string> ParseConfigList(absl::string_view text) {
  std::vector<std::string> out;
  for (const absl::string_view part : absl::StrSplit(text, absl::ByAnyChar(",\n"))) {
    const absl::string_view trimmed = absl::StripAsciiWhitespace(part);
    if (!trimmed.empty()) out.emplace_back(trimmed);
  }
  return out;
}

}  // namespace cairn
