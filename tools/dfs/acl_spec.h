// tools/dfs/acl_spec.h - access-control entries as text: "user:bob:rwx,default:group::r-x".
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/types.h"

namespace cairn::tools {

// `with_permissions`: each entry ends with rwx bits; else none does (entries to be removed).
// kInvalidArgument: not such a list.
absl::StatusOr<std::vector<client::AclEntry>> ParseAclSpec(absl::string_view spec,
                                                           bool with_permissions);

// "default:user:bob:r-x".
std::string AclEntryText(const client::AclEntry& entry);

// All of a file's entries. `entries` are those that a server tells: without what the mode says,
// whose group bits are the mask when there are others.
std::vector<client::AclEntry> WholeAcl(const std::vector<client::AclEntry>& entries, uint16_t mode);

}  // namespace cairn::tools
