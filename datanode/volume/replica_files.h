// datanode/volume/replica_files.h - what is inside a replica's data and meta files.
//
// Blocking; for disk threads. The callers hold the replica (OpenReplica's writer), or are alone, as
// at start. Formats: docs/formats/replica.md.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
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

// The partial chunk that a replica of `keep` bytes ends with, of which the files hold `have` bytes
// in all (keep <= have): compares the whole old chunk with its stored CRC, and only then computes
// the CRC of what is kept of it. Nothing for a `keep` at a chunk boundary, and without checksums.
// With `interrupted`, a writer may have failed in the middle of this chunk: the stored CRC may be
// of any end from `keep` up to the file's. kDataLoss: the bytes do not match, or cannot be read;
// nothing was changed.
absl::StatusOr<std::optional<uint32_t>> VerifiedTailCrc(File& data, File& meta,
                                                        const transfer::DataChecksum& checksum,
                                                        uint64_t keep, uint64_t have,
                                                        bool interrupted);

// Compares the chunks of [0, end) with their CRCs; `end` is a chunk boundary. kDataLoss: offset and
// what is wrong there.
absl::Status VerifyChunks(File& data, File& meta, const transfer::DataChecksum& checksum,
                          uint64_t end);

// Compares a finalized replica's files whole: every chunk, and that the meta file has neither too
// few nor too many checksums. kDataLoss: they do not belong together.
absl::Status VerifyWhole(File& data, File& meta);

// Makes data and meta those of the first `length` bytes, the partial last chunk of which has the
// CRC `tail_crc`. The CRC goes first: a killed process leaves what RecoverPrefix can cut. Nothing
// is synced. kDataLoss: fewer bytes are there.
absl::Status CutFiles(File& data, File& meta, const transfer::DataChecksum& checksum,
                      uint64_t length, std::optional<uint32_t> tail_crc);

// Writes the first `length` bytes, and their CRCs, again with the values they have, after comparing
// all full chunks: what a failed sync may have dropped becomes dirty, and the next sync counts.
// kDataLoss: something does not match, or is missing.
absl::Status RewriteFiles(File& data, File& meta, const transfer::DataChecksum& checksum,
                          uint64_t length);

// What an interrupted writer left: finds the longest prefix whose checksums match, with the help of
// the tail file, and cuts both files to it. Everything that was acknowledged before the process
// died, and everything that was synced before the power went, is within it: the data are written
// before their CRCs, so the CRC of a partial chunk may be of fewer bytes than are there, and every
// shorter end of that chunk is tried. Where bytes of which a tail record tells do not match, or the
// meta file has no valid header though there is a record, no interrupted writer is to blame: the
// replica is damaged, and nothing is cut. Where the power went before anything was synced, the
// header may be lost: then no byte is left, and the files begin anew.
// kDataLoss, kUnimplemented: the meta file has no valid header, nor zeros in its place. Any other
// error: the files cannot be read, or not be cut.
struct RecoveredPrefix {
  uint64_t length = 0;  // of the data file
  bool damaged = false;
};
absl::StatusOr<RecoveredPrefix> RecoverPrefix(FileSystem& fs, const ReplicaPaths& paths,
                                              BlockId block);

}  // namespace cairn::datanode
