// -rm, -rmdir, -expunge.
#include <iostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "tools/dfs/commands.h"
#include "tools/dfs/trash.h"

namespace cairn::tools {
namespace {

constexpr uint64_t kSafelyLimit = 100;  // hadoop.shell.safely.delete.limit.num.files

// -safely: asks before a directory with many files goes.
absl::StatusOr<bool> MayDelete(Shell& shell, const PathItem& item) {
  client::FileSystem* const cluster = item.volume->cluster();
  if (!shell.Has("safely") || !item.is_directory() || cluster == nullptr) return true;
  ASSIGN_OR_RETURN(const client::ContentSummary summary, cluster->GetContentSummary(item.path));
  const uint64_t files = summary.file_count + summary.directory_count;
  if (files <= kSafelyLimit) return true;
  shell.err() << "Proceed deleting " << files << " files? (Y or N) " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  if (answer == "y" || answer == "Y" || answer == "yes") return true;
  shell.err() << "Delete aborted at user request.\n";
  return false;
}

// True: it went to the trash.
absl::StatusOr<bool> MoveToTrash(Shell& shell, const PathItem& item) {
  client::FileSystem* const cluster = item.volume->cluster();
  if (shell.Has("skipTrash") || cluster == nullptr) return false;
  ASSIGN_OR_RETURN(Trash trash, Trash::Open(*cluster));
  if (!trash.enabled()) return false;
  absl::StatusOr<std::string> moved = trash.Move(item.path);
  if (!moved.ok()) {
    return absl::Status(moved.status().code(), absl::StrCat(moved.status().message(),
                                                            ". Consider using -skipTrash option"));
  }
  if (moved->empty()) return false;
  shell.err() << "Moved: '" << item.volume->Qualify(item.path)
              << "' to trash at: " << item.volume->Qualify(*moved) << "\n";
  return true;
}

absl::Status RemoveItem(Shell& shell, const PathItem& item, bool recursive) {
  if (item.is_directory() && !recursive) return IsADirectory(item);
  ASSIGN_OR_RETURN(const bool trashed, MoveToTrash(shell, item));
  if (trashed) return absl::OkStatus();
  ASSIGN_OR_RETURN(const bool go_on, MayDelete(shell, item));
  if (!go_on) return absl::OkStatus();
  const absl::Status status = item.volume->Delete(item.path, recursive);
  if (status.message() == "Input/output error") return PathError(item, status.message());
  RETURN_IF_ERROR(status);
  shell.out() << "Deleted " << item.text << "\n";
  return absl::OkStatus();
}

}  // namespace

absl::Status RunRm(Shell& shell) {
  RETURN_IF_ERROR(shell.TakeOptions({"f", "r", "R", "skipTrash", "safely"}, {}, 1, SIZE_MAX));
  const bool recursive = shell.Has("r") || shell.Has("R");
  std::vector<PathItem> items;
  for (const std::string& arg : shell.args()) {
    absl::StatusOr<std::vector<PathItem>> found = shell.Expand(arg);
    if (found.ok()) {
      items.insert(items.end(), found->begin(), found->end());
    } else if (IsUsage(found.status())) {
      return found.status();
    } else if (!shell.Has("f") || !absl::IsNotFound(found.status())) {
      shell.Error(found.status());
    }
  }
  for (const PathItem& item : items) {
    absl::Status status;
    if (item.exists()) {
      status = RemoveItem(shell, item, recursive);
    } else if (!shell.Has("f")) {
      status = NotFound(item);
    }
    if (!status.ok()) shell.Error(status);
  }
  return absl::OkStatus();
}

absl::Status RunRmdir(Shell& shell) {
  RETURN_IF_ERROR(shell.TakeOptions({"-ignore-fail-on-non-empty"}, {}, 1, SIZE_MAX));
  return shell.ForEach(shell.args(), [&](PathItem& item) -> absl::Status {
    if (!item.is_directory()) return NotADirectory(item);
    bool empty = true;
    RETURN_IF_ERROR(shell.ForEachChild(item, [&](PathItem) {
      empty = false;
      return absl::OkStatus();
    }));
    if (empty) return item.volume->Delete(item.path, /*recursive=*/false);
    if (shell.Has("-ignore-fail-on-non-empty")) return absl::OkStatus();
    return PathError(item, "Directory is not empty");
  });
}

absl::Status RunExpunge(Shell& shell) {
  RETURN_IF_ERROR(shell.TakeOptions({"immediate"}, {"fs"}, 0, 0));
  PathItem root;
  const std::string fs = shell.Value("fs").value_or("");
  ASSIGN_OR_RETURN(root, shell.Resolve(fs.empty() ? "/" : fs));
  ASSIGN_OR_RETURN(client::FileSystem* const cluster, Cluster(root));
  ASSIGN_OR_RETURN(Trash trash, Trash::Open(*cluster));
  // Without an interval nothing grows old.
  if (!trash.enabled() && !shell.Has("immediate")) return absl::OkStatus();
  return trash.Expunge(shell.Has("immediate"));
}

}  // namespace cairn::tools
