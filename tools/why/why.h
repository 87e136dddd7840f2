// tools/why/why.h - `cairn why PATH|BLOCK|NODE`: what is wrong with it, since when, what is being
// done, what is in the way, and how it will end.
//
//   /a/b, hdfs://nn/a/b      a file, or all files below a directory
//   blk_1073741825           a block
//   10.0.0.1:9866, dn1, UUID a datanode
// Exits 0 if nothing is wrong, 1 if something is, 2 if it could not be found out.
#pragma once

#include "tools/command.h"

namespace cairn::tools {

int RunWhy(CommandContext& ctx);

}  // namespace cairn::tools
