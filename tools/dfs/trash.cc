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
// One for each file on the way down, and for other clients that are as fast.
constexpr int kMaxRenames = 100;

int64_t NowMillis() { return absl::ToUnixMillis(absl::Now()); }

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
  const std::string wanted = absl::StrCat(root_, "/", kCurrent, path);
  absl::Status status;
  // Twice: a checkpoint may take the directory away between the two calls.
  for (int attempt = 0; attempt < 2; ++attempt) {
    ASSIGN_OR_RETURN(const std::string directory, MakeDirectory(client::ParentPath(wanted)));
    const std::string plain = client::JoinPath(directory, client::BaseName(wanted));
    ASSIGN_OR_RETURN(const std::string target, Untaken(plain));
    status = fs_.Rename2(path, target, client::RenameOption::kNoOverwrite, /*to_trash=*/true);
    if (status.ok()) return target;
  }
  return status;
}

absl::StatusOr<std::string> Trash::MakeDirectory(std::string directory) {
  absl::Status made;
  for (int attempt = 0; attempt < kMaxRenames; ++attempt) {
    made = fs_.Mkdirs(directory, kTrashMode);
    if (made.ok()) return directory;
    const FsError error = GetFsError(made);
    if (error != FsError::kFileAlreadyExists && error != FsError::kParentNotDirectory) break;
    // A file of that name, or of a parent's, was deleted earlier: this time's gets the time of day.
    std::string file = directory;
    while (file.size() > root_.size() && !fs_.Stat(file).ok()) file = client::ParentPath(file);
    if (file.size() <= root_.size()) break;
    directory = absl::StrCat(file, NowMillis(), directory.substr(file.size()));
  }
  return made;
}

absl::StatusOr<std::string> Trash::Untaken(const std::string& plain) {
  std::string name = plain;
  while (true) {
    ASSIGN_OR_RETURN(const bool taken, fs_.Exists(name));
    if (!taken) return name;
    name = absl::StrCat(plain, NowMillis());
  }
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
