// tools/policy/retry_later.h - files that could not be converted, and are left for a while, each
// time for longer: what fails every time must not cost a copy in every round, nor keep the others
// behind it from their turn.
//
// Not thread-safe. Bounded: of more than that the oldest are forgotten, and tried again.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"

namespace cairn::tools {

class RetryLater {
 public:
  static constexpr absl::Duration kFirst = absl::Hours(1);
  static constexpr absl::Duration kLongest = absl::Hours(24 * 7);

  explicit RetryLater(size_t most) : most_(most) {}

  void NoteFailure(const std::string& path, absl::Time now) {
    const auto [at, is_new] = failures_.try_emplace(path);
    Failure& failure = at->second;
    failure.pause = is_new ? kFirst : std::min(failure.pause * 2, kLongest);
    failure.next = now + failure.pause;
    if (!is_new) return;
    order_.push_back(path);
    if (order_.size() <= most_) return;
    failures_.erase(order_.front());
    order_.pop_front();
  }
  bool IsWaiting(const std::string& path, absl::Time now) const {
    const auto found = failures_.find(path);
    return found != failures_.end() && now < found->second.next;
  }
  size_t size() const { return failures_.size(); }

 private:
  struct Failure {
    absl::Duration pause;
    absl::Time next;
  };
  const size_t most_;
  absl::flat_hash_map<std::string, Failure> failures_;
  std::deque<std::string> order_;  // as they came
};

}  // namespace cairn::tools
