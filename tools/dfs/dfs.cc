#include "tools/dfs/dfs.h"

#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tools/cluster_options.h"
#include "tools/dfs/commands.h"
#include "tools/dfs/shell.h"

namespace cairn::tools {
namespace {

constexpr int kExitBadUsage = 255;  // -1 of Hadoop's shell

constexpr char kPutUsage[] =
    "[-f] [-p] [-l] [-d] [-t <thread count>] [-q <thread pool queue size>] <localsrc> ... <dst>";
constexpr char kGetUsage[] =
    "[-f] [-p] [-crc] [-ignoreCrc] [-t <thread count>] [-q <thread pool queue size>] <src> ... "
    "<localdst>";
constexpr char kPutHelp[] =
    "Copy local files and directories into the cluster; '-' is standard input.\n"
    "Each file appears under its name when it is complete.\n"
    "  -f  Replace files that exist.\n"
    "  -p  Keep times, owner, group and mode.\n"
    "  -l  Let the datanodes write to disk lazily, with one replica.\n"
    "  -d  Write under the final name at once, without ._COPYING_.\n"
    "  -t  So many files at a time (default 1). -q is accepted for compatibility.";
constexpr char kGetHelp[] =
    "Copy files and directories to this machine; the destination '-' is standard output.\n"
    "  -f  Replace files that exist.\n"
    "  -p  Keep times, owner, group and mode.\n"
    "  -t  So many files at a time (default 1). -q, -crc and -ignoreCrc are accepted for\n"
    "      compatibility: every byte is verified on its way.";

constexpr char kSnapshotHelp[] = "Not supported yet: there are no snapshots. It fails.";

// In the order of the alphabet, as help shows it.
constexpr ShellCommand kCommands[] = {
    {"appendToFile", "[-n] <localsrc> ... <dst>",
     "Append local files, or standard input ('-'), to a file; make it if it is missing.\n"
     "  -n  Begin a new block.",
     &RunAppendToFile},
    {"cat", "[-ignoreCrc] <src> ...", "Write files to standard output.", &RunCat},
    {"checksum", "[-v] <src> ...",
     "Print the checksum that the datanodes compute; -v with the block size.", &RunChecksum},
    {"chgrp", "[-R] GROUP PATH...", "Change the group; -R with all below.", &RunChgrp},
    {"chmod", "[-R] <MODE[,MODE]... | OCTALMODE> PATH...",
     "Change permissions, as chmod(1) writes them: 755, u+x,go-w, a+X, +t. -R with all below.",
     &RunChmod},
    {"chown", "[-R] [OWNER][:[GROUP]] PATH...", "Change owner and group; -R with all below.",
     &RunChown},
    {"concat", "<target path> <src path> <src path> ...",
     "Move the blocks of the sources to the end of the target; the sources cease to exist.",
     &RunConcat},
    {"copyFromLocal", kPutUsage, kPutHelp, &RunPut},
    {"copyToLocal", kGetUsage, kGetHelp, &RunGet},
    {"count", "[-q] [-h] [-v] [-t [<storage type>]] [-u] [-x] [-e] [-s] <path> ...",
     "Count directories, files and bytes below each path.\n"
     "  -q  With quotas.   -u  Quotas alone.   -h  Sizes for people.   -v  With a header.\n"
     "  -x  Without snapshots.   -s  With the snapshots' counts.   -e  With the coding policy.\n"
     "  -t  With -q or -u: the quotas of storage types, such as DISK,SSD, or of all.",
     &RunCount},
    {"cp",
     "[-f] [-p | -p[topax]] [-d] [-t <thread count>] [-q <thread pool queue size>] <src> ... "
     "<dst>",
     "Copy files and directories.\n"
     "  -f  Replace files that exist.   -d  No temporary name.   -t  So many files at a time.\n"
     "  -p  Keep times, owner and mode, or those of: t(imes) o(wner) p(ermission) a(cl) x(attrs).",
     &RunCp},
    {"createSnapshot", "<snapshotDir> [<snapshotName>]", kSnapshotHelp, &RunSnapshot},
    {"deleteSnapshot", "<snapshotDir> <snapshotName>", kSnapshotHelp, &RunSnapshot},
    {"df", "[-h] [<path> ...]", "Show capacity, used and free space; -h for people.", &RunDf},
    {"du", "[-s] [-h] [-v] [-x] <path> ...",
     "Show bytes, and bytes with all replicas, of each entry of a directory.\n"
     "  -s  One sum per path.   -h  Sizes for people.   -v  With a header.   -x  Without "
     "snapshots.",
     &RunDu},
    {"expunge", "[-immediate] [-fs <path>]",
     "Delete what has been in the trash for longer than its interval; -immediate: all of it.",
     &RunExpunge},
    {"find", "<path> ... <expression> ...",
     "List what matches: -name PATTERN, -iname PATTERN, -print, -print0, joined by -a or nothing.",
     &RunFind},
    {"get", kGetUsage, kGetHelp, &RunGet},
    {"getfacl", "[-R] <path>", "Show the access-control list; -R with all below.", &RunGetfacl},
    {"getfattr", "[-R] {-n name | -d} [-e en] <path>",
     "Show extended attributes, where the namenode has them.\n"
     "  -n  The one of that name.   -d  All.   -R  With all below.\n"
     "  -e  The values as text (default), hex or base64.",
     &RunGetfattr},
    {"getmerge", "[-nl] [-skip-empty-file] <src> <localdst>",
     "Write the files of a directory, in order of name, into one local file.\n"
     "  -nl  A newline after each.   -skip-empty-file  None for empty ones.",
     &RunGetMerge},
    {"head", "<file>", "Show the first kilobyte.", &RunHead},
    {"help", "[cmd ...]", "Explain commands, or all of them.", &RunHelp},
    {"ls", "[-C] [-d] [-h] [-q] [-R] [-t] [-S] [-r] [-u] [-e] [<path> ...]",
     "List files and the entries of directories.\n"
     "  -C  Paths alone.   -d  Directories as entries.   -h  Sizes for people.\n"
     "  -q  '?' for what is not printable.   -R  With all below.   -e  With the coding policy.\n"
     "  -t  Newest first.   -S  Largest first.   -r  The other way round.\n"
     "  -u  Time of last access instead of change.",
     &RunLs},
    {"mkdir", "[-p] <path> ...", "Make directories; -p with their parents, and no error if there.",
     &RunMkdir},
    {"moveFromLocal", "[-f] [-p] [-l] [-d] <localsrc> ... <dst>",
     "As -put, and delete each local file once it is copied.", &RunMoveFromLocal},
    {"moveToLocal", "<src> <localdst>", "Not implemented, in HDFS as here.", &RunMoveToLocal},
    {"mv", "<src> ... <dst>", "Rename, or move into a directory.", &RunMv},
    {"put", kPutUsage, kPutHelp, &RunPut},
    {"renameSnapshot", "<snapshotDir> <oldName> <newName>", kSnapshotHelp, &RunSnapshot},
    {"rm", "[-f] [-r|-R] [-skipTrash] [-safely] <src> ...",
     "Delete files, or move them to the trash if the cluster has one.\n"
     "  -r, -R  Directories with all below.   -f  No error for what is missing.\n"
     "  -skipTrash  Delete at once.   -safely  Ask before a directory of over 100 files goes.",
     &RunRm},
    {"rmdir", "[--ignore-fail-on-non-empty] <dir> ...", "Delete empty directories.", &RunRmdir},
    {"setfacl", "[-R] [{-b|-k} {-m|-x <acl_spec>} <path>]|[--set <acl_spec> <path>]",
     "Change the access-control list.\n"
     "  -m  Add or change entries.   -x  Remove entries.   --set  Replace all.\n"
     "  -b  Remove all but the mode.   -k  Remove what children inherit.   -R  With all below.",
     &RunSetfacl},
    {"setfattr", "{-n name [-v value] | -x name} <path>",
     "Change an extended attribute, where the namenode has them.\n"
     "  -n  Make or replace it.   -x  Remove it.\n"
     "  -v  Its value: text, with or without quotes, 0x and hex, or 0s and base64.",
     &RunSetfattr},
    {"setrep", "[-R] [-w] <rep> <path> ...",
     "Set the number of replicas of files and of all files below directories; -w: wait for it.",
     &RunSetrep},
    {"stat", "[format] <path> ...",
     "Print facts by format: %a mode in octal, %A mode, %b bytes, %F type, %g group, %n name,\n"
     "%o block size, %r replicas, %u owner, %x %X last access, %y %Y last change (UTC; ms).",
     &RunStat},
    {"tail", "[-f] [-s <sleep interval>] <file>",
     "Show the last kilobyte; -f: and what is added, looking every -s milliseconds.", &RunTail},
    {"test", "-[defswrz] <path>",
     "Exit with 0 if the path: -e exists, -d is a directory, -f is a file, -s is not empty,\n"
     "-z is empty, -r may be read, -w may be written.",
     &RunTest},
    {"text", "[-ignoreCrc] <src> ...", "Write files to standard output, gzip and zlib unpacked.",
     &RunText},
    {"touch", "[-a] [-m] [-t TIMESTAMP (yyyyMMdd:HHmmss) ] [-c] <path> ...",
     "Set the times of files to now, or to -t; make those that are missing.\n"
     "  -a  Access alone.   -m  Change alone.   -c  Make none.",
     &RunTouch},
    {"touchz", "<path> ...", "Make empty files.", &RunTouchz},
    {"truncate", "[-w] <length> <path> ...", "Cut files to a length; -w: wait until it is done.",
     &RunTruncate},
    {"usage", "[cmd ...]", "Show how commands are called.", &RunUsage},
};

// An old name of a command with an option.
struct DeprecatedCommand {
  ShellCommand command;
  const char* replacement;  // as HDFS names it
  const char* option;
};

constexpr DeprecatedCommand kDeprecated[] = {
    {{"dus", "", "(DEPRECATED) Same as 'du -s'", &RunDu}, "du -s", "-s"},
    {{"lsr", "", "(DEPRECATED) Same as 'ls -R'", &RunLs}, "ls -R", "-R"},
    {{"rmr", "", "(DEPRECATED) Same as '-rm -r'", &RunRm}, "-rm -r", "-r"},
};

// Warns of an old name, and runs what it stands for.
absl::Status RunCommand(Shell& shell) {
  for (const DeprecatedCommand& old : kDeprecated) {
    if (&shell.command() != &old.command) continue;
    shell.Warn(absl::StrCat("DEPRECATED: Please use '", old.replacement, "' instead."));
    shell.args().insert(shell.args().begin(), old.option);
  }
  return shell.command().run(shell);
}

void PrintGenericOptions(std::ostream& out) {
  out << "\nGeneric options supported are:\n"
         "-conf <directory or file>  configuration, instead of HADOOP_CONF_DIR\n"
         "-D <property=value>        one configuration key\n"
         "-fs <hdfs://host:port>     the cluster, instead of fs.defaultFS\n\n";
}

int Finish(Shell& shell, const absl::Status& status, std::ostream& err) {
  if (IsUsage(status)) {
    err << "-" << shell.command().name << ": " << status.message() << "\n";
    PrintShellUsage(err, shell.command());
    return kExitBadUsage;
  }
  if (!status.ok()) shell.Error(status);
  shell.out().flush();
  if (!shell.out() && shell.errors() == 0) {
    shell.Error(absl::UnavailableError("Unable to write to output stream."));
  }
  return shell.errors() == 0 ? shell.exit_code : kExitFailed;
}

}  // namespace

std::span<const ShellCommand> ShellCommands() { return kCommands; }

const ShellCommand* FindShellCommand(absl::string_view name) {
  for (const ShellCommand& command : kCommands) {
    if (name == command.name) return &command;
  }
  for (const DeprecatedCommand& old : kDeprecated) {
    if (name == old.command.name) return &old.command;
  }
  return nullptr;
}

void PrintShellUsage(std::ostream& out) {
  out << "Usage: cairn dfs [generic options]\n";
  for (const ShellCommand& command : kCommands) {
    out << "\t[-" << command.name << (*command.usage != '\0' ? " " : "") << command.usage << "]\n";
  }
  PrintGenericOptions(out);
}

void PrintShellUsage(std::ostream& out, const ShellCommand& command) {
  out << "Usage: cairn dfs [generic options] -" << command.name
      << (*command.usage != '\0' ? " " : "") << command.usage << "\n";
}

int RunDfs(CommandContext& ctx) {
  std::vector<std::string> args = ctx.args;
  absl::StatusOr<client::ClientOptions> options = TakeClusterOptions(args);
  if (!options.ok()) {
    ctx.err << "dfs: " << options.status().message() << "\n";
    return kExitBadUsage;
  }
  if (args.empty()) {
    PrintShellUsage(ctx.err);
    return kExitBadUsage;
  }
  const std::string word = args[0];
  args.erase(args.begin());
  const bool dashed = absl::StartsWith(word, "-");
  const ShellCommand* command = dashed ? FindShellCommand(word.substr(1)) : nullptr;
  if (command == nullptr) {
    ctx.err << word << ": Unknown command\n";
    if (!dashed && FindShellCommand(word) != nullptr) {
      ctx.err << "Did you mean -" << word << "?  This command begins with a dash.\n";
    }
    PrintShellUsage(ctx.err);
    return kExitBadUsage;
  }
  Volumes volumes(*std::move(options));
  Shell shell(*command, std::move(args), volumes, ctx.out, ctx.err);
  const absl::Status status = RunCommand(shell);
  return Finish(shell, status, ctx.err);
}

}  // namespace cairn::tools
