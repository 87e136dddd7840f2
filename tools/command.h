// tools/command.h - one command of the `cairn` program: a function and a row of the table.
//
// The table is in commands.cc; help and usage texts come from it. A command exits 0 when all went
// well, 1 when something failed (said on `err`), 2 for bad usage, unless it has the exit codes of
// the Hadoop tool whose place it takes.
#pragma once

#include <ostream>
#include <span>
#include <string>
#include <vector>

namespace cairn::tools {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitHadoopFailed = 255;  // -1 of Hadoop's tools

struct CommandContext {
  std::vector<std::string> args;  // after the command's name
  std::ostream& out;
  std::ostream& err;
};

struct Command {
  const char* name;
  const char* summary;  // one line
  const char* usage;    // arguments, for "usage: cairn NAME ..."
  int (*run)(CommandContext& ctx);
  // The exit code when what it printed could not be written: a cut report must not pass for a good
  // one. 0: `run` sees to that itself.
  int exit_unwritten = kExitFailed;
};

// Every command, in the order of the help text.
std::span<const Command> Commands();

// Prints the command's usage line on `err`; returns kExitUsage.
int UsageError(const CommandContext& ctx, const Command& command, const std::string& why);

}  // namespace cairn::tools
