// erasure/group_cut.h - what is kept of a group whose writer is gone, by the lengths of its units.
//
// Each unit ends where its stream happened to be. Of a stripe that is whole in k units every byte
// can be had, from whichever k they are: parity of a whole stripe is what it is. Parity of a stripe
// that is not whole is of some bytes, and its length does not say of which: it may have been
// written when the stripe was longer than it is now. So a cut inside a stripe keeps parity only
// where it was told, by an acknowledged flush, that the group ended just there. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "erasure/layout.h"

namespace cairn::erasure {

inline constexpr uint64_t kMissingUnit = UINT64_MAX;

struct GroupCut {
  uint64_t bytes = 0;      // of the group
  std::vector<bool> keep;  // by unit: it has its part of them, and is right; the others are lost
};

// `unit_bytes`: by number, kMissingUnit for those that nobody has. `acknowledged`: so many bytes
// were flushed, with all their parity, when the group ended there; 0: none. What is kept gives back
// all bytes of the group, and they are not fewer than acknowledged: beyond that whole stripes, or
// of a group that has not one, what the data units have without a gap. HDFS gives that up as well
// (StripedBlockUtil.getSafeLength). kDataLoss: too few units have told, or what was acknowledged is
// not in them.
absl::StatusOr<GroupCut> PlanGroupCut(const Layout& layout, const std::vector<uint64_t>& unit_bytes,
                                      uint64_t acknowledged);

}  // namespace cairn::erasure
