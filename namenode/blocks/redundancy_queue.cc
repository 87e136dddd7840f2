#include "namenode/blocks/redundancy_queue.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace cairn::namenode {
namespace {

bool IsStuck(const RedundancyQueue::Entry& entry) {
  return entry.need != Need::kMissing && entry.failures > 0;
}

// Of each unit of a group one replica is wanted, and others than it give its bytes.
bool IsMissingSingle(BlockId block, const RedundancyQueue::Entry& entry) {
  return entry.need == Need::kMissing && entry.wanted == 1 && !IsGrouped(block);
}

}  // namespace

void RedundancyQueue::Unplace(BlockId block, const Entry& entry) {
  by_need_[static_cast<size_t>(entry.need)].erase({entry.next_try, entry.order, block});
  ids_[static_cast<size_t>(entry.need)].erase(block);
  missing_single_ -= IsMissingSingle(block, entry);
  groups_.Remove(block, entry.need);
  failed_ -= IsStuck(entry);
}

void RedundancyQueue::Insert(BlockId block, const Entry& entry) {
  by_need_[static_cast<size_t>(entry.need)].insert({entry.next_try, entry.order, block});
  ids_[static_cast<size_t>(entry.need)].insert(block);
  missing_single_ += IsMissingSingle(block, entry);
  groups_.Add(block, entry.need);
  failed_ += IsStuck(entry);
}

bool RedundancyQueue::Put(BlockId block, Need need, uint32_t wanted, absl::Duration now) {
  const auto found = entries_.find(block);
  const bool known = found != entries_.end();
  if (known && found->second.need == need && found->second.wanted == wanted) return true;
  Entry entry{.need = need,
              .wanted = wanted,
              .since = now,
              .next_try = now,
              .failures = 0,
              .blocked_by = "",
              .order = ++arrivals_};
  if (known) {
    // What is too many has not been at risk: the age of the one is not that of the other.
    if ((found->second.need == Need::kSurplus) == (need == Need::kSurplus)) {
      entry.since = found->second.since;
    }
    Unplace(block, found->second);
    entries_.erase(found);
  }
  const bool room =
      need == Need::kMissing ? count(need) < options_.most_missing : working() < options_.most;
  if (!room) {
    (need == Need::kMissing ? missing_overflowed_ : overflowed_) = true;
    if (need == Need::kMissing || !MakeRoom(need)) return false;
  }
  Insert(block, entry);
  entries_.emplace(block, std::move(entry));
  return true;
}

// The least urgent block that waits longest goes.
bool RedundancyQueue::MakeRoom(Need need) {
  for (size_t other = kNeeds; other-- > static_cast<size_t>(need);) {
    if (static_cast<Need>(other) == Need::kMissing || by_need_[other].empty()) continue;
    const BlockId last = std::get<BlockId>(*by_need_[other].rbegin());
    if (static_cast<Need>(other) == need && entries_.at(last).failures == 0) return false;
    Remove(last);
    return true;
  }
  return false;
}

size_t RedundancyQueue::HurryUp(absl::Duration now, size_t most, HurryWalk* walk) {
  size_t looked = 0;
  std::vector<BlockId> waiting;
  for (; walk->need < kNeeds; ++walk->need, walk->before.reset()) {
    const absl::btree_set<Place>& places = by_need_[walk->need];
    auto at = walk->before ? places.lower_bound(*walk->before) : places.end();
    for (; at != places.begin() && std::get<absl::Duration>(*std::prev(at)) > now; ++looked) {
      if (looked == most) break;
      walk->before = *--at;
      const BlockId block = std::get<BlockId>(*at);
      if (entries_.at(block).failures > 0) waiting.push_back(block);
    }
    if (looked == most) break;
  }
  for (const BlockId block : waiting) SetDue(block, now);
  return looked;
}

void RedundancyQueue::Remove(BlockId block) {
  const auto found = entries_.find(block);
  if (found == entries_.end()) return;
  Unplace(block, found->second);
  entries_.erase(found);
}

std::vector<BlockId> RedundancyQueue::Due(absl::Duration now, size_t most) const {
  const auto is_due = [&](const auto& places) {
    return !places.empty() && std::get<absl::Duration>(*places.begin()) <= now;
  };
  size_t reserved = 0;  // one for each need that is still to come, if there are as many
  if (most >= kNeeds) reserved = std::count_if(std::begin(by_need_), std::end(by_need_), is_due);
  std::vector<BlockId> due;
  for (const auto& places : by_need_) {
    if (!is_due(places)) continue;
    if (reserved > 0) --reserved;
    const size_t end = most - reserved;
    for (const auto& [next_try, order, block] : places) {
      if (due.size() >= end || next_try > now) break;
      due.push_back(block);
    }
  }
  return due;
}

void RedundancyQueue::Defer(BlockId block, absl::Duration until, std::string why) {
  const auto found = entries_.find(block);
  if (found == entries_.end()) return;
  Entry& entry = found->second;
  Unplace(block, entry);
  entry.next_try = until;
  entry.blocked_by = std::move(why);
  Insert(block, entry);
}

void RedundancyQueue::Failed(BlockId block, absl::Duration now, std::string why) {
  const auto found = entries_.find(block);
  if (found == entries_.end()) return;
  Entry& entry = found->second;
  const uint32_t doublings = std::min<uint32_t>(entry.failures, 16);
  Unplace(block, entry);
  ++entry.failures;
  Insert(block, entry);
  const absl::Duration pause = std::min(kFirstPause * (uint64_t{1} << doublings), kLongestPause);
  Defer(block, now + pause, std::move(why));
}

void RedundancyQueue::SetDue(BlockId block, absl::Duration now) {
  const auto found = entries_.find(block);
  if (found != entries_.end()) Defer(block, now, std::move(found->second.blocked_by));
}

const RedundancyQueue::Entry* RedundancyQueue::Find(BlockId block) const {
  const auto found = entries_.find(block);
  return found == entries_.end() ? nullptr : &found->second;
}

std::vector<BlockId> RedundancyQueue::List(Need need, BlockId after, size_t most) const {
  const absl::btree_set<BlockId>& ids = ids_[static_cast<size_t>(need)];
  std::vector<BlockId> blocks;
  for (auto at = ids.upper_bound(after); at != ids.end() && blocks.size() < most; ++at) {
    blocks.push_back(*at);
  }
  return blocks;
}

bool RedundancyQueue::TakeOverflow() {
  const bool working = overflowed_ && this->working() * 2 <= options_.most;
  const bool missing = missing_overflowed_ && count(Need::kMissing) * 2 <= options_.most_missing;
  if (working) overflowed_ = false;
  if (missing) missing_overflowed_ = false;
  return working || missing;
}

}  // namespace cairn::namenode
