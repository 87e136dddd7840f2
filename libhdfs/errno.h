// libhdfs/errno.h - the one place where a status becomes an errno, and gets the name of an
// exception. The table for users is in docs/libhdfs.md.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace cairn::libhdfs {

// A status for which ErrnoOf gives `number`.
absl::Status WithErrno(int number, absl::string_view text);

// 0 for OK; EINTERNAL for what has no better number.
int ErrnoOf(const absl::Status& status);

// "FileNotFoundException: no such file": the class as HDFS's clients know it, without its package.
std::string RootCauseOf(const absl::Status& status);

}  // namespace cairn::libhdfs
