// tools/mount/mount.h - `cairn mount status`: what a mount of cairn-fuse is doing and has done.
//
// Anybody who can open the directory may ask. Exits 0; 1 if it is no such mount; 2 for bad usage.
#pragma once

#include "tools/command.h"

namespace cairn::tools {

int RunMount(CommandContext& ctx);

}  // namespace cairn::tools
