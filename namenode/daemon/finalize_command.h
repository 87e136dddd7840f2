// namenode/daemon/finalize_command.h - `cairn namenode -finalize`.
#pragma once

#include <ostream>

#include "absl/status/status.h"
#include "common/config.h"

namespace cairn::namenode {

// Tells the running namenode that there is no way back from the last upgrade or restore: what it
// has kept for that may go. The call is HDFS's finalizeUpgrade, for superusers.
absl::Status RunFinalize(const Config& config, std::ostream& out);

}  // namespace cairn::namenode
