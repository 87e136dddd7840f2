#include "absl/time/clock.h"
#include "common/status_macros.h"
#include "tools/dfs/shell.h"
#include "tools/dfsadmin/commands.h"

namespace cairn::tools {
namespace {

using client::SafeModeAction;

constexpr absl::Duration kPause = absl::Seconds(5);

// What is known, what is missing and when it ends, in the namenode's words. An Apache HDFS does not
// tell, and whoever asks has the answer already.
void PrintReason(AdminCall& call) {
  const auto admin = call.Admin();
  if (!admin.ok()) return;
  const auto cluster = (*admin)->DescribeCluster();
  if (cluster.ok() && !cluster->safe_mode_reason.empty()) {
    call.out << cluster->safe_mode_reason << "\n";
  }
}

}  // namespace

absl::Status RunSafeMode(AdminCall& call) {
  RETURN_IF_ERROR(call.CheckArguments(1, 1));
  const std::string& word = call.args[0];
  SafeModeAction action = SafeModeAction::kGet;
  if (word == "enter") {
    action = SafeModeAction::kEnter;
  } else if (word == "leave") {
    action = SafeModeAction::kLeave;
  } else if (word == "forceExit") {
    action = SafeModeAction::kForceExit;
  } else if (word != "get" && word != "wait") {
    return UsageStatus("");
  }
  ASSIGN_OR_RETURN(client::FileSystem* const fs, call.Cluster());
  ASSIGN_OR_RETURN(bool on, fs->SetSafeMode(action));
  while (word == "wait" && on) {
    absl::SleepFor(kPause);
    ASSIGN_OR_RETURN(on, fs->SetSafeMode(SafeModeAction::kGet));
  }
  call.out << "Safe mode is " << (on ? "ON" : "OFF") << "\n";
  if (on && word == "get") PrintReason(call);
  return absl::OkStatus();
}

}  // namespace cairn::tools
