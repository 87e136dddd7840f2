#include "tools/dfsadmin/topology.h"

#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "tools/dfsadmin/commands.h"

namespace cairn::tools {
namespace {

using client::DatanodeAdminState;

const char* TopologyState(DatanodeAdminState state) {
  switch (state) {
    case DatanodeAdminState::kNormal:
      return "In Service";
    case DatanodeAdminState::kDecommissioning:
      return "Decommission In Progress";
    case DatanodeAdminState::kDecommissioned:
      return "Decommissioned";
    case DatanodeAdminState::kEnteringMaintenance:
      return "Entering Maintenance";
    case DatanodeAdminState::kInMaintenance:
      return "In Maintenance";
  }
  return "In Service";
}

}  // namespace

void PrintTopology(const std::vector<client::DatanodeReport>& nodes, std::ostream& out) {
  std::map<std::string, std::map<std::string, std::string>> racks;
  for (const client::DatanodeReport& node : nodes) {
    const std::string host = node.host.empty() ? "" : absl::StrCat(" (", node.host, ")");
    racks[node.rack][absl::StrCat(node.ip, ":", node.transfer_port)] =
        absl::StrCat(host, " ", TopologyState(node.admin_state));
  }
  for (const auto& [rack, lines] : racks) {
    out << "Rack: " << rack << "\n";
    for (const auto& [name, rest] : lines) out << "   " << name << rest << "\n";
    out << "\n";
  }
}

absl::Status RunPrintTopology(AdminCall& call) {
  RETURN_IF_ERROR(call.CheckArguments(0, 0));
  ASSIGN_OR_RETURN(client::FileSystem* const fs, call.Cluster());
  ASSIGN_OR_RETURN(const auto nodes, fs->GetDatanodeReport(client::DatanodeKind::kLive));
  PrintTopology(nodes, call.out);
  return absl::OkStatus();
}

absl::Status RunRefreshNodes(AdminCall& call) {
  RETURN_IF_ERROR(call.CheckArguments(0, 0));
  ASSIGN_OR_RETURN(client::ClusterAdmin* const admin, call.Admin());
  RETURN_IF_ERROR(admin->Refresh("org.apache.hadoop.hdfs.protocol.ClientProtocol", "refreshNodes"));
  call.out << "Refresh nodes successful\n";
  return absl::OkStatus();
}

}  // namespace cairn::tools
