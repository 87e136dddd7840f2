// common/io/errno_code.h - what a failed call on a file says to whoever made it.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace cairn {

// kDataLoss: the medium failed. kResourceExhausted: space, descriptors or memory; the file and its
// disk are as good as ever. kNotFound, kAlreadyExists, kPermissionDenied, kFailedPrecondition (a
// directory that is not empty) speak for themselves; kInternal is everything else.
absl::StatusCode CodeOfErrno(int error);
// "CALL PATH: what errno says", which nothing may touch before.
absl::Status ErrnoStatus(absl::string_view call, absl::string_view path);

}  // namespace cairn
