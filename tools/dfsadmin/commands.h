// tools/dfsadmin/commands.h - the functions behind `cairn dfsadmin -NAME`; their rows are in
// commands.cc.
#pragma once

#include "absl/status/status.h"
#include "tools/dfsadmin/admin_command.h"

namespace cairn::tools {

absl::Status RunAdminHelp(AdminCall& call);      // help.cc
absl::Status RunAdminReport(AdminCall& call);    // report.cc
absl::Status RunSafeMode(AdminCall& call);       // safe_mode.cc
absl::Status RunSaveNamespace(AdminCall& call);  // upkeep.cc
absl::Status RunRollEdits(AdminCall& call);      // upkeep.cc

}  // namespace cairn::tools
