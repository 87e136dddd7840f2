// Commands of HDFS for what Cairn does not have yet: a clear word and a failure, so that no script
// takes them for done.
#include "absl/strings/str_cat.h"
#include "tools/dfsadmin/commands.h"

namespace cairn::tools {

absl::Status RunNotSupported(AdminCall& /*call*/) {
  return absl::UnimplementedError("not supported yet");
}

}  // namespace cairn::tools
