#include "namenode/service/rpc/lost_blocks.h"

#include <algorithm>

#include "erasure/policy.h"
#include "namenode/blocks/block_health.h"
#include "namenode/service/rpc/below.h"

namespace cairn::namenode {
namespace {

// It may have healed since it was queued.
bool IsLost(const BlockHealth& health) {
  // A unit alone is computed from the others: what it needs tells whether there are enough.
  if (IsGrouped(health.block.id)) return health.need == Need::kMissing;
  return health.counts.readable == 0;
}

// What users know it by.
BlockId ToldAs(BlockId id) { return IsGrouped(id) ? GroupOf(id) : id; }

// The last of the ids that are told as the same block.
BlockId LastToldAs(BlockId id) {
  return IsGrouped(id) ? UnitOf(GroupOf(id), erasure::kMaxUnits - 1) : id;
}

}  // namespace

LostBlocks ListLost(Namenode& namenode, const Caller& caller, absl::string_view path, BlockId after,
                    size_t most) {
  const std::vector<BlockId> ids = namenode.BlocksInNeed(Need::kMissing, after, most);
  LostBlocks page{.next_after = ids.empty() ? after : LastToldAs(ids.back()),
                  .more = ids.size() == most};
  for (const BlockId id : ids) {
    if (!page.blocks.empty() && page.blocks.back().id == ToldAs(id)) continue;
    const Outcome<BlockHealth> health = namenode.DescribeBlock(caller, id);
    page.ticket = std::max(page.ticket, health.ticket);
    if (!health.value.ok() || !IsLost(*health.value)) continue;
    if (IsBelow(health.value->path, path)) page.blocks.push_back({ToldAs(id), health.value->path});
  }
  return page;
}

}  // namespace cairn::namenode
