#include "datanode/heartbeat/report_parts.h"

#include <algorithm>

namespace cairn::datanode {

std::vector<ReportPart> SplitReport(std::span<const ReplicaInfo> replicas,
                                    std::span<const BlockRange> ranges, size_t most) {
  std::vector<ReportPart> parts;
  if (ranges.empty()) {
    do {
      const size_t count = std::min(most, replicas.size());
      parts.push_back({replicas.first(count), {}});
      replicas = replicas.subspan(count);
    } while (!replicas.empty());
    return parts;
  }
  const auto begin_part = [&] { parts.push_back({replicas.first(0), {}}); };
  // Takes the next `count` replicas into the last part, which then covers `range` as well.
  const auto take = [&](size_t count, const BlockRange& range) {
    ReportPart& part = parts.back();
    part.replicas = {part.replicas.data(), part.replicas.size() + count};
    part.ranges.push_back(range);
    replicas = replicas.subspan(count);
  };
  begin_part();
  for (BlockRange range : ranges) {
    while (true) {
      const auto end = std::find_if(replicas.begin(), replicas.end(),
                                    [&](const ReplicaInfo& r) { return r.block > range.last; });
      const auto inside = static_cast<size_t>(end - replicas.begin());
      const size_t room = most - parts.back().replicas.size();
      if (inside <= room) {
        take(inside, range);
        break;
      }
      if (room > 0) {
        const BlockId last = replicas[room - 1].block;
        take(room, {range.first, last});
        range.first = BlockId{ToInt(last) + 1};
      }
      begin_part();
    }
  }
  return parts;
}

std::vector<BlockRange> RangesOfBuckets(const std::vector<uint64_t>& buckets, uint32_t shift) {
  std::vector<BlockRange> ranges;
  for (const uint64_t bucket : buckets) {
    const uint64_t first = std::max<uint64_t>(bucket << shift, 1);
    const uint64_t last = (bucket << shift) | ((uint64_t{1} << shift) - 1);
    if (!ranges.empty() && ToInt(ranges.back().last) + 1 == first) {
      ranges.back().last = BlockId{last};
    } else {
      ranges.push_back({BlockId{first}, BlockId{last}});
    }
  }
  return ranges;
}

}  // namespace cairn::datanode
