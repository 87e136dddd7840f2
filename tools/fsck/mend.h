// tools/fsck/mend.h - what `cairn fsck -move` and `-delete` do with a file that has lost a block.
#pragma once

#include "absl/status/status.h"
#include "client/admin_types.h"
#include "client/file_system.h"
#include "tools/fsck/judge.h"

namespace cairn::tools {

// Copies what can be read to /lost+found/PATH/0, 1, ...: each run of whole blocks one file, as HDFS
// does. The file itself stays. kAlreadyExists: that directory is there; nothing was copied.
absl::Status CopyToLostFound(client::FileSystem& fs, const client::FileReport& file,
                             const FileVerdict& verdict);

}  // namespace cairn::tools
