// client/file_checksum.h - the checksum of a file, put together from what datanodes keep.
//
// One datanode per block is asked (the next one if it fails); no data travels. Of an erasure-coded
// file one datanode per block group is, which asks those of the data units and computes what is
// lost. Where none does that, as before Cairn's and Hadoop's datanodes knew how, each data unit is
// asked for its own, and what is lost is read as readers read it, and summed up here.
//
// What Hadoop's client says of the same file is the same (FileChecksumHelper).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "client/context.h"
#include "client/types.h"

namespace cairn::client {

// Of the first `length` bytes, or of the whole file when it is shorter. A data unit that the
// namenode knows no place of, as of a file closed just now, is waited for, not a second in all.
// kUnavailable: no datanode of a block answers, or of a data unit, and it is not to be computed or
// cannot be. kFailedPrecondition: the file is being written, or its blocks have different kinds of
// checksums. kDataLoss: a unit is lost, and the others contradict each other, or too few match
// their checksums. kAborted with kChanged: it was replaced meanwhile.
absl::StatusOr<FileChecksum> ComputeFileChecksum(const std::shared_ptr<ClientContext>& context,
                                                 const std::string& path, ChecksumCombine combine,
                                                 uint64_t length, LostUnits lost_units);

}  // namespace cairn::client
