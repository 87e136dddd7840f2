// client/file_checksum.h - the checksum of a file, put together from what datanodes keep.
//
// One datanode per block is asked (the next one if it fails); no data travels. Of an erasure-coded
// file each data unit is asked for the CRCs of its cells.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "client/context.h"
#include "client/types.h"

namespace cairn::client {

// Of the first `length` bytes, or of the whole file when it is shorter. kUnavailable: no datanode
// of a block, or of a data unit, answers. kUnimplemented: kMd5OfMd5 of an erasure-coded file.
// kFailedPrecondition: the file is being written, or its blocks have different kinds of checksums.
absl::StatusOr<FileChecksum> ComputeFileChecksum(ClientContext& context, const std::string& path,
                                                 ChecksumCombine combine, uint64_t length);

}  // namespace cairn::client
