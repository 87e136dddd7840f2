// namenode/service/rpc/operation_counters.h - how many calls of each method there were, and by
// whom: what `cairn top` shows.
//
// Counted on the way of every call, so it is cheap: each thread has a shard of its own, whose lock
// nobody else asks for but a reader now and then.
//
// Methods are exact. Users are whoever clients say they are, so a shard has room for so many and
// forgets those that have called least lately, as in Anderson et al., "A High-Performance Algorithm
// for Identifying Frequent Items in Data Streams", 2017: when it is full, the median of what its
// users have called lately is taken from all of them, and who has nothing left is forgotten. Lately
// is the last 100,000 calls or so: counts are halved every kHalveAfter. So whoever makes more than
// one in kMostUsers of a thread's calls is never forgotten, whatever names others invent. A user
// who was forgotten and comes again begins at 0: no count is too high.
// Thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "common/mutex.h"

namespace cairn::namenode {

class OperationCounters {
 public:
  static constexpr size_t kMostUsers = 1000;        // of a shard that stay when it is full
  static constexpr size_t kMaxNameBytes = 256;      // longer ones are not told apart
  static constexpr uint32_t kHalveAfter = 1 << 16;  // calls of a shard
  static constexpr char kOthers[] = "(others)";

  // `method` lives for ever (it is a row's name).
  void Count(absl::string_view method, absl::string_view user);

  struct Totals {
    std::vector<std::pair<std::string, uint64_t>> methods;  // most calls first
    // Who called most lately first. The last one is kOthers, with all other calls, if there are
    // any; from one Sum to the next users come and go in it.
    std::vector<std::pair<std::string, uint64_t>> users;
  };
  // With at most so many users, besides kOthers.
  Totals Sum(size_t most_users = kMostUsers) const;

 private:
  static constexpr size_t kShards = 16;
  static constexpr size_t kRoom = 2 * kMostUsers;
  struct User {
    uint64_t calls = 0;  // since it is remembered
    uint64_t lately = 0;
  };
  struct alignas(64) Shard {
    mutable Mutex mu;
    uint32_t until_halved ABSL_GUARDED_BY(mu) = kHalveAfter;
    absl::flat_hash_map<absl::string_view, uint64_t> methods ABSL_GUARDED_BY(mu);
    absl::flat_hash_map<std::string, User> users ABSL_GUARDED_BY(mu);
  };

  static void Halve(Shard& shard) ABSL_EXCLUSIVE_LOCKS_REQUIRED(shard.mu);
  // At least half of the users go, so that a new name costs a few steps in the mean.
  static void ForgetIdle(Shard& shard) ABSL_EXCLUSIVE_LOCKS_REQUIRED(shard.mu);

  std::array<Shard, kShards> shards_;
};

}  // namespace cairn::namenode
