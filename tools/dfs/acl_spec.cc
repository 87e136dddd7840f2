#include "tools/dfs/acl_spec.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/status_macros.h"

namespace cairn::tools {
namespace {

using client::AclEntry;

constexpr absl::string_view kTypes[] = {"user", "group", "mask", "other"};

absl::StatusOr<uint8_t> ParseBits(absl::string_view text, absl::string_view spec) {
  constexpr absl::string_view kBits = "rwx";
  uint8_t bits = 0;
  bool valid = text.size() == kBits.size();
  for (size_t i = 0; valid && i < kBits.size(); ++i) {
    valid = text[i] == kBits[i] || text[i] == '-';
    if (text[i] == kBits[i]) bits |= 4 >> i;
  }
  if (valid) return bits;
  return absl::InvalidArgumentError(absl::StrCat("Invalid permission in <aclSpec> : ", spec));
}

absl::StatusOr<AclEntry> ParseEntry(absl::string_view text, bool with_permissions) {
  std::vector<absl::string_view> parts = absl::StrSplit(text, ':');
  AclEntry entry;
  if (parts[0] == "default") {
    entry.is_default = true;
    parts.erase(parts.begin());
  }
  if (parts.empty() || parts[0].empty()) {
    return absl::InvalidArgumentError(absl::StrCat("Invalid <aclSpec> : ", text));
  }
  size_t type = 0;
  while (type < std::size(kTypes) && kTypes[type] != parts[0]) ++type;
  if (type == std::size(kTypes)) {
    return absl::InvalidArgumentError(absl::StrCat("Invalid type of acl in <aclSpec> :", text));
  }
  entry.type = static_cast<AclEntry::Type>(type);
  if (parts.size() > 1) entry.name = std::string(parts[1]);
  if (with_permissions) {
    if (parts.size() != 3) {
      return absl::InvalidArgumentError(absl::StrCat("Invalid <aclSpec> : ", text));
    }
    ASSIGN_OR_RETURN(entry.permissions, ParseBits(parts[2], text));
  } else if (parts.size() > 2 && !(parts.size() == 3 && parts[2].empty())) {
    return absl::InvalidArgumentError(absl::StrCat("Invalid <aclSpec> : ", text));
  }
  return entry;
}

AclEntry Entry(AclEntry::Type type, int bits) {
  return {.type = type, .permissions = static_cast<uint8_t>(bits & 7)};
}

}  // namespace

absl::StatusOr<std::vector<AclEntry>> ParseAclSpec(absl::string_view spec, bool with_permissions) {
  std::vector<AclEntry> entries;
  for (absl::string_view text : absl::StrSplit(spec, ',', absl::SkipEmpty())) {
    ASSIGN_OR_RETURN(AclEntry entry, ParseEntry(text, with_permissions));
    entries.push_back(std::move(entry));
  }
  if (entries.empty()) return absl::InvalidArgumentError("Missing <acl_spec>");
  return entries;
}

std::string AclEntryText(const AclEntry& entry) {
  const auto bit = [&](int mask, char letter) {
    return std::string(1, (entry.permissions & mask) != 0 ? letter : '-');
  };
  return absl::StrCat(entry.is_default ? "default:" : "", kTypes[static_cast<int>(entry.type)], ":",
                      entry.name, ":", bit(4, 'r'), bit(2, 'w'), bit(1, 'x'));
}

std::vector<AclEntry> WholeAcl(const std::vector<AclEntry>& entries, uint16_t mode) {
  std::vector<AclEntry> access;
  std::vector<AclEntry> defaults;
  for (const AclEntry& e : entries) (e.is_default ? defaults : access).push_back(e);
  std::vector<AclEntry> all = {Entry(AclEntry::Type::kUser, mode >> 6)};
  if (access.empty()) {
    all.push_back(Entry(AclEntry::Type::kGroup, mode >> 3));
  } else {
    all.insert(all.end(), access.begin(), access.end());
    all.push_back(Entry(AclEntry::Type::kMask, mode >> 3));
  }
  all.push_back(Entry(AclEntry::Type::kOther, mode));
  all.insert(all.end(), defaults.begin(), defaults.end());
  return all;
}

}  // namespace cairn::tools
