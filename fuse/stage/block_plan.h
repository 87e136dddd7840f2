// fuse/stage/block_plan.h - which blocks of a file stay when some of its bytes have changed.
//
//   blocks    [      1      ][      2      ][      3      ][ 4 ]
//   changed          ##
//   length    --------------------------------------------------->
//   plan      [ written anew ][   2 stays   ][   3 stays   ][ written anew ]
//
// A block stays if no byte in it is of a changed range and it lies wholly within the new length. A
// last block that is not full does not stay if the file has grown: short blocks behind one another
// would pile up. What is not kept and lies side by side is one range, cut into full blocks from its
// beginning. A block of an erasure-coded file is a block group. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "client/types.h"

namespace cairn::fuse {

struct ByteRange {
  uint64_t begin = 0;
  uint64_t end = 0;  // behind the last byte
  bool operator==(const ByteRange&) const = default;
};

// A stretch of the new file: bytes to be written, or a block of the old one.
struct PlannedPart {
  ByteRange range;
  std::optional<uint64_t> kept;  // the block's id
};

struct ChangedBytes {
  std::vector<ByteRange> ranges;  // ascending, apart from one another, not beyond `length`
  uint64_t intact = 0;            // from here on the old bytes are gone, whatever `ranges` say
  uint64_t length = 0;            // of the new file
};

// In the order of the new file, without a gap. `full_block_bytes`: of the file, in a full block.
std::vector<PlannedPart> PlanBlocks(absl::Span<const client::BlockVersion> blocks,
                                    uint64_t full_block_bytes, const ChangedBytes& changed);

// The ids of the new file's blocks, once `written` holds the ranges one behind the other.
// kInternal: its blocks do not end where the ranges do.
absl::StatusOr<std::vector<uint64_t>> BlocksOfPlan(absl::Span<const PlannedPart> plan,
                                                   absl::Span<const client::BlockVersion> written);

}  // namespace cairn::fuse
