#include "datanode/heartbeat/report_parts.h"

#include <algorithm>
#include <iterator>

namespace cairn::datanode {
namespace {

ReplicaState StateOf(internal::ReplicaState state) {
  switch (state) {
    case internal::FINALIZED:
      return ReplicaState::kFinalized;
    case internal::BEING_WRITTEN:
      return ReplicaState::kBeingWritten;
    case internal::WAITING_RECOVERY:
      return ReplicaState::kWaitingRecovery;
    default:
      return ReplicaState::kCorrupt;
  }
}

bool IsIn(BlockId block, std::span<const BlockRange> ranges) {
  return ranges.empty() || std::any_of(ranges.begin(), ranges.end(), [&](const BlockRange& range) {
           return range.first <= block && block <= range.last;
         });
}

bool IsBefore(const ReplicaInfo& a, const ReplicaInfo& b) { return a.block < b.block; }

}  // namespace

ToldReplicas LastTold(std::span<const ReplicaChange> changes, absl::string_view storage_uuid) {
  ToldReplicas told;
  for (const ReplicaChange& change : changes) {
    if (change.storage_uuid != storage_uuid) continue;
    const internal::BlockRef& block = change.report.block();
    std::optional<ReplicaInfo>& last = told[BlockId{block.block_id()}];
    last.reset();
    if (change.report.state() == internal::DELETED) continue;
    last = ReplicaInfo{.block = BlockId{block.block_id()},
                       .stamp = GenerationStamp{block.generation_stamp()},
                       .state = StateOf(change.report.state()),
                       .length = block.length()};
  }
  return told;
}

std::vector<ReplicaInfo> BringUpTo(const ToldReplicas& told, std::span<const BlockRange> ranges,
                                   std::vector<ReplicaInfo> replicas) {
  if (told.empty()) return replicas;
  std::erase_if(replicas, [&](const ReplicaInfo& replica) {
    const auto found = told.find(replica.block);
    if (found == told.end()) return false;
    const std::optional<ReplicaInfo>& last = found->second;
    return !last || last->stamp != replica.stamp || last->state != replica.state;
  });
  std::vector<ReplicaInfo> missing;
  for (const auto& [block, last] : told) {
    if (!last || !IsIn(block, ranges)) continue;
    if (!std::binary_search(replicas.begin(), replicas.end(), *last, IsBefore)) {
      missing.push_back(*last);
    }
  }
  std::sort(missing.begin(), missing.end(), IsBefore);
  std::vector<ReplicaInfo> all;
  all.reserve(replicas.size() + missing.size());
  std::merge(replicas.begin(), replicas.end(), missing.begin(), missing.end(),
             std::back_inserter(all), IsBefore);
  return all;
}

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
