// common/config_values.h - numbers, sizes, times and lists as Hadoop's configuration writes them.
//
// Nothing, rather than a guess, when the text is not wholly such a value or does not fit. No white
// space is allowed around it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace cairn {

std::optional<int64_t> ParseConfigInt(absl::string_view text);  // 10, -3, 0x10
std::optional<bool> ParseConfigBool(absl::string_view text);    // true, FALSE
std::optional<uint64_t> ParseConfigSize(
    absl::string_view text);  // 4096, 64k, 128m, 1gb; below 2^63
// 500ns, 10us, 10ms, 30s, 5m, 2h, -1d; a plain number counts in `unit`.
std::optional<absl::Duration> ParseConfigDuration(absl::string_view text, absl::Duration unit);
std::vector<std::string> ParseConfigList(absl::string_view text);  // "a, b,,c" has three elements

}  // namespace cairn
