// namenode/offline/upgrade.h - the state before an upgrade, kept until the upgrade is final.
//
//   DIR/previous/VERSION              as it was
//   DIR/previous/checkpoints/...      one checkpoint, of the last edit before the upgrade
//
//   start -upgrade   makes it, before anything is changed; then VERSION gets this program's layout
//   -rollback        a restore that begins there, by the older program (restore.h)
//   finalize         removes it
//
// It is made as `previous.tmp`, synced, and renamed; VERSION is written after it, in one step. So a
// kill leaves the old state without it, or with it and an upgrade that the next start with -upgrade
// completes; and a start without -upgrade is possible in any of these states by the program whose
// layout VERSION says. What is called previous.tmp is void: every start removes it.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "common/clock.h"
#include "common/ids.h"
#include "common/io/file_system.h"
#include "namenode/checkpoint/checkpoint.h"

namespace cairn::namenode {

inline std::string PreviousDirectory(const std::string& directory) {
  return directory + "/previous";
}

// `state` says how to copy the store, whose last edit is `applied`; its parent is not used.
// `version` is the text of VERSION, which says another layout than this program's if `raises`.
// A previous state of the same edit is kept: an upgrade that was cut off goes on. So is none of an
// earlier edit if VERSION was not raised since: the older program has gone on, and it is made anew.
// kFailedPrecondition: another previous state is there, to be finalized or rolled back first.
absl::Status KeepPrevious(FileSystem& files, Clock& clock, const std::string& directory,
                          NewCheckpoint state, TxId applied, const std::string& version,
                          bool raises);

// Nothing there is no error.
absl::Status RemovePrevious(FileSystem& files, const std::string& directory);
// What a kill has left of making or removing it.
absl::Status RemoveHalfPrevious(FileSystem& files, const std::string& directory);

}  // namespace cairn::namenode
