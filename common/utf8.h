// common/utf8.h - text that goes into string fields of messages, and names of files. Java replaces
// what is not UTF-8; the Rust client refuses the whole message.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace cairn {

// As RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF.
bool IsUtf8(absl::string_view text);

// `text` with '?' for each byte that belongs to no valid sequence.
std::string ToUtf8(absl::string_view text);

}  // namespace cairn
