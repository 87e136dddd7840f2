#include "tools/block_counts.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace cairn::tools {

namespace {

bool CanBeAsked(const client::BlockReport& block) {
  using client::Standing;
  return std::any_of(
      block.replicas.begin(), block.replicas.end(), [](const client::ReplicaReport& replica) {
        return replica.standing != Standing::kDead && replica.standing != Standing::kCorrupt &&
               replica.standing != Standing::kAwaited;
      });
}

}  // namespace

bool IsOpenAndUnreadable(const client::BlockReport& block) {
  if (!block.under_construction) return false;
  // Nobody has told of it, and no byte of it is known to be acknowledged: it was never begun, or
  // the namenode has just started.
  const auto untold = [](const client::BlockReport& b) { return b.replicas.empty(); };
  if (!block.is_group()) return untold(block) ? block.length > 0 : !CanBeAsked(block);
  if (std::all_of(block.units.begin(), block.units.end(), untold)) return block.length > 0;
  const auto there = std::count_if(block.units.begin(), block.units.end(), CanBeAsked);
  return there < std::max<int64_t>(block.units_needed, 1);
}

std::string WhyMoreMayBeWrong(const client::ClusterFacts& cluster) {
  // It does not see then what goes, whether or not it had looked before.
  if (cluster.safe_mode) {
    return absl::StrCat("in safe mode the namenode looks for none: ", cluster.safe_mode_reason);
  }
  if (cluster.looking) return "the namenode is still looking through the blocks";
  if (cluster.overflowed) return "there are more than the namenode remembers at a time";
  return "";
}

}  // namespace cairn::tools
