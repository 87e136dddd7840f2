// -help, out of the table.
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tools/dfsadmin/commands.h"

namespace cairn::tools {
namespace {

// "-name usage", as it is typed.
std::string CallText(const AdminCommand& command) {
  return absl::StrCat("-", command.name, *command.usage != '\0' ? " " : "", command.usage);
}

void PrintHelp(std::ostream& out, const AdminCommand& command) {
  out << CallText(command) << ":\n";
  for (absl::string_view line : absl::StrSplit(command.help, '\n')) out << "\t" << line << "\n";
  out << "\n";
}

}  // namespace

void PrintAdminUsage(std::ostream& out) {
  out << "Usage: cairn dfsadmin\n"
         "Note: Administrative commands can only be run as the HDFS superuser.\n";
  for (const AdminCommand& command : AdminCommands()) out << "\t[" << CallText(command) << "]\n";
  out << "\nGeneric options supported are:\n"
         "-conf <directory or file>  configuration, instead of HADOOP_CONF_DIR\n"
         "-D <property=value>        one configuration key\n"
         "-fs <hdfs://host:port>     the cluster, instead of fs.defaultFS\n\n";
}

void PrintAdminUsage(std::ostream& out, const AdminCommand& command) {
  out << "Usage: cairn dfsadmin [" << CallText(command) << "]\n";
}

absl::Status RunAdminHelp(AdminCall& call) {
  absl::string_view name;
  if (!call.args.empty()) name = call.args[0];
  if (absl::StartsWith(name, "-")) name.remove_prefix(1);
  if (const AdminCommand* const command = FindAdminCommand(name)) {
    PrintHelp(call.out, *command);
    return absl::OkStatus();
  }
  call.out << "cairn dfsadmin: looks at a cluster and steers it.\n"
              "Note: Administrative commands can only be run with superuser permission.\n\n";
  for (const AdminCommand& command : AdminCommands()) PrintHelp(call.out, command);
  return absl::OkStatus();
}

}  // namespace cairn::tools
