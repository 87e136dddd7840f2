// tools/dfsadmin/commands.h - the functions behind `cairn dfsadmin -NAME`; their rows are in
// commands.cc.
#pragma once

#include "absl/status/status.h"
#include "tools/dfsadmin/admin_command.h"

namespace cairn::tools {

absl::Status RunAdminHelp(AdminCall& call);               // help.cc
absl::Status RunAdminReport(AdminCall& call);             // report.cc
absl::Status RunEvictWriters(AdminCall& call);            // datanode_commands.cc
absl::Status RunFinalizeUpgrade(AdminCall& call);         // upkeep.cc
absl::Status RunGetBalancerBandwidth(AdminCall& call);    // datanode_commands.cc
absl::Status RunGetDatanodeInfo(AdminCall& call);         // datanode_commands.cc
absl::Status RunGetVolumeReport(AdminCall& call);         // datanode_commands.cc
absl::Status RunListOpenFiles(AdminCall& call);           // open_files.cc
absl::Status RunMetaSave(AdminCall& call);                // namenode_commands.cc
absl::Status RunNotSupported(AdminCall& call);            // not_supported.cc
absl::Status RunPrintTopology(AdminCall& call);           // topology.cc
absl::Status RunReconfig(AdminCall& call);                // reconfig.cc
absl::Status RunRefreshCallQueue(AdminCall& call);        // refresh.cc
absl::Status RunRefreshNodes(AdminCall& call);            // topology.cc
absl::Status RunRefreshServiceAcl(AdminCall& call);       // refresh.cc
absl::Status RunRefreshSuperUserGroups(AdminCall& call);  // refresh.cc
absl::Status RunRefreshUserMappings(AdminCall& call);     // refresh.cc
absl::Status RunRollEdits(AdminCall& call);               // upkeep.cc
absl::Status RunSafeMode(AdminCall& call);                // safe_mode.cc
absl::Status RunSaveNamespace(AdminCall& call);           // upkeep.cc
absl::Status RunSetBalancerBandwidth(AdminCall& call);    // namenode_commands.cc
absl::Status RunShutdownDatanode(AdminCall& call);        // datanode_commands.cc
absl::Status RunTriggerBlockReport(AdminCall& call);      // datanode_commands.cc
absl::Status RunUpgrade(AdminCall& call);                 // upkeep.cc

}  // namespace cairn::tools
