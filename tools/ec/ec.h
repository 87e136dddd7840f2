// tools/ec/ec.h - `cairn ec`: which erasure coding policies a cluster has, and which its
// directories follow, with `hdfs ec`'s commands, output and exit codes. Its commands are rows of a
// table: ec_command.h.
#pragma once

#include "tools/command.h"

namespace cairn::tools {

// Exit codes, Hadoop's: 0; 1 for bad usage; 2 when it failed, 3 of -setPolicy; 255 for a value that
// can never be right. -verifyClusterSetup: 2 when the cluster does not do, 1 when it failed.
int RunEc(CommandContext& ctx);

}  // namespace cairn::tools
