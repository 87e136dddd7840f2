// -stat and -test: what a path is.
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/mode.h"
#include "client/path.h"
#include "common/status_macros.h"
#include "tools/dfs/commands.h"
#include "tools/dfs/format.h"
#include "tools/dfs/walk.h"

namespace cairn::tools {
namespace {

std::string FileTypeName(const client::FileStatus& s) {
  if (s.is_directory()) return "directory";
  return s.is_file() ? "regular file" : "symlink";
}

std::string Field(char letter, const PathItem& item) {
  const client::FileStatus& s = *item.status;
  switch (letter) {
    case 'a':
      return absl::StrFormat("%o", s.mode);
    case 'A':
      return client::ModeText(s.mode);
    case 'b':
      return absl::StrCat(s.length);
    case 'F':
      return FileTypeName(s);
    case 'g':
      return s.group;
    case 'n':
      return std::string(client::BaseName(s.path));
    case 'o':
      return absl::StrCat(s.block_bytes);
    case 'r':
      return absl::StrCat(s.replication);
    case 'u':
      return s.owner;
    case 'x':
      return SecondTextUtc(s.accessed);
    case 'X':
      return absl::StrCat(absl::ToUnixMillis(s.accessed));
    case 'y':
      return SecondTextUtc(s.modified);
    case 'Y':
      return absl::StrCat(absl::ToUnixMillis(s.modified));
    default:
      return std::string(1, letter);
  }
}

std::string FormatStat(absl::string_view format, const PathItem& item) {
  std::string text;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      text += format[i];
    } else if (i + 1 < format.size()) {
      text += Field(format[++i], item);
    }
  }
  return text;
}

absl::StatusOr<bool> Passes(const std::string& flag, const PathItem& item) {
  if (!item.exists()) return false;
  const client::FileStatus& s = *item.status;
  if (flag == "e") return true;
  if (flag == "d") return s.is_directory();
  if (flag == "f") return s.is_file();
  if (flag == "s") return s.length > 0;
  if (flag == "z") return s.length == 0;
  ASSIGN_OR_RETURN(client::FileSystem* const cluster, Cluster(item));
  const absl::Status access = cluster->Access(item.path, flag == "r" ? 4 : 2);
  if (absl::IsPermissionDenied(access)) return false;
  RETURN_IF_ERROR(access);
  return true;
}

}  // namespace

absl::Status RunStat(Shell& shell) {
  std::string format = "%y";
  RETURN_IF_ERROR(shell.TakeOptions({"R"}, {}, 0, SIZE_MAX));
  const bool recursive = shell.Has("R");
  if (!shell.args().empty() && absl::StrContains(shell.args()[0], '%')) {
    format = shell.args()[0];
    shell.args().erase(shell.args().begin());
  }
  // As in HDFS: an -R behind the format is taken, and means nothing.
  RETURN_IF_ERROR(shell.TakeOptions({"R"}, {}, 1, SIZE_MAX));
  return shell.ForEach(shell.args(), [&](PathItem& top) {
    return Walk(shell, top, recursive, [&](const PathItem& item, int) {
      shell.out() << FormatStat(format, item) << "\n";
      return absl::OkStatus();
    });
  });
}

absl::Status RunTest(Shell& shell) {
  RETURN_IF_ERROR(shell.TakeOptions({"e", "d", "f", "s", "z", "r", "w"}, {}, 1, 1));
  std::string flag;
  for (const char* name : {"e", "d", "f", "s", "z", "r", "w"}) {
    if (!shell.Has(name)) continue;
    if (!flag.empty()) return UsageStatus("Only one test flag is allowed");
    flag = name;
  }
  if (flag.empty()) return UsageStatus("No test flag given");
  ASSIGN_OR_RETURN(const std::vector<PathItem> items, shell.Expand(shell.args()[0]));
  ASSIGN_OR_RETURN(const bool passes, Passes(flag, items[0]));
  shell.exit_code = passes ? 0 : 1;
  return absl::OkStatus();
}

}  // namespace cairn::tools
