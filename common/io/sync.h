// common/io/sync.h - what was written, or named, is on the disk; and a disk that is given up says
// so.
//
// On XFS neither call can be taken at its word alone. Once it has shut itself down, as it does when
// its log cannot be written, changes that are only in memory are dropped; fsync of a directory then
// returns 0 (seen with Linux 6.18), and so may that of a file if the shutdown falls into the call.
// Attributes are refused from the shutdown on, and it comes before anything is dropped: they are
// asked for afterwards.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace cairn {

// Data, and what it takes to read them back (the length). CodeOfErrno's codes; after kDataLoss
// nothing is known of what was written since the last sync. `path` is for the message.
absl::Status SyncFileData(int fd, absl::string_view path);
// Names made, changed and removed in the directory. As above.
absl::Status SyncNames(int fd, absl::string_view path);

}  // namespace cairn
