#include "tools/dfs/xattr_text.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace cairn::tools {
namespace {

using Space = client::Xattr::Space;

constexpr std::pair<absl::string_view, Space> kSpaces[] = {
    {"user", Space::kUser},     {"trusted", Space::kTrusted}, {"security", Space::kSecurity},
    {"system", Space::kSystem}, {"raw", Space::kRaw},
};

bool TakePrefix(absl::string_view& text, absl::string_view prefix) {
  if (!absl::StartsWithIgnoreCase(text, prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

}  // namespace

absl::StatusOr<XattrEncoding> ParseXattrEncoding(absl::string_view text) {
  if (absl::EqualsIgnoreCase(text, "text")) return XattrEncoding::kText;
  if (absl::EqualsIgnoreCase(text, "hex")) return XattrEncoding::kHex;
  if (absl::EqualsIgnoreCase(text, "base64")) return XattrEncoding::kBase64;
  return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" is none of text, hex and base64"));
}

absl::StatusOr<client::Xattr> ParseXattrName(absl::string_view text) {
  const size_t dot = text.find('.');
  for (const auto& [prefix, space] : kSpaces) {
    if (dot == text.npos || !absl::EqualsIgnoreCase(text.substr(0, dot), prefix)) continue;
    if (dot + 1 == text.size()) return absl::InvalidArgumentError("XAttr name cannot be empty.");
    return client::Xattr{.space = space, .name = std::string(text.substr(dot + 1)), .value = ""};
  }
  return absl::InvalidArgumentError(
      "An XAttr name must be prefixed with user/trusted/security/system/raw, followed by a '.'");
}

std::string XattrName(const client::Xattr& xattr) {
  for (const auto& [prefix, space] : kSpaces) {
    if (space == xattr.space) return absl::StrCat(prefix, ".", xattr.name);
  }
  return xattr.name;
}

absl::StatusOr<std::string> ParseXattrValue(absl::string_view text) {
  if (text.size() >= 2 && absl::StartsWith(text, "\"") && absl::EndsWith(text, "\"")) {
    return std::string(text.substr(1, text.size() - 2));
  }
  if (TakePrefix(text, "0x")) {
    if (text.size() % 2 != 0 || !std::all_of(text.begin(), text.end(), absl::ascii_isxdigit)) {
      return absl::InvalidArgumentError(absl::StrCat("not hexadecimal: 0x", text));
    }
    return absl::HexStringToBytes(text);
  }
  if (TakePrefix(text, "0s")) {
    std::string bytes;
    if (absl::Base64Unescape(text, &bytes)) return bytes;
    return absl::InvalidArgumentError(absl::StrCat("not base64: 0s", text));
  }
  return std::string(text);
}

std::string XattrLine(absl::string_view name, absl::string_view value, XattrEncoding encoding) {
  if (value.empty()) return std::string(name);
  switch (encoding) {
    case XattrEncoding::kHex:
      return absl::StrCat(name, "=0x", absl::BytesToHexString(value));
    case XattrEncoding::kBase64:
      return absl::StrCat(name, "=0s", absl::Base64Escape(value));
    case XattrEncoding::kText:
      break;
  }
  return absl::StrCat(name, "=\"", value, "\"");
}

}  // namespace cairn::tools
