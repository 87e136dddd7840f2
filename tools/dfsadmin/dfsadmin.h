// tools/dfsadmin/dfsadmin.h - `cairn dfsadmin`: the cluster's state, and the orders that an
// operator gives it, with `hdfs dfsadmin`'s commands and output. Its commands are rows of a table:
// admin_command.h.
#pragma once

#include "tools/command.h"

namespace cairn::tools {

// Exit codes: 0; 255 for bad usage and for failures, as Hadoop's.
int RunDfsAdmin(CommandContext& ctx);

}  // namespace cairn::tools
