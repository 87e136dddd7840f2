// common/io/read_some.h - reading a pipe piece by piece.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace cairn {

// Appends to `to` what `fd` has to give now, at most 4 KiB. False: the other end is closed, and
// that was all. True with nothing appended: a signal came, or `fd` does not block and has nothing.
// Any other failure is an error with CodeOfErrno's code: what came so far may not be all.
absl::StatusOr<bool> ReadSome(int fd, std::string* to);

}  // namespace cairn
