// What is asked of one datanode, at HOST:IPC_PORT.
#include <memory>

#include "absl/strings/str_cat.h"
#include "client/datanode_admin.h"
#include "common/status_macros.h"
#include "tools/dfs/format.h"
#include "tools/dfs/shell.h"
#include "tools/dfsadmin/commands.h"
#include "tools/hadoop_text.h"

namespace cairn::tools {
namespace {

absl::StatusOr<std::unique_ptr<client::DatanodeAdmin>> TheDatanode(const AdminCall& call) {
  return client::DatanodeAdmin::Connect(call.args[0], call.options);
}

// Of a question that is also put to find out whether the datanode lives.
template <typename T>
absl::StatusOr<T> OrUnreachable(absl::StatusOr<T> answer) {
  if (answer.ok()) return answer;
  return absl::Status(answer.status().code(),
                      absl::StrCat("Datanode unreachable. ", answer.status().message()));
}

void PrintVolume(const client::VolumeReport& volume, std::ostream& out) {
  const auto bytes = [&](const char* what, uint64_t count) {
    out << what << ": " << count << "(" << HumanSize(count, "B", 2) << ")\n";
  };
  out << "Directory: " << volume.path << "\nStorageType: " << StorageTypeName(volume.type) << "\n";
  bytes("Capacity Used", volume.used);
  bytes("Capacity Left", volume.free);
  bytes("Capacity Reserved", volume.reserved);
  bytes("Reserved Space for Replicas", volume.reserved_for_replicas);
  out << "Blocks: " << volume.blocks << "\n\n";
}

}  // namespace

absl::Status RunGetDatanodeInfo(AdminCall& call) {
  RETURN_IF_ERROR(call.CheckArguments(1, 1));
  ASSIGN_OR_RETURN(const auto datanode, TheDatanode(call));
  ASSIGN_OR_RETURN(const client::DatanodeFacts facts, OrUnreachable(datanode->GetInfo()));
  call.out << "Uptime: " << absl::ToInt64Seconds(facts.uptime)
           << ", Software version: " << facts.software_version
           << ", Config version: " << facts.config_version << "\n";
  return absl::OkStatus();
}

absl::Status RunGetVolumeReport(AdminCall& call) {
  RETURN_IF_ERROR(call.CheckArguments(1, 1));
  ASSIGN_OR_RETURN(const auto datanode, TheDatanode(call));
  ASSIGN_OR_RETURN(const auto volumes, OrUnreachable(datanode->GetVolumes()));
  call.out << "Active Volumes : " << volumes.size() << "\n";
  for (const client::VolumeReport& volume : volumes) PrintVolume(volume, call.out);
  return absl::OkStatus();
}

absl::Status RunGetBalancerBandwidth(AdminCall& call) {
  RETURN_IF_ERROR(call.CheckArguments(1, 1));
  ASSIGN_OR_RETURN(const auto datanode, TheDatanode(call));
  ASSIGN_OR_RETURN(const uint64_t bandwidth, OrUnreachable(datanode->GetBalancerBandwidth()));
  call.out << "Balancer bandwidth is " << bandwidth << " bytes per second.\n";
  return absl::OkStatus();
}

// Exits with 1 when it fails, as HDFS's does.
absl::Status RunTriggerBlockReport(AdminCall& call) {
  const bool incremental = call.TakeFlag("-incremental");
  ASSIGN_OR_RETURN(const std::string namenode, call.TakeOption("-namenode"));
  RETURN_IF_ERROR(call.CheckArguments(1, 100));
  if (call.args.size() > 1) {
    call.err << "Can't understand arguments: " << call.args[1] << "\n";
    call.exit_code = 1;
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const auto datanode, TheDatanode(call));
  const absl::Status asked = datanode->TriggerBlockReport(incremental, namenode);
  if (!asked.ok()) {
    call.err << "triggerBlockReport error: " << asked.message() << "\n";
    call.exit_code = 1;
    return absl::OkStatus();
  }
  call.out << "Triggering " << (incremental ? "an incremental" : "a full") << " block report on "
           << call.args[0] << (namenode.empty() ? "" : absl::StrCat(" to namenode ", namenode))
           << ".\n";
  return absl::OkStatus();
}

absl::Status RunEvictWriters(AdminCall& call) {
  RETURN_IF_ERROR(call.CheckArguments(1, 1));
  ASSIGN_OR_RETURN(const auto datanode, TheDatanode(call));
  RETURN_IF_ERROR(datanode->EvictWriters());
  call.out << "Requested writer eviction to datanode " << call.args[0] << "\n";
  return absl::OkStatus();
}

absl::Status RunShutdownDatanode(AdminCall& call) {
  RETURN_IF_ERROR(call.CheckArguments(1, 2));
  const bool upgrade = call.args.size() == 2;
  if (upgrade && call.args[1] != "upgrade") return UsageStatus("");
  ASSIGN_OR_RETURN(const auto datanode, TheDatanode(call));
  RETURN_IF_ERROR(datanode->Shutdown(upgrade));
  call.out << "Submitted a shutdown request to datanode " << call.args[0] << "\n";
  return absl::OkStatus();
}

}  // namespace cairn::tools
