// namenode/offline/upgrade.h - the state before an upgrade, kept until the upgrade is final.
//
//   DIR/previous/VERSION              as it was
//   DIR/previous/checkpoints/...      one checkpoint, of the last edit before the upgrade
//
//   start -upgrade   makes it, before anything is changed; then VERSION gets this program's layout
//   -rollback        a restore that begins there, by the older program (restore.h)
//   finalize         removes it
//
// It is made as `previous.tmp`, synced, and renamed: a kill leaves the old state without it, or
// with it and the upgrade goes on at the next start with -upgrade.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "common/clock.h"
#include "common/io/file_system.h"
#include "namenode/checkpoint/checkpoint.h"

namespace cairn::namenode {

inline std::string PreviousDirectory(const std::string& directory) {
  return directory + "/previous";
}

// `state` says how to copy the store; its parent is not used. `version` is the text of VERSION.
// kFailedPrecondition: a previous state is there that is not this one's: it is to be finalized or
// rolled back first.
absl::Status KeepPrevious(FileSystem& files, Clock& clock, const std::string& directory,
                          NewCheckpoint state, const std::string& version);

// Nothing there is no error.
absl::Status RemovePrevious(FileSystem& files, const std::string& directory);

}  // namespace cairn::namenode
