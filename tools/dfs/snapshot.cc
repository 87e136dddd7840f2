// -createSnapshot, -deleteSnapshot, -renameSnapshot: a clear word and a failure, so that no script
// takes them for done.
#include "absl/status/status.h"
#include "tools/dfs/commands.h"

namespace cairn::tools {

absl::Status RunSnapshot(Shell& /*shell*/) { return absl::UnimplementedError("not supported yet"); }

}  // namespace cairn::tools
