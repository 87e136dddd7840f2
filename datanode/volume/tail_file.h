// datanode/volume/tail_file.h - a replica's tail file: the records of what has been synced.
//
// Blocking; for disk threads. The callers hold the replica (OpenReplica's writer), or are alone, as
// at start. What a record is for: tail_record.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/ids.h"
#include "common/io/file_system.h"
#include "datanode/volume/tail_record.h"
#include "wire/transfer/checksum.h"

namespace cairn::datanode {

// The whole records of a tail file that belong to the block; none if there is no file. An error of
// the disk, or kResourceExhausted for want of descriptors or memory: it is not known what it says.
absl::StatusOr<std::vector<TailRecord>> ReadTailRecords(FileSystem& fs, const std::string& path,
                                                        BlockId block);

// Records that the first `length` bytes, at least one, are on stable media, in the slot that the
// last record does not have. `tail_crc` is of the partial last chunk; absent at a chunk boundary.
// `sequence` is that of the last record and is raised. Without `sync` a power cut may take the
// record, which then promised nothing that the files do not keep. Whoever makes the file with this
// syncs its directory.
absl::Status WriteTailRecord(FileSystem& fs, const std::string& path, BlockId block,
                             const transfer::DataChecksum& checksum, uint64_t length,
                             std::optional<uint32_t> tail_crc, uint64_t* sequence, bool sync);

// Before a replica being written is cut to `length`, whose partial last chunk has the CRC
// `tail_crc`: no record of more bytes is left, synced. Else the next start would miss them.
absl::Status ShortenTailRecords(FileSystem& fs, const std::string& path, BlockId block,
                                const transfer::DataChecksum& checksum, uint64_t length,
                                std::optional<uint32_t> tail_crc);

// The highest sequence in a tail file, 0 if there is none: the next record must not take its slot.
absl::StatusOr<uint64_t> LastTailSequence(FileSystem& fs, const std::string& path, BlockId block);

}  // namespace cairn::datanode
