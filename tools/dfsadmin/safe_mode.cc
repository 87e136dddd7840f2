#include "absl/time/clock.h"
#include "common/status_macros.h"
#include "tools/dfs/shell.h"
#include "tools/dfsadmin/commands.h"

namespace cairn::tools {
namespace {

using client::SafeModeAction;

constexpr absl::Duration kPause = absl::Seconds(5);

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
  return absl::OkStatus();
}

}  // namespace cairn::tools
