// namenode/daemon/config_keys.h - every configuration key that the namenode reads.
#pragma once

#include <span>

#include "common/config.h"

namespace cairn::namenode {

std::span<const ConfigKey> NamenodeConfigKeys();

// The keys above, with those of the other daemons left to them.
KnownKeys NamenodeKnownKeys();

}  // namespace cairn::namenode
