// namenode/service/rpc/operation_counters.h - how many calls of each method there were, and by
// whom: what `cairn top` shows.
//
// Counted on the way of every call, so it is cheap: each thread has a shard of its own, whose lock
// nobody else asks for but a reader now and then. Users beyond kMostUsers of a shard are counted
// together.
// Thread-safe.
#pragma once

#include <array>
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
  static constexpr size_t kMostUsers = 1000;
  static constexpr char kOthers[] = "(others)";

  // `method` lives for ever (it is a row's name).
  void Count(absl::string_view method, absl::string_view user);

  struct Totals {
    std::vector<std::pair<std::string, uint64_t>> methods, users;  // most calls first
  };
  Totals Sum() const;

 private:
  static constexpr size_t kShards = 16;
  struct alignas(64) Shard {
    mutable Mutex mu;
    absl::flat_hash_map<absl::string_view, uint64_t> methods ABSL_GUARDED_BY(mu);
    absl::flat_hash_map<std::string, uint64_t> users ABSL_GUARDED_BY(mu);
  };
  std::array<Shard, kShards> shards_;
};

}  // namespace cairn::namenode
