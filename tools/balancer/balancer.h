// tools/balancer/balancer.h - `cairn balancer`: the flags, table and exit codes of `hdfs balancer`.
//
// The namenode does the work (namenode/core/balancer.h), for as long as this asks it to: it begins
// a job, renews it, and prints what it is told. Killed, it leaves nothing to clean up.
#pragma once

#include "tools/command.h"

namespace cairn::tools {

int RunBalancer(CommandContext& ctx);

}  // namespace cairn::tools
