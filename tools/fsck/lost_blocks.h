// tools/fsck/lost_blocks.h - `cairn fsck -list-corruptfileblocks`: what it prints of the blocks
// without a good replica, as text and as JSON. Pure.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "client/admin_types.h"
#include "tools/json.h"

namespace cairn::tools {

struct LostBlocks {
  std::string path;  // below which they were looked for
  std::vector<client::LostBlock> blocks;
  std::string more;  // why there may be more of them; empty: these are all
};

// HDFS's text; when there may be more, that is said in place of the sum.
void PrintLostBlocks(const LostBlocks& lost, std::ostream& out);
void WriteLostBlocks(const LostBlocks& lost, JsonWriter& json);
// 0 only if it is known that there is none; else 255.
int LostBlocksExitCode(const LostBlocks& lost);

}  // namespace cairn::tools
