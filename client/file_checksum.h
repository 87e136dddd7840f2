// client/file_checksum.h - the checksum of a file, put together from what datanodes keep.
//
// One datanode per block is asked (the next one if it fails); no data travels.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "client/context.h"
#include "client/types.h"

namespace cairn::client {

// Of the first `length` bytes, or of the whole file when it is shorter.
absl::StatusOr<FileChecksum> ComputeFileChecksum(ClientContext& context, const std::string& path,
                                                 ChecksumCombine combine, uint64_t length);

}  // namespace cairn::client
