// libhdfs/copy.h - copying and moving trees within and between clusters, as Hadoop's FileUtil does.
//
// Where `to` is a directory, the copy is made in it under the name of `from`; a file in the way is
// replaced. kInvalidArgument: onto itself, or into a directory below itself.
// What was copied before an error stays, but for the file that was being written: that is removed.
#pragma once

#include "absl/status/status.h"
#include "libhdfs/instance.h"

namespace cairn::libhdfs {

absl::Status Copy(const Place& from, const Place& to);

// A rename if both are one cluster and one user; else a copy, after which `from` is deleted.
absl::Status Move(const Place& from, const Place& to);

}  // namespace cairn::libhdfs
