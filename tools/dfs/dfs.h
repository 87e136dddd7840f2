// tools/dfs/dfs.h - `cairn dfs`: HDFS's file system shell.
//
// Takes the place of `hdfs dfs`: the same commands, flags, output columns, messages and exit codes
// (0; 1 when a path failed; 255 for bad usage).
#pragma once

#include "tools/command.h"

namespace cairn::tools {

int RunDfs(CommandContext& ctx);

}  // namespace cairn::tools
