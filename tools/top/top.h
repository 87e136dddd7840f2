// tools/top/top.h - `cairn top`: what a cluster is doing now: operations a second by kind and user,
// blocks in repair, and its datanodes, again and again until it is stopped (q, or Ctrl-C).
//
// --once prints two samples' difference once; so does it when the output is no terminal.
// Exits 0; 1 if the cluster cannot be asked; 2 for bad usage. For superusers.
#pragma once

#include "tools/command.h"

namespace cairn::tools {

int RunTop(CommandContext& ctx);

}  // namespace cairn::tools
