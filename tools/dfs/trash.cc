#include "tools/dfs/trash.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/path.h"
#include "common/fs_error.h"
#include "common/status_macros.h"

namespace cairn::tools {
namespace {

constexpr char kCurrent[] = "Current";
constexpr char kCheckpointFormat[] = "%y%m%d%H%M%S";
constexpr uint16_t kTrashMode = 0700;

}  // namespace

Trash::Trash(client::FileSystem& fs, absl::Duration interval)
    : fs_(fs), interval_(interval), root_(absl::StrCat(fs.HomeDirectory(), "/.Trash")) {}

absl::StatusOr<Trash> Trash::Open(client::FileSystem& fs) {
  ASSIGN_OR_RETURN(const client::ServerDefaults defaults, fs.GetServerDefaults());
  const bool server_says = defaults.trash_interval > absl::ZeroDuration();
  return Trash(fs, server_says ? defaults.trash_interval : fs.options().trash_interval);
}

absl::StatusOr<std::string> Trash::Move(const std::string& path) {
  if (path == root_ || absl::StartsWith(path, root_ + "/")) return std::string();
  if (absl::StartsWith(root_ + "/", path == "/" ? path : path + "/")) {
    return absl::InvalidArgumentError(absl::StrCat("Cannot move \"hdfs://", fs_.authority(), path,
                                                   "\" to the trash, as it contains the trash"));
  }
  std::string target = absl::StrCat(root_, "/", kCurrent, path);
  RETURN_IF_ERROR(fs_.Mkdirs(client::ParentPath(target), kTrashMode));
  ASSIGN_OR_RETURN(const bool taken, fs_.Exists(target));
  if (taken) absl::StrAppend(&target, absl::ToUnixMillis(absl::Now()));
  RETURN_IF_ERROR(fs_.Rename2(path, target, client::RenameOption::kNoOverwrite, /*to_trash=*/true));
  return target;
}

absl::Status Trash::Expunge(bool immediate) {
  const std::string current = absl::StrCat(root_, "/", kCurrent);
  const absl::Time now = absl::Now();
  absl::StatusOr<std::vector<client::FileStatus>> checkpoints = fs_.ListStatus(root_);
  if (absl::IsNotFound(checkpoints.status())) return absl::OkStatus();
  RETURN_IF_ERROR(checkpoints.status());
  for (const client::FileStatus& entry : *checkpoints) {
    if (client::BaseName(entry.path) == kCurrent) continue;
    absl::Time made;
    std::string ignored;
    // Other things in the trash's root are not ours to delete.
    const std::string name(client::BaseName(entry.path).substr(0, 12));
    if (!absl::ParseTime(kCheckpointFormat, name, absl::LocalTimeZone(), &made, &ignored)) continue;
    if (immediate || now - made >= interval_) {
      RETURN_IF_ERROR(fs_.Delete(entry.path, /*recursive=*/true).status());
    }
  }
  ASSIGN_OR_RETURN(const bool has_current, fs_.Exists(current));
  if (!has_current) return absl::OkStatus();
  if (immediate) return fs_.Delete(current, /*recursive=*/true).status();
  const std::string checkpoint =
      absl::StrCat(root_, "/", absl::FormatTime(kCheckpointFormat, now, absl::LocalTimeZone()));
  absl::Status renamed;
  for (int attempt = 0; attempt < 1000; ++attempt) {
    renamed =
        fs_.Rename2(current, attempt == 0 ? checkpoint : absl::StrCat(checkpoint, "-", attempt),
                    client::RenameOption::kNoOverwrite);
    if (GetFsError(renamed) != FsError::kFileAlreadyExists) break;
  }
  return renamed;
}

}  // namespace cairn::tools
