// tools/dfs/xattr_text.h - extended attributes as setfattr takes them and getfattr prints them:
// user.name="text", 0x and hexadecimal digits, 0s and base64.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/types.h"

namespace cairn::tools {

enum class XattrEncoding { kText, kHex, kBase64 };

// "text", "hex" or "base64", in any case. kInvalidArgument: none of them.
absl::StatusOr<XattrEncoding> ParseXattrEncoding(absl::string_view text);

// "user.name": space and name, without a value. kInvalidArgument: no such space, or no name.
absl::StatusOr<client::Xattr> ParseXattrName(absl::string_view text);
std::string XattrName(const client::Xattr& xattr);

// The bytes of a value in one of the three encodings; text may do without its quotes.
// kInvalidArgument: bad digits.
absl::StatusOr<std::string> ParseXattrValue(absl::string_view text);

// `name`, and what follows it in a line of getfattr: nothing for an empty value.
std::string XattrLine(absl::string_view name, absl::string_view value, XattrEncoding encoding);

}  // namespace cairn::tools
