// common/io/whole_files.h - copying, checksumming and removing files as a whole.
//
// Pieces of 1 MiB: memory does not grow with the file. Calls block; none is made under a lock.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/io/file_system.h"

namespace cairn {

// Makes `to`, which must not exist, of the first `bytes` of `from`, and syncs its contents; its
// name is the caller's to sync. kDataLoss: `from` is shorter.
absl::Status CopyFile(FileSystem& files, const std::string& from, const std::string& to,
                      uint64_t bytes);

// The CRC32C of a file of exactly `bytes` bytes. kDataLoss: it has another size.
absl::StatusOr<uint32_t> FileCrc32c(FileSystem& files, const std::string& path, uint64_t bytes);

// Removes a file, or a directory and all below it; nothing there is no error. Not synced.
absl::Status RemoveTree(FileSystem& files, const std::string& path);

}  // namespace cairn
