// tools/doctor/doctor.h - `cairn doctor`: looks at configuration, clocks, limits, disks, topology
// and blocks, and says of each trouble what to do.
//
// Exits 0 if nothing is wrong, 1 if something is, 2 for bad usage.
#pragma once

#include "tools/command.h"

namespace cairn::tools {

int RunDoctor(CommandContext& ctx);

}  // namespace cairn::tools
