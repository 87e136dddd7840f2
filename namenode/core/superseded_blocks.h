// namenode/core/superseded_blocks.h - blocks of converted files, which no file has any more but
// those who read them still use for a while.
//
// Bounded; 55 to 90 bytes for each block, or unit of a group. Of one thread at a time.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "namenode/namespace/types.h"

namespace cairn::namenode {

class SupersededBlocks {
 public:
  explicit SupersededBlocks(size_t most) : most_(most) {}

  // False: there are too many already. `until` is never before that of the last call.
  bool Add(absl::Duration until, const BlockVersion& block) {
    if (waiting_.size() >= most_) return false;
    if (waiting_.insert_or_assign(block.id, block).second) due_.emplace_back(until, block.id);
    return true;
  }
  // nullptr: it does not wait (any more). Valid until another one is added or taken.
  const BlockVersion* Find(BlockId block) const {
    const auto found = waiting_.find(block);
    return found == waiting_.end() ? nullptr : &found->second;
  }
  bool HasDue(absl::Duration now) const { return !due_.empty() && due_.front().first <= now; }
  // The one that has waited longest, if its time is over.
  std::optional<BlockVersion> TakeDue(absl::Duration now) {
    if (!HasDue(now)) return std::nullopt;
    const auto found = waiting_.find(due_.front().second);
    const BlockVersion block = found->second;
    due_.pop_front();
    waiting_.erase(found);
    if (waiting_.empty()) waiting_ = {};  // gives its memory back
    return block;
  }

 private:
  const size_t most_;
  absl::flat_hash_map<BlockId, BlockVersion> waiting_;
  std::deque<std::pair<absl::Duration, BlockId>> due_;  // the same, in their order
};

}  // namespace cairn::namenode
