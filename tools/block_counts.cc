#include "tools/block_counts.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace cairn::tools {

bool IsOpenAndUnreadable(const client::BlockReport& block) {
  using client::Standing;
  if (!block.under_construction) return false;
  // Nobody has told of it, and no byte of it is known to be acknowledged: it was never begun, or
  // the namenode has just started.
  if (block.replicas.empty()) return block.length > 0;
  return std::all_of(
      block.replicas.begin(), block.replicas.end(), [](const client::ReplicaReport& replica) {
        return replica.standing == Standing::kDead || replica.standing == Standing::kCorrupt ||
               replica.standing == Standing::kAwaited;
      });
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
