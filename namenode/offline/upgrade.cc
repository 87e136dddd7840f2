#include "namenode/offline/upgrade.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/crash_point.h"
#include "common/io/whole_files.h"
#include "common/status_macros.h"
#include "namenode/offline/name_directory.h"

namespace cairn::namenode {

absl::Status KeepPrevious(FileSystem& files, Clock& clock, const std::string& directory,
                          NewCheckpoint state, const std::string& version) {
  const std::string previous = PreviousDirectory(directory);
  if (files.Exists(previous)) {
    return absl::FailedPreconditionError(
        absl::StrCat(previous,
                     " is there: an upgrade is not finished. Make it final with `cairn namenode "
                     "-finalize` once the namenode runs (start it without -upgrade), or go back "
                     "with `cairn namenode -rollback`"));
  }
  const std::string made = previous + ".tmp";
  RETURN_IF_ERROR(RemoveTree(files, made));
  RETURN_IF_ERROR(files.MakeDirectory(made));
  state.parent = CheckpointDirectory(made);
  RETURN_IF_ERROR(MakeCheckpoint(files, clock, state).status());
  RETURN_IF_ERROR(files.WriteDurably(made + "/VERSION", version));
  CRASH_POINT("upgrade_previous_copied");
  RETURN_IF_ERROR(files.Rename(made, previous));
  CRASH_POINT("upgrade_previous_kept");
  return files.SyncDirectory(directory);
}

absl::Status RemovePrevious(FileSystem& files, const std::string& directory) {
  const std::string previous = PreviousDirectory(directory);
  if (!files.Exists(previous)) return absl::OkStatus();
  const std::string gone = previous + ".tmp";
  RETURN_IF_ERROR(RemoveTree(files, gone));
  RETURN_IF_ERROR(files.Rename(previous, gone));
  RETURN_IF_ERROR(files.SyncDirectory(directory));
  return RemoveTree(files, gone);
}

}  // namespace cairn::namenode
