// The `cairn` program: finds the command in the table and runs it.
#include <csignal>
#include <iomanip>
#include <iostream>
#include <string>

#include "common/protobuf_log.h"
#include "tools/command.h"

namespace cairn::tools {
namespace {

void PrintHelp(std::ostream& out) {
  out << "usage: cairn COMMAND [ARGUMENT]...\n\ncommands:\n";
  for (const Command& command : Commands()) {
    out << "  " << std::left << std::setw(12) << command.name << command.summary << "\n";
  }
  out << "\n`cairn help COMMAND` shows how a command is called.\n";
}

const Command* Find(const std::string& name) {
  for (const Command& command : Commands()) {
    if (name == command.name) return &command;
  }
  return nullptr;
}

// `code`, if all that was printed has gone out; else `unwritten`.
int CheckOutput(const std::string& name, int code, int unwritten) {
  if (std::cout.flush()) return code;
  std::cerr << "cairn " << name << ": Unable to write to output stream.\n";
  return unwritten;
}

int Main(int argc, char** argv) {
  if (argc < 2) {
    PrintHelp(std::cerr);
    return kExitUsage;
  }
  const std::string name = argv[1];
  if (name == "help" || name == "--help" || name == "-h") {
    const Command* command = argc > 2 ? Find(argv[2]) : nullptr;
    if (command == nullptr) {
      PrintHelp(std::cout);
    } else {
      std::cout << "usage: cairn " << command->name << " " << command->usage << "\n"
                << command->summary << "\n";
    }
    return CheckOutput(name, kExitOk, kExitFailed);
  }
  const Command* command = Find(name);
  if (command == nullptr) {
    std::cerr << "cairn: no command '" << name << "'\n";
    PrintHelp(std::cerr);
    return kExitUsage;
  }
  CommandContext ctx{.args = {argv + 2, argv + argc}, .out = std::cout, .err = std::cerr};
  const int code = command->run(ctx);
  return command->exit_unwritten == kExitOk ? code
                                            : CheckOutput(name, code, command->exit_unwritten);
}

}  // namespace
}  // namespace cairn::tools

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a reader that went away is an error of writing, not our end
  std::ios::sync_with_stdio(false);
  cairn::LogProtobufErrors();
  return cairn::tools::Main(argc, argv);
}
