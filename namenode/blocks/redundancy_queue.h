// namenode/blocks/redundancy_queue.h - blocks that need something, ordered by how urgent it is.
//
//   Put(block, need) --> [kHighest | kVeryLow | kLow | kBadlySpread | kMissing | kSurplus]
//                              within a need: by the time of the next try, then by arrival
//   Due(now) -----------> the most urgent ones whose time has come; they stay until Remove
//
// A block stays here from when its need is found until a report has settled it: so its age, what
// was tried and what is in the way are known all the time. Due again after Defer's time; Failed
// doubles the pause, from kFirstPause to kLongestPause.
//
// Bounded: `most` blocks to be worked on, and `most_missing` of those that nothing can be done
// about, some 150 bytes each. When it is full, a block takes the place of a less urgent one, or of
// an equally urgent one that has failed; Put says false when there is none. overflowed() tells that
// something was left out, until TakeOverflow, and a walk over all blocks then finds it again.
//
// Pure: knows no clock. Threads: guarded from outside.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "common/ids.h"
#include "namenode/blocks/block_health.h"
#include "namenode/blocks/group_tally.h"

namespace cairn::namenode {

class RedundancyQueue {
 public:
  static constexpr absl::Duration kFirstPause = absl::Seconds(5);
  static constexpr absl::Duration kLongestPause = absl::Minutes(5);

  struct Options {
    size_t most = 200'000;
    size_t most_missing = 100'000;
  };
  struct Entry {
    Need need = Need::kLow;
    uint32_t wanted = 0;
    absl::Duration since;     // when a need was found first
    absl::Duration next_try;  // when it is due
    uint32_t failures = 0;
    std::string blocked_by;
    uint64_t order = 0;
  };

  explicit RedundancyQueue(Options options) : options_(options) {}

  // Due at once if it is new or its need has changed; else it keeps its pause.
  // False: no room, it is not (or no more) remembered. Another block may be forgotten for it.
  bool Put(BlockId block, Need need, uint32_t wanted, absl::Duration now);
  void Remove(BlockId block);

  // At most `most` blocks, the most urgent first. kMissing and kSurplus come after the others. One
  // place of kNeeds or more is for each need, so that blocks that wait for a busy datanode hold
  // nobody else up.
  std::vector<BlockId> Due(absl::Duration now, size_t most) const;
  // No effect on these for a block that is not here. `why`: one sentence, or empty.
  void Defer(BlockId block, absl::Duration until, std::string why = "");
  void Failed(BlockId block, absl::Duration now, std::string why);
  void SetDue(BlockId block, absl::Duration now);

  // nullptr: not here. Valid until the next change.
  const Entry* Find(BlockId block) const;
  // Blocks with `need`, with ids above `after`, ascending; for lists.
  std::vector<BlockId> List(Need need, BlockId after, size_t most) const;

  size_t count(Need need) const { return by_need_[static_cast<size_t>(need)].size(); }
  size_t size() const { return entries_.size(); }
  // Of these, units of block groups, and how many groups that makes.
  const GroupTally& groups() const { return groups_; }
  // Of the missing ones, blocks that are meant to have one replica only; no units of groups.
  uint64_t missing_single() const { return missing_single_; }
  // Walks that would fill it pause. Blocks that have failed hold nobody up.
  bool IsFull() const { return working() - failed_ >= options_.most; }
  // A walk that makes due what has failed and waits, since there is a new datanode: the most urgent
  // need first, and of each those that would wait longest. One slice of it looks at `most` blocks,
  // whether they have failed or not; *walk moves on. Returns at how many; less than `most`: that
  // was the end.
  struct HurryWalk;
  size_t HurryUp(absl::Duration now, size_t most, HurryWalk* walk);
  bool overflowed() const { return overflowed_ || missing_overflowed_; }
  // True once after an overflow, when half of the room is free again.
  bool TakeOverflow();

 private:
  using Place = std::tuple<absl::Duration, uint64_t, BlockId>;  // next try, arrival

  size_t working() const { return entries_.size() - count(Need::kMissing); }
  bool MakeRoom(Need need);
  void Unplace(BlockId block, const Entry& entry);
  void Insert(BlockId block, const Entry& entry);

  const Options options_;
  absl::flat_hash_map<BlockId, Entry> entries_;
  absl::btree_set<Place> by_need_[kNeeds];
  absl::btree_set<BlockId> ids_[kNeeds];  // the same, for lists
  uint64_t arrivals_ = 0;
  uint64_t missing_single_ = 0;
  GroupTally groups_;
  size_t failed_ = 0;  // of those to be worked on
  bool overflowed_ = false, missing_overflowed_ = false;
};

struct RedundancyQueue::HurryWalk {
  size_t need = 0;
  std::optional<Place> before = {};  // of that need; nullopt: its end
};

}  // namespace cairn::namenode
