// Finds the command in the table, runs it, and turns its outcome into text and an exit code.
#include "tools/dfsadmin/dfsadmin.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "common/status_macros.h"
#include "tools/cluster_options.h"
#include "tools/dfs/shell.h"
#include "tools/dfsadmin/admin_command.h"

namespace cairn::tools {

AdminCall::AdminCall(const AdminCommand& row, std::vector<std::string> arguments,
                     const client::ClientOptions& client_options, std::ostream& output,
                     std::ostream& errors)
    : command(row), args(std::move(arguments)), options(client_options), out(output), err(errors) {}

std::string AdminCall::Uri() const {
  return options.default_uri.empty() ? "hdfs://" : options.default_uri;
}

absl::StatusOr<client::FileSystem*> AdminCall::Cluster() {
  if (cluster_ == nullptr) {
    ASSIGN_OR_RETURN(cluster_, client::FileSystem::Connect(Uri(), options));
  }
  return cluster_.get();
}

absl::StatusOr<client::ClusterAdmin*> AdminCall::Admin() {
  if (admin_ == nullptr) {
    ASSIGN_OR_RETURN(admin_, client::ClusterAdmin::Connect(Uri(), options));
  }
  return admin_.get();
}

absl::Status AdminCall::CheckArguments(size_t min, size_t max) const {
  return args.size() < min || args.size() > max ? UsageStatus("") : absl::OkStatus();
}

bool AdminCall::TakeFlag(absl::string_view flag) {
  const auto found = std::find(args.begin(), args.end(), flag);
  if (found == args.end()) return false;
  args.erase(found);
  return true;
}

absl::StatusOr<std::string> AdminCall::TakeOption(absl::string_view option) {
  const auto found = std::find(args.begin(), args.end(), option);
  if (found == args.end()) return std::string();
  if (std::next(found) == args.end()) return UsageStatus("");
  std::string value = *std::next(found);
  args.erase(found, found + 2);
  return value;
}

const AdminCommand* FindAdminCommand(absl::string_view name) {
  for (const AdminCommand& command : AdminCommands()) {
    if (name == command.name) return &command;
  }
  return nullptr;
}

int RunDfsAdmin(CommandContext& ctx) {
  std::vector<std::string> args = ctx.args;
  const absl::StatusOr<client::ClientOptions> options = TakeClusterOptions(args);
  if (!options.ok()) {
    ctx.err << "dfsadmin: " << options.status().message() << "\n";
    return kExitHadoopFailed;
  }
  if (args.empty()) {
    PrintAdminUsage(ctx.err);
    return kExitHadoopFailed;
  }
  const std::string word = args[0];
  args.erase(args.begin());
  const AdminCommand* const command =
      absl::StartsWith(word, "-") ? FindAdminCommand(word.substr(1)) : nullptr;
  if (command == nullptr) {
    ctx.err << word.substr(absl::StartsWith(word, "-") ? 1 : 0) << ": Unknown command\n";
    PrintAdminUsage(ctx.err);
    return kExitHadoopFailed;
  }
  AdminCall call(*command, std::move(args), *options, ctx.out, ctx.err);
  const absl::Status status = command->run(call);
  if (IsUsage(status)) {
    if (!status.message().empty()) ctx.err << command->name << ": " << status.message() << "\n";
    PrintAdminUsage(ctx.err, *command);
    return kExitHadoopFailed;
  }
  if (!status.ok()) {
    ctx.err << command->name << ": " << status.message() << "\n";
    return kExitHadoopFailed;
  }
  return call.exit_code;
}

}  // namespace cairn::tools
