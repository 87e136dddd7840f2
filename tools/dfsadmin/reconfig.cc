#include "tools/dfsadmin/reconfig.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "client/datanode_admin.h"
#include "common/status_macros.h"
#include "tools/dfs/shell.h"
#include "tools/dfsadmin/commands.h"
#include "tools/hadoop_text.h"

namespace cairn::tools {
namespace {

// HDFS's tool exits with 1 when the node does not answer, or refuses.
absl::Status Failed(AdminCall& call, absl::string_view doing, const absl::Status& why) {
  call.err << "Node [" << call.args[1] << "] " << doing << ": " << why.message() << ".\n";
  call.exit_code = 1;
  return absl::OkStatus();
}

}  // namespace

void PrintReconfiguration(const std::string& address,
                          const std::optional<client::ReconfigurationTask>& task,
                          std::ostream& out) {
  out << "Reconfiguring status for node [" << address << "]: ";
  if (!task.has_value()) {
    out << "no task was found.\n";
    return;
  }
  out << "started at " << JavaDate(task->started);
  if (!task->ended.has_value()) {
    out << " and is still running.\n";
    return;
  }
  out << " and finished at " << JavaDate(*task->ended) << ".\n";
  for (const client::ReconfigurationChange& change : task->changes) {
    out << (change.error.empty() ? "SUCCESS: Changed property " : "FAILED: Change property ")
        << change.name << "\n\tFrom: \"" << change.old_value << "\"\n\tTo: \"" << change.new_value
        << "\"\n";
    if (!change.error.empty()) out << "\tError: " << change.error << ".\n";
  }
}

absl::Status RunReconfig(AdminCall& call) {
  RETURN_IF_ERROR(call.CheckArguments(3, 3));
  const std::string& type = call.args[0];
  const std::string& address = call.args[1];
  const std::string& operation = call.args[2];
  if (operation != "start" && operation != "status" && operation != "properties") {
    call.err << "Unknown operation: " << operation << "\n";
    call.exit_code = 255;
    return absl::OkStatus();
  }
  if (type != "datanode") {
    call.err << "Node type " << type << " does not support reconfiguration.\n";
    call.exit_code = 1;
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const auto datanode, client::DatanodeAdmin::Connect(address, call.options));
  if (operation == "start") {
    const absl::Status started = datanode->StartReconfiguration();
    if (!started.ok()) return Failed(call, "reconfiguring", started);
    call.out << "Started reconfiguration task on node [" << address << "].\n";
    return absl::OkStatus();
  }
  if (operation == "status") {
    const auto task = datanode->GetReconfiguration();
    if (!task.ok()) return Failed(call, "reloading configuration", task.status());
    PrintReconfiguration(address, *task, call.out);
    return absl::OkStatus();
  }
  const auto properties = datanode->ListReconfigurableProperties();
  if (!properties.ok()) return Failed(call, "reconfiguration", properties.status());
  call.out << "Node [" << address << "] Reconfigurable properties:\n";
  for (const std::string& name : *properties) call.out << name << "\n";
  return absl::OkStatus();
}

}  // namespace cairn::tools
