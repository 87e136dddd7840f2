#include "tools/dfsadmin/dfsadmin.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/status_macros.h"
#include "tools/cluster_options.h"

namespace cairn::tools {
namespace {

using client::SafeModeAction;

constexpr int kExitHadoopFailed = 255;
constexpr absl::Duration kSafeModePause = absl::Seconds(5);
constexpr char kReportUsage[] =
    "[-report [-live] [-dead] [-decommissioning] [-enteringmaintenance] [-inmaintenance]]";
constexpr char kSafeModeUsage[] = "[-safemode enter | leave | get | wait | forceExit]";

int Usage(std::ostream& err, const char* what) {
  err << "Usage: cairn dfsadmin " << what << "\n";
  return kExitHadoopFailed;
}

int UsageOfAll(std::ostream& err) {
  err << "Usage: cairn dfsadmin\n\t" << kReportUsage << "\n\t" << kSafeModeUsage << "\n";
  return kExitHadoopFailed;
}

absl::Status SafeMode(client::FileSystem& fs, const std::string& word, std::ostream& out) {
  SafeModeAction action = SafeModeAction::kGet;
  if (word == "enter") action = SafeModeAction::kEnter;
  if (word == "leave") action = SafeModeAction::kLeave;
  if (word == "forceExit") action = SafeModeAction::kForceExit;
  ASSIGN_OR_RETURN(bool on, fs.SetSafeMode(action));
  while (word == "wait" && on) {
    absl::SleepFor(kSafeModePause);
    ASSIGN_OR_RETURN(on, fs.SetSafeMode(SafeModeAction::kGet));
  }
  out << "Safe mode is " << (on ? "ON" : "OFF") << "\n";
  return absl::OkStatus();
}

absl::Status Report(client::FileSystem& fs, const ReportFilter& filter, std::ostream& out) {
  ASSIGN_OR_RETURN(const ClusterReport report, FetchReport(fs, filter));
  PrintReport(report, out);
  return absl::OkStatus();
}

// False: a word that is no filter.
bool ParseFilter(const std::vector<std::string>& words, ReportFilter& filter) {
  for (const std::string& word : words) {
    if (word == "-live")
      filter.live = true;
    else if (word == "-dead")
      filter.dead = true;
    else if (word == "-decommissioning")
      filter.decommissioning = true;
    else if (word == "-enteringmaintenance")
      filter.entering_maintenance = true;
    else if (word == "-inmaintenance")
      filter.in_maintenance = true;
    else
      return false;
  }
  return true;
}

bool IsSafeModeWord(const std::string& word) {
  for (const char* known : {"enter", "leave", "get", "wait", "forceExit"}) {
    if (word == known) return true;
  }
  return false;
}

}  // namespace

int RunDfsAdmin(CommandContext& ctx) {
  std::vector<std::string> args = ctx.args;
  absl::StatusOr<client::ClientOptions> options = TakeClusterOptions(args);
  if (!options.ok()) {
    ctx.err << "dfsadmin: " << options.status().message() << "\n";
    return kExitHadoopFailed;
  }
  if (args.empty()) return UsageOfAll(ctx.err);
  const std::string command = args[0];
  args.erase(args.begin());
  ReportFilter filter;
  if (command == "-report") {
    if (!ParseFilter(args, filter)) return Usage(ctx.err, kReportUsage);
  } else if (command == "-safemode") {
    if (args.size() != 1 || !IsSafeModeWord(args[0])) return Usage(ctx.err, kSafeModeUsage);
  } else {
    ctx.err << command.substr(command[0] == '-' ? 1 : 0) << ": Unknown command\n";
    return UsageOfAll(ctx.err);
  }
  const std::string uri = options->default_uri;
  absl::StatusOr<std::unique_ptr<client::FileSystem>> fs =
      client::FileSystem::Connect(uri.empty() ? "hdfs://" : uri, *std::move(options));
  absl::Status status = fs.status();
  if (status.ok()) {
    status =
        command == "-report" ? Report(**fs, filter, ctx.out) : SafeMode(**fs, args[0], ctx.out);
  }
  if (status.ok()) return kExitOk;
  ctx.err << command.substr(1) << ": " << status.message() << "\n";
  return kExitHadoopFailed;
}

}  // namespace cairn::tools
