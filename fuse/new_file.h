// fuse/new_file.h - files that are made, by open(2) or mknod(2).
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/file_system.h"

namespace cairn::fuse {

// Open for writing in the cluster. `mode`: the kernel has applied the umask. kAlreadyExists: the
// name is taken, also by a file that is being written; kNotFound: the directory has gone.
absl::StatusOr<std::unique_ptr<client::OutputStream>> CreateEmpty(client::FileSystem& fs,
                                                                  const std::string& path,
                                                                  mode_t mode);
// Completes a file that nobody here is to write. After an error the namenode is asked to close it:
// no descriptor stands for it, so nobody would do so later.
absl::Status CompleteEmpty(client::FileSystem& fs, client::OutputStream& stream);

}  // namespace cairn::fuse
