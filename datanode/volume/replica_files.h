// datanode/volume/replica_files.h - what is inside a replica's data, meta and tail files.
//
// Blocking; for disk threads. The callers hold the replica (OpenReplica's writer), or are alone, as
// at start. Formats: docs/formats/replica.md.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/ids.h"
#include "common/io/file_system.h"
#include "wire/transfer/checksum.h"

namespace cairn::datanode {

struct ReplicaPaths {
  std::string data;
  std::string meta;
  std::string tail;
};

ReplicaPaths PathsIn(const std::string& directory, BlockId block, GenerationStamp stamp);

// kDataLoss: too short, or not a header that a writer makes.
absl::StatusOr<transfer::DataChecksum> ReadMetaHeader(File& meta);

// The stored CRCs of the chunks that [from, to) touches; `from` is a chunk boundary. kDataLoss: the
// meta file is too short.
absl::StatusOr<std::vector<std::byte>> ReadChecksums(File& meta,
                                                     const transfer::DataChecksum& checksum,
                                                     uint64_t from, uint64_t to);

// CRC of [from, to) of the data. kDataLoss: the file is shorter.
absl::StatusOr<uint32_t> CrcOfRange(File& data, const transfer::DataChecksum& checksum,
                                    uint64_t from, uint64_t to);

// Makes data and meta those of the first `length` bytes: cut, and the CRC of a partial last chunk
// computed anew. Nothing is synced. kDataLoss: fewer bytes are there.
absl::Status CutFiles(File& data, File& meta, const transfer::DataChecksum& checksum,
                      uint64_t length);

// Appends the record of a partial last chunk, synced; nothing for a full one. `sequence` is that of
// the last record and is raised.
absl::Status WriteTailRecord(FileSystem& fs, const std::string& path, BlockId block,
                             const transfer::DataChecksum& checksum, uint64_t length,
                             uint32_t chunk_crc, uint64_t* sequence);

// The highest sequence in a tail file, 0 if there is none: the next record must not take its slot.
uint64_t LastTailSequence(FileSystem& fs, const std::string& path, BlockId block);

// What an interrupted writer left: finds the longest prefix whose checksums match, with the help of
// the tail file, and cuts both files to it. Returns its length. Everything that was acknowledged
// before the process died, and everything that was synced before the power went, is within it: the
// data are written before their CRCs, so the CRC of a partial chunk may be of fewer bytes than are
// there, and every shorter end of that chunk is tried.
// kDataLoss: the meta file has no valid header.
absl::StatusOr<uint64_t> RecoverPrefix(FileSystem& fs, const ReplicaPaths& paths, BlockId block);

}  // namespace cairn::datanode
