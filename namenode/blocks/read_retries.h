// namenode/blocks/read_retries.h - what could not be read, and when it is tried again.
//
//   Failed --pause--> TakeDue --> Failed: the pause doubles, from kFirstPause to kLongestPause
//                             '-> Forget: it could be read, or is no more
//
// So what fails for a while is tried after as long again at the most, and what is damaged for good
// costs a try an hour.
//
// Bounded: `most` ids, some 60 bytes each. What finds no room is not remembered: a walk has to find
// it, once there is room again (TakeOverflow). Pure: knows no clock. Threads: guarded from
// outside.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"

namespace cairn::namenode {

template <typename Id>
class ReadRetries {
 public:
  static constexpr absl::Duration kFirstPause = absl::Minutes(1);
  static constexpr absl::Duration kLongestPause = absl::Hours(1);

  explicit ReadRetries(size_t most) : most_(most) {}

  // Returns when to try it again. One that was tried before its time, for another reason, keeps it.
  absl::Duration Failed(Id id, absl::Duration now) {
    const auto found = entries_.find(id);
    if (found == entries_.end()) return Add(id, now);
    Entry& entry = found->second;
    if (!entry.is_tried && now < entry.next) return entry.next;
    Postpone(id, std::min(2 * entry.pause, kLongestPause), now, &entry);
    entry.is_tried = false;
    return entry.next;
  }
  // No effect on one that is not here.
  void Forget(Id id) {
    const auto found = entries_.find(id);
    if (found == entries_.end()) return;
    places_.erase({found->second.next, id});
    entries_.erase(found);
  }
  // At most `most` of those whose time has come. If nothing is heard of one, it is due once more
  // after the same pause.
  std::vector<Id> TakeDue(absl::Duration now, size_t most) {
    std::vector<Id> due;
    while (due.size() < most && !places_.empty() && places_.begin()->first <= now) {
      due.push_back(places_.begin()->second);
      Entry& entry = entries_.at(due.back());
      Postpone(due.back(), entry.pause, now, &entry);
      entry.is_tried = true;
    }
    return due;
  }
  // True once after there was no room, when half of it is free again.
  bool TakeOverflow() { return size() * 2 <= most_ && std::exchange(overflowed_, false); }

  bool empty() const { return entries_.empty(); }
  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    absl::Duration pause, next;
    bool is_tried = false;  // it was due, and nothing has been heard since
  };

  absl::Duration Add(Id id, absl::Duration now) {
    const absl::Duration next = now + kFirstPause;
    if (size() >= most_) {
      overflowed_ = true;
      return next;
    }
    entries_[id] = {kFirstPause, next};
    places_.insert({next, id});
    return next;
  }
  void Postpone(Id id, absl::Duration pause, absl::Duration now, Entry* entry) {
    places_.erase({entry->next, id});
    entry->pause = pause;
    entry->next = now + pause;
    places_.insert({entry->next, id});
  }

  const size_t most_;
  absl::flat_hash_map<Id, Entry> entries_;
  absl::btree_set<std::pair<absl::Duration, Id>> places_;  // the same, by `next`
  bool overflowed_ = false;
};

}  // namespace cairn::namenode
