// datanode/heartbeat/report_parts.h - a list of replicas brought up to what has been told, and cut
// into messages. Pure.
//
//   buckets that differ --RangesOfBuckets--> ranges of block ids --SplitReport--> parts
//   changes told while a list was made --LastTold, BringUpTo--> the list
//
// Each part of a list of ranges is complete in itself: its replicas are all that the volume has in
// its ranges. So a range that holds more than a part may carry is cut between two replicas.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "datanode/heartbeat/change_report.h"
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

// The last that was told of each block on one storage; nullopt: that it has none. Volumes' indexes
// are left out.
using ToldReplicas = absl::flat_hash_map<BlockId, std::optional<ReplicaInfo>>;

// Of changes in the order in which they were told.
ToldReplicas LastTold(std::span<const ReplicaChange> changes, absl::string_view storage_uuid);

// `replicas` as they are after what was told: of a block that something was told of, just that.
// Both lists ascending; `ranges` empty: everything, else what is outside is not added. How long a
// replica being written is the list may know better.
std::vector<ReplicaInfo> BringUpTo(const ToldReplicas& told, std::span<const BlockRange> ranges,
                                   std::vector<ReplicaInfo> replicas);

// Of ascending buckets, each `1 << shift` ids wide; neighbours become one range. Id 0 is none.
std::vector<BlockRange> RangesOfBuckets(const std::vector<uint64_t>& buckets, uint32_t shift);

}  // namespace cairn::datanode
