// -help and -usage, out of the table.
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/status_macros.h"
#include "tools/dfs/commands.h"

namespace cairn::tools {
namespace {

absl::StatusOr<const ShellCommand*> Lookup(const std::string& word) {
  absl::string_view name = word;
  if (absl::StartsWith(name, "-")) name.remove_prefix(1);
  if (const ShellCommand* command = FindShellCommand(name)) return command;
  return UsageStatus(absl::StrCat("`", name, "': Unknown command"));
}

void PrintHelp(std::ostream& out, const ShellCommand& command) {
  out << "-" << command.name << (*command.usage != '\0' ? " " : "") << command.usage << " :\n";
  for (absl::string_view line : absl::StrSplit(command.help, '\n')) out << "  " << line << "\n";
}

}  // namespace

absl::Status RunHelp(Shell& shell) {
  if (shell.args().empty()) {
    PrintShellUsage(shell.out());
    for (const ShellCommand& command : ShellCommands()) {
      PrintHelp(shell.out(), command);
      shell.out() << "\n";
    }
    return absl::OkStatus();
  }
  for (const std::string& word : shell.args()) {
    ASSIGN_OR_RETURN(const ShellCommand* const command, Lookup(word));
    PrintHelp(shell.out(), *command);
  }
  return absl::OkStatus();
}

absl::Status RunUsage(Shell& shell) {
  if (shell.args().empty()) PrintShellUsage(shell.out());
  for (const std::string& word : shell.args()) {
    ASSIGN_OR_RETURN(const ShellCommand* const command, Lookup(word));
    PrintShellUsage(shell.out(), *command);
  }
  return absl::OkStatus();
}

}  // namespace cairn::tools
