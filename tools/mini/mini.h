// tools/mini/mini.h - cairn mini: a whole cluster of real processes under one directory.
#pragma once

#include "tools/command.h"

namespace cairn::tools {

int RunMini(CommandContext& ctx);

// cairn namenode, cairn datanode: the daemon of that name, in this process' place.
int RunNamenode(CommandContext& ctx);
int RunEdits(CommandContext& ctx);  // the namenode's program carries them out: it knows its files
int RunImage(CommandContext& ctx);
int RunDatanode(CommandContext& ctx);

}  // namespace cairn::tools
