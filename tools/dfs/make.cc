#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/path.h"
#include "common/fs_error.h"
#include "common/status_macros.h"
#include "tools/dfs/commands.h"

namespace cairn::tools {
namespace {

absl::Status MakeDirectory(Shell& shell, PathItem& item) {
  if (item.exists()) {
    if (!item.is_directory()) return NotADirectory(item);
    return shell.Has("p") ? absl::OkStatus() : AlreadyExists(item);
  }
  if (!shell.Has("p")) {
    PathItem parent{.volume = item.volume, .path = client::ParentPath(item.path)};
    RETURN_IF_ERROR(parent.Refresh());
    parent.text = item.volume->Qualify(parent.path);
    if (!parent.exists()) return NotFound(parent);
  }
  return item.volume->Mkdirs(item.path);
}

absl::Status CreateEmpty(const PathItem& item) {
  ASSIGN_OR_RETURN(auto writer, item.volume->Create(item.path, {.overwrite = true}));
  return writer->Close();
}

// Errors are reported; all arguments are tried.
absl::Status ForEachItem(Shell& shell, const std::function<absl::Status(PathItem&)>& act) {
  ASSIGN_OR_RETURN(std::vector<PathItem> items, shell.ExpandAll(shell.args()));
  for (PathItem& item : items) {
    const absl::Status status = act(item);
    if (!status.ok()) shell.Error(status);
  }
  return absl::OkStatus();
}

absl::StatusOr<absl::Time> ParseTimestamp(const std::string& text) {
  absl::Time time;
  std::string ignored;
  if (absl::ParseTime("%E4Y%m%d:%H%M%S", text, absl::LocalTimeZone(), &time, &ignored)) {
    return time;
  }
  return UsageStatus(absl::StrCat("Unable to parse the specified timestamp ", text,
                                  ". The expected format is yyyyMMdd:HHmmss"));
}

}  // namespace

absl::Status RunMkdir(Shell& shell) {
  RETURN_IF_ERROR(shell.TakeOptions({"p"}, {}, 1, SIZE_MAX));
  return ForEachItem(shell, [&](PathItem& item) { return MakeDirectory(shell, item); });
}

absl::Status RunTouchz(Shell& shell) {
  RETURN_IF_ERROR(shell.TakeOptions({}, {}, 1, SIZE_MAX));
  return ForEachItem(shell, [](PathItem& item) -> absl::Status {
    if (item.is_directory()) return IsADirectory(item);
    if (item.exists() && item.status->length != 0) {
      return PathError(item, "Not a zero-length file");
    }
    if (!item.exists()) RETURN_IF_ERROR(CheckParent(item));
    return CreateEmpty(item);
  });
}

absl::Status RunTouch(Shell& shell) {
  RETURN_IF_ERROR(shell.TakeOptions({"a", "m", "c"}, {"t"}, 1, SIZE_MAX));
  absl::Time when = absl::Now();
  if (const auto text = shell.Value("t")) {
    ASSIGN_OR_RETURN(when, ParseTimestamp(*text));
  }
  const bool both = shell.Has("a") == shell.Has("m");
  return ForEachItem(shell, [&](PathItem& item) -> absl::Status {
    if (!item.exists()) {
      if (shell.Has("c")) return absl::OkStatus();
      RETURN_IF_ERROR(CheckParent(item));
      RETURN_IF_ERROR(CreateEmpty(item));
      RETURN_IF_ERROR(item.Refresh());
      if (!item.exists()) return NotFound(item);
    }
    return item.volume->SetTimes(item.path, both || shell.Has("m") ? when : item.status->modified,
                                 both || shell.Has("a") ? when : item.status->accessed);
  });
}

}  // namespace cairn::tools
