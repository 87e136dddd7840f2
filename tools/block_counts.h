// tools/block_counts.h - what fsck and `cairn why` share: which block cannot be read, and how far a
// namenode's counts and lists of blocks in trouble can be trusted.
#pragma once

#include <string>

#include "client/admin_types.h"

namespace cairn::tools {

// Of a block that is being written: it has bytes that were acknowledged, or may have, and no
// datanode that holds them can be asked now; of a group: of too few units. A writer that is alive
// may mend it still.
bool IsOpenAndUnreadable(const client::BlockReport& block);

// Why more blocks may be in trouble than the namenode counts and lists: it has not looked at all of
// them since its start or since storages went, or cannot remember more. "" if it knows of all.
std::string WhyMoreMayBeWrong(const client::ClusterFacts& cluster);

}  // namespace cairn::tools
