#include "fuse/xattr_names.h"

#include <linux/limits.h>

#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/utf8.h"

namespace cairn::fuse {
namespace {

using Space = client::Xattr::Space;

constexpr std::pair<absl::string_view, Space> kSpaces[] = {
    {"user.", Space::kUser}, {"trusted.", Space::kTrusted}, {"security.", Space::kSecurity}};

}  // namespace

XattrOwner OwnerOf(absl::string_view name) {
  if (absl::StartsWith(name, kToldPrefix)) return XattrOwner::kMount;
  return ToServerName(name).has_value() ? XattrOwner::kServer : XattrOwner::kNobody;
}

std::optional<client::Xattr> ToServerName(absl::string_view name) {
  if (absl::StartsWith(name, kToldPrefix) || !IsUtf8(name)) return std::nullopt;
  for (const auto& [prefix, space] : kSpaces) {
    absl::string_view rest = name;
    if (!absl::ConsumePrefix(&rest, prefix) || rest.empty()) continue;
    // The others of that space are this machine's: HDFS has only this kind, and refuses the rest.
    if (space == Space::kSecurity && !absl::StartsWith(rest, "hdfs.")) continue;
    return client::Xattr{.space = space, .name = std::string(rest), .value = ""};
  }
  return std::nullopt;
}

std::optional<std::string> FromServerName(const client::Xattr& xattr) {
  for (const auto& [prefix, space] : kSpaces) {
    if (space != xattr.space) continue;
    std::string name = absl::StrCat(prefix, xattr.name);
    // One bad name, and the kernel refuses the whole list.
    if (name.size() > XATTR_NAME_MAX || absl::StrContains(name, '\0')) return std::nullopt;
    if (OwnerOf(name) != XattrOwner::kServer) return std::nullopt;
    return name;
  }
  return std::nullopt;
}

}  // namespace cairn::fuse
