// tools/fsck/fsck.h - `cairn fsck`: is every file whole, and has every block its replicas?
//
// The tool walks the namespace page by page and asks for each file's blocks, so that nobody's
// request does work for more than one file. Fetching is in fsck.cc, judging in judge.h, printing in
// print.h. Output, options and exit codes are `hdfs fsck`'s:
//   0  healthy, or the path does not exist     1  some file has lost a block, or a block group was
//   found to contradict itself (-ec-verify, which HDFS has not: verification.h)
//   255  it could not be found out, or bad usage; with -list-corruptfileblocks: there are such
//   blocks -blockId: by the last replica: 0 healthy, 1 corrupt, 2 decommissioned, 3
//   decommissioning, 4 in maintenance, 6 on a stale node
// Anyone may check what he may read; -blockId and -list-corruptfileblocks are for superusers.
#pragma once

#include "tools/command.h"

namespace cairn::tools {

int RunFsck(CommandContext& ctx);

}  // namespace cairn::tools
