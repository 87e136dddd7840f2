#include "tools/debug/debug.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace cairn::tools {
namespace {

struct DebugCommand {
  const char* name;
  const char* usage;
  const char* help;
  int (*run)(CommandContext& ctx);
};

constexpr DebugCommand kCommands[] = {
    {"verifyMeta", "-meta <metadata-file> [-block <block-file>]",
     "  Verify a replica's checksum file, and with -block that it matches the block's bytes.",
     &RunVerifyMeta},
    {"computeMeta", "-block <block-file> -out <output-metadata-file>",
     "  Compute a checksum file from a block file.\n\n"
     "**NOTE: Use at your own risk!\n"
     " What is wrong in the block file has good checksums afterwards, and nobody will find it.\n"
     " Use it only when you are certain that the block file is good.",
     &RunComputeMeta},
    {"recoverLease", "[-conf DIR] [-fs URI] -path <path> [-retries <num-retries>]",
     "  Take a file from a writer that is gone, so that it is closed. One try if not told "
     "otherwise.",
     &RunRecoverLease},
};

void PrintUsage(std::ostream& out) {
  out << "Usage: cairn debug <command> [arguments]\n\n"
         "These commands are for advanced users only.\n\n"
         "Incorrect usages may result in data loss. Use at your own risk.\n\n";
  for (const DebugCommand& command : kCommands) {
    out << command.name << " " << command.usage << "\n";
  }
}

void PrintHelp(std::ostream& out, const DebugCommand& command) {
  out << command.name << " " << command.usage << "\n" << command.help << "\n";
}

const DebugCommand* Find(std::string name) {
  if (absl::StartsWith(name, "-")) name.erase(0, 1);
  for (const DebugCommand& command : kCommands) {
    if (name == command.name) return &command;
  }
  return nullptr;
}

}  // namespace

std::string TakeDebugOption(CommandContext& ctx, const std::string& option) {
  const auto found = std::find(ctx.args.begin(), ctx.args.end(), option);
  if (found == ctx.args.end() || std::next(found) == ctx.args.end()) return "";
  const std::string value = *std::next(found);
  ctx.args.erase(found, found + 2);
  return value;
}

bool ArgumentsAreLeft(CommandContext& ctx) {
  if (ctx.args.empty()) return false;
  const std::string& word = ctx.args.back();
  ctx.err << (absl::StartsWith(word, "-") ? absl::StrCat("option ", word, " requires 1 argument.")
                                          : absl::StrCat("what is \"", word, "\"?"))
          << "\n";
  return true;
}

int RunDebug(CommandContext& ctx) {
  const std::string name = ctx.args.empty() ? "" : ctx.args[0];
  if (name == "help" || name == "-help") {
    const DebugCommand* const about = ctx.args.size() > 1 ? Find(ctx.args[1]) : nullptr;
    about == nullptr ? PrintUsage(ctx.out) : PrintHelp(ctx.out, *about);
    return kExitOk;
  }
  const DebugCommand* const command = Find(name);
  if (command == nullptr) {
    PrintUsage(ctx.out);
    return kExitOk;  // as HDFS
  }
  ctx.args.erase(ctx.args.begin());
  if (ctx.args.empty()) {
    PrintHelp(ctx.out, *command);
    return kExitFailed;
  }
  return command->run(ctx);
}

}  // namespace cairn::tools
