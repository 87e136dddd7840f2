#include "namenode/offline/upgrade.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/crash_point.h"
#include "common/io/whole_files.h"
#include "common/status_macros.h"
#include "namenode/offline/name_directory.h"

namespace cairn::namenode {

namespace {

std::string HalfPrevious(const std::string& directory) {
  return PreviousDirectory(directory) + ".tmp";
}

// Whether what is kept is the state as it is now.
bool IsOfEdit(FileSystem& files, const std::string& previous, TxId applied) {
  const absl::StatusOr<CheckpointList> kept = ListCheckpoints(files, CheckpointDirectory(previous));
  return kept.ok() && !kept->whole.empty() && kept->whole.back().txid == applied &&
         files.Exists(VersionFile(previous));
}

}  // namespace

absl::Status KeepPrevious(FileSystem& files, Clock& clock, const std::string& directory,
                          NewCheckpoint state, TxId applied, const std::string& version,
                          bool raises) {
  const std::string previous = PreviousDirectory(directory);
  if (files.Exists(previous)) {
    if (IsOfEdit(files, previous, applied)) return absl::OkStatus();
    if (!raises) {
      return absl::FailedPreconditionError(
          absl::StrCat(previous,
                       " is there: an upgrade is not finished. Make it final with `cairn namenode "
                       "-finalize` once the namenode runs (start it without -upgrade), or go back "
                       "with `cairn namenode -rollback`"));
    }
    RETURN_IF_ERROR(RemovePrevious(files, directory));
  }
  const std::string made = HalfPrevious(directory);
  RETURN_IF_ERROR(RemoveTree(files, made));
  RETURN_IF_ERROR(files.MakeDirectory(made));
  CRASH_POINT("upgrade_previous_begun");
  state.parent = CheckpointDirectory(made);
  RETURN_IF_ERROR(MakeCheckpoint(files, clock, state).status());
  CRASH_POINT("upgrade_store_copied");
  RETURN_IF_ERROR(files.WriteDurably(VersionFile(made), version));
  CRASH_POINT("upgrade_previous_copied");
  RETURN_IF_ERROR(files.Rename(made, previous));
  CRASH_POINT("upgrade_previous_kept");
  return files.SyncDirectory(directory);
}

absl::Status RemovePrevious(FileSystem& files, const std::string& directory) {
  const std::string previous = PreviousDirectory(directory);
  if (!files.Exists(previous)) return absl::OkStatus();
  RETURN_IF_ERROR(RemoveHalfPrevious(files, directory));
  RETURN_IF_ERROR(files.Rename(previous, HalfPrevious(directory)));
  RETURN_IF_ERROR(files.SyncDirectory(directory));
  CRASH_POINT("upgrade_previous_dropped");
  return RemoveHalfPrevious(files, directory);
}

absl::Status RemoveHalfPrevious(FileSystem& files, const std::string& directory) {
  const std::string half = HalfPrevious(directory);
  return files.Exists(half) ? RemoveTree(files, half) : absl::OkStatus();
}

}  // namespace cairn::namenode
