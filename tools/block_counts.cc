#include "tools/block_counts.h"

#include "absl/strings/str_cat.h"

namespace cairn::tools {

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
