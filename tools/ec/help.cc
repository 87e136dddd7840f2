// -help and usage texts, out of the table. All of them go to standard error, as HDFS's do.
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "tools/ec/commands.h"

namespace cairn::tools {
namespace {

bool IsHelp(const EcCommand& command) { return command.run == &RunEcHelp; }

std::string Usage(const EcCommand& command) {
  return absl::StrCat("[-", command.name, *command.usage != '\0' ? " " : "", command.usage, "]");
}

absl::Status UnknownCommand(absl::string_view name) {
  std::vector<absl::string_view> names;
  for (const EcCommand& command : EcCommands()) {
    if (!IsHelp(command)) names.emplace_back(command.name);
  }
  return EndWith(kExitEcUsage,
                 absl::StrCat("Unknown command '", name, "'.\nValid help command names are:\n",
                              absl::StrJoin(names, ", ")));
}

}  // namespace

std::string EcHelp(const EcCommand& command) {
  return absl::StrCat(Usage(command), "\n\n", command.help, "\n");
}

void PrintEcUsage(std::ostream& out) {
  out << "Usage: cairn ec [COMMAND]\n";
  for (const EcCommand& command : EcCommands()) out << "          " << Usage(command) << "\n";
  out << "\nGeneric options supported are:\n"
         "-conf <directory or file>  configuration, instead of HADOOP_CONF_DIR\n"
         "-D <property=value>        one configuration key\n"
         "-fs <hdfs://host:port>     the cluster, instead of fs.defaultFS\n\n";
}

absl::Status RunEcHelp(EcCall& call) {
  if (call.args.empty()) {
    for (const EcCommand& command : EcCommands()) {
      if (!IsHelp(command)) call.err << EcHelp(command) << "\n";
    }
    call.exit_code = kExitEcUsage;
    return absl::OkStatus();
  }
  if (call.args.size() > 1) {
    return EndWith(kExitEcUsage, "You must give exactly one argument to -help.");
  }
  absl::string_view name = call.args[0];
  absl::ConsumePrefix(&name, "-");
  const EcCommand* const command = FindEcCommand(name);
  if (command == nullptr) return UnknownCommand(name);
  call.err << EcHelp(*command);
  return absl::OkStatus();
}

}  // namespace cairn::tools
