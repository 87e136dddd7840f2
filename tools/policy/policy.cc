// Finds the command in the table and runs it; help and usage texts, out of the table.
#include "tools/policy/policy.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "tools/cluster_options.h"
#include "tools/policy/policy_commands.h"

namespace cairn::tools {

const EcCommand* FindPolicyCommand(absl::string_view name) {
  for (const EcCommand& command : PolicyCommands()) {
    if (name == command.name) return &command;
  }
  return nullptr;
}

void PrintPolicyUsage(std::ostream& out) {
  out << "Usage: cairn policy [COMMAND]\n";
  for (const EcCommand& command : PolicyCommands()) {
    out << "          [-" << command.name << " " << command.usage << "]\n";
  }
  out << "\nGeneric options supported are:\n"
         "-conf <directory or file>  configuration, instead of HADOOP_CONF_DIR\n"
         "-D <property=value>        one configuration key\n"
         "-fs <hdfs://host:port>     the cluster, instead of fs.defaultFS\n\n";
}

absl::Status RunPolicyHelp(EcCall& call) {
  if (call.args.empty()) {
    for (const EcCommand& command : PolicyCommands()) {
      if (command.run != &RunPolicyHelp) call.err << EcHelp(command) << "\n";
    }
    call.exit_code = kExitEcUsage;
    return absl::OkStatus();
  }
  if (call.args.size() > 1) {
    return EndWith(kExitEcUsage, "You must give exactly one argument to -help.");
  }
  absl::string_view name = call.args[0];
  absl::ConsumePrefix(&name, "-");
  if (const EcCommand* const command = FindPolicyCommand(name)) {
    call.err << EcHelp(*command);
    return absl::OkStatus();
  }
  std::vector<absl::string_view> names;
  for (const EcCommand& command : PolicyCommands()) {
    if (command.run != &RunPolicyHelp) names.emplace_back(command.name);
  }
  return EndWith(kExitEcUsage,
                 absl::StrCat("Unknown command '", name, "'.\nValid help command names are:\n",
                              absl::StrJoin(names, ", ")));
}

int RunPolicy(CommandContext& ctx) {
  std::vector<std::string> args = ctx.args;
  const absl::StatusOr<client::ClientOptions> options = TakeClusterOptions(args);
  if (!options.ok()) {
    ctx.err << "policy: " << options.status().message() << "\n";
    return kExitHadoopFailed;
  }
  if (args.empty()) {
    PrintPolicyUsage(ctx.err);
    return kExitEcUsage;
  }
  const std::string word = args[0];
  args.erase(args.begin());
  const bool dashed = absl::StartsWith(word, "-");
  const EcCommand* const command = dashed ? FindPolicyCommand(word.substr(1)) : nullptr;
  if (command == nullptr) {
    ctx.err << "Can't understand command '" << word << "'\n";
    if (!dashed) ctx.err << "Command names must start with dashes.\n";
    PrintPolicyUsage(ctx.err);
    return kExitEcUsage;
  }
  EcCall call(*command, std::move(args), *options, ctx.out, ctx.err);
  return FinishEcCall(call, command->run(call));
}

}  // namespace cairn::tools
