// datanode/heartbeat/report_parts.h - a list of replicas cut into messages. Pure.
//
//   buckets that differ --RangesOfBuckets--> ranges of block ids --SplitReport--> parts
//
// Each part of a list of ranges is complete in itself: its replicas are all that the volume has in
// its ranges. So a range that holds more than a part may carry is cut between two replicas.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "datanode/volume/replica.h"

namespace cairn::datanode {

struct ReportPart {
  std::span<const ReplicaInfo> replicas;
  std::vector<BlockRange> ranges;  // empty: up to its last replica; the last part: all the rest
};

// `replicas` are ascending and, if there are ranges, lie in them; both outlive the result. At least
// one part, perhaps without replicas, and at most `most` replicas (> 0) in each.
std::vector<ReportPart> SplitReport(std::span<const ReplicaInfo> replicas,
                                    std::span<const BlockRange> ranges, size_t most);

// Of ascending buckets, each `1 << shift` ids wide; neighbours become one range. Id 0 is none.
std::vector<BlockRange> RangesOfBuckets(const std::vector<uint64_t>& buckets, uint32_t shift);

}  // namespace cairn::datanode
