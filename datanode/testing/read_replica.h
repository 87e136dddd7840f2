// datanode/testing/read_replica.h - a replica as its readers get it.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "common/status_macros.h"
#include "datanode/volume/replica_files.h"
#include "datanode/volume/replica_store.h"

namespace cairn::datanode::testing {

// All bytes of the block's replica that a reader sees, every chunk verified. kDataLoss: a chunk
// does not match; else the errors of OpenForRead.
inline absl::StatusOr<std::string> ReadVerified(ReplicaStore& store, BlockId block) {
  ASSIGN_OR_RETURN(const ReplicaReader reader, store.OpenForRead(block, GenerationStamp{0}));
  std::string out(reader.visible(), '\0');
  ASSIGN_OR_RETURN(const size_t count,
                   reader.data->ReadAt(0, std::as_writable_bytes(std::span(out))));
  if (count != out.size()) return absl::DataLossError("short");
  ASSIGN_OR_RETURN(const auto crcs, ReadChecksums(*reader.meta, reader.checksum, 0, out.size()));
  if (reader.checksum.FindMismatch(std::as_bytes(std::span(out)), crcs)) {
    return absl::DataLossError("mismatch");
  }
  return out;
}

}  // namespace cairn::datanode::testing
