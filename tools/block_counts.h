// tools/block_counts.h - how far a namenode's counts and lists of blocks in trouble can be trusted.
#pragma once

#include <string>

#include "client/admin_types.h"

namespace cairn::tools {

// Why more blocks may be in trouble than the namenode counts and lists: it has not looked at all of
// them since its start or since storages went, or cannot remember more. "" if it knows of all.
std::string WhyMoreMayBeWrong(const client::ClusterFacts& cluster);

}  // namespace cairn::tools
