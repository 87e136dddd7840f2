// wire/transfer/group_token.h - what tells a datanode that its client takes a block group for a
// block.
//
// A group's id is that of its first unit too. A client that knows nothing of groups, or has opened
// a file while it was replicated and asks now, when it is erasure-coded, where more of it is, would
// read this unit's bytes in place of the group's, with checksums that are right. But it sends the
// token that belongs to the group, where a reader of units sends those of the units: so the one
// says what it is, and datanodes read nothing to who shows it. Nobody else looks into tokens.
#pragma once

#include "absl/strings/string_view.h"

namespace cairn::transfer {

// The identifier in TokenProto; those of units have an empty one.
inline constexpr absl::string_view kGroupToken = "block group";

}  // namespace cairn::transfer
