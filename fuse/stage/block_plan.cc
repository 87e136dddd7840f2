#include "fuse/stage/block_plan.h"

#include <algorithm>

#include "absl/status/status.h"

namespace cairn::fuse {
namespace {

void AddWritten(std::vector<PlannedPart>& plan, uint64_t begin, uint64_t end) {
  if (begin >= end) return;
  if (!plan.empty() && !plan.back().kept.has_value()) {
    plan.back().range.end = end;
  } else {
    plan.push_back({.range = {begin, end}});
  }
}

}  // namespace

std::vector<PlannedPart> PlanBlocks(absl::Span<const client::BlockVersion> blocks,
                                    uint64_t full_block_bytes, const ChangedBytes& changed) {
  std::vector<PlannedPart> plan;
  auto next = changed.ranges.begin();
  uint64_t begin = 0;
  for (size_t i = 0; i < blocks.size() && begin < changed.length; ++i) {
    const client::BlockVersion& block = blocks[i];
    const uint64_t end = begin + block.length;
    while (next != changed.ranges.end() && next->end <= begin) ++next;
    const bool touched = next != changed.ranges.end() && next->begin < end;
    const bool outgrown =
        i + 1 == blocks.size() && end < changed.length && block.length < full_block_bytes;
    if (!touched && !outgrown && end <= std::min(changed.intact, changed.length)) {
      plan.push_back({.range = {begin, end}, .kept = block.id});
    } else {
      AddWritten(plan, begin, std::min(end, changed.length));
    }
    begin = end;
  }
  AddWritten(plan, begin, changed.length);
  return plan;
}

absl::StatusOr<std::vector<uint64_t>> BlocksOfPlan(absl::Span<const PlannedPart> plan,
                                                   absl::Span<const client::BlockVersion> written) {
  std::vector<uint64_t> ids;
  size_t next = 0;
  for (const PlannedPart& part : plan) {
    if (part.kept.has_value()) {
      ids.push_back(*part.kept);
      continue;
    }
    uint64_t left = part.range.end - part.range.begin;
    while (left > 0 && next < written.size() && written[next].length <= left) {
      left -= written[next].length;
      ids.push_back(written[next++].id);
    }
    if (left > 0) return absl::InternalError("what was written has other blocks than planned");
  }
  if (next != written.size()) return absl::InternalError("more was written than planned");
  return ids;
}

}  // namespace cairn::fuse
