// datanode/scanner/replica_scan.h - looks at all of one replica: its files, their lengths, and
// every byte against its checksum.
//
// Data are read by O_DIRECT: what counts is what is on the medium, and the page cache keeps what
// readers want. What can be seen: a file that is missing, cut, grown, zeroed, rotten, or another
// block's beside a meta file that is not. What cannot: data and meta file both exchanged for those
// of another block of the same length, for nothing in them names their block.
#pragma once

#include <cstdint>
#include <functional>

#include "common/buffer_pool.h"
#include "common/ids.h"
#include "datanode/volume/replica_store.h"

namespace cairn::datanode {

enum class ScanVerdict {
  kGood,
  kBad,      // it was marked, and is reported
  kSkipped,  // gone, being written, or corrupt already; or `pace` ended the scan
};

struct ScanResult {
  ScanVerdict verdict = ScanVerdict::kSkipped;
  uint64_t bytes = 0;  // of data read
};

// Blocks. `buffer` is kScanBufferBytes long. `pace` is called after each piece with its size, may
// wait, and returns false to end the scan. No lock is held. A finding is looked at once more before
// the replica is condemned.
inline constexpr size_t kScanBufferBytes = size_t{1} << 20;
ScanResult ScanReplica(ReplicaStore& store, BlockId block, BufferPool::Buffer& buffer,
                       const std::function<bool(uint64_t bytes)>& pace);

}  // namespace cairn::datanode
