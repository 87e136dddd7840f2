// tools/dfs/trash.h - HDFS's trash: /user/NAME/.Trash/Current holds what was deleted lately.
//
// Deleting moves a path to Current/PATH; -expunge renames Current to the time of day and removes
// such checkpoints once they are older than the interval. Source: TrashPolicyDefault's behaviour.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/file_system.h"

namespace cairn::tools {

class Trash {
 public:
  // `fs` outlives this. Asks the server how long it keeps deleted files; its word goes before the
  // configuration's.
  static absl::StatusOr<Trash> Open(client::FileSystem& fs);

  bool enabled() const { return interval_ > absl::ZeroDuration(); }
  // Moves `path` and returns where to; a name that is taken in the trash, its own or a directory's
  // by a file, gets the time in milliseconds. Empty: it is in the trash already, delete it.
  // kInvalidArgument: it contains the trash.
  absl::StatusOr<std::string> Move(const std::string& path);
  // Makes a checkpoint of Current, and deletes those older than the interval, or all.
  absl::Status Expunge(bool immediate);

 private:
  Trash(client::FileSystem& fs, absl::Duration interval);

  // Makes it with its parents, under another name if need be, which is returned.
  absl::StatusOr<std::string> MakeDirectory(std::string directory);
  absl::StatusOr<std::string> Untaken(const std::string& plain);

  client::FileSystem& fs_;
  absl::Duration interval_;
  const std::string root_;
};

}  // namespace cairn::tools
