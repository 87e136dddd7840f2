#include "namenode/service/rpc/operation_counters.h"

#include <algorithm>
#include <atomic>

namespace cairn::namenode {
namespace {

size_t ShardOfThisThread() {
  static std::atomic<size_t> next{0};
  thread_local const size_t mine = next.fetch_add(1, std::memory_order_relaxed);
  return mine;
}

template <typename Map>
std::vector<std::pair<std::string, uint64_t>> Sorted(const Map& counts) {
  std::vector<std::pair<std::string, uint64_t>> out(counts.begin(), counts.end());
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  return out;
}

}  // namespace

void OperationCounters::Count(absl::string_view method, absl::string_view user) {
  Shard& shard = shards_[ShardOfThisThread() % kShards];
  MutexLock lock(shard.mu);
  ++shard.methods[method];
  auto found = shard.users.find(user);
  if (found == shard.users.end()) {
    const absl::string_view name = shard.users.size() < kMostUsers ? user : kOthers;
    found = shard.users.try_emplace(std::string(name), 0).first;
  }
  ++found->second;
}

OperationCounters::Totals OperationCounters::Sum() const {
  absl::flat_hash_map<std::string, uint64_t> methods, users;
  for (const Shard& shard : shards_) {
    MutexLock lock(shard.mu);
    for (const auto& [name, count] : shard.methods) methods[std::string(name)] += count;
    for (const auto& [name, count] : shard.users) users[name] += count;
  }
  return {Sorted(methods), Sorted(users)};
}

}  // namespace cairn::namenode
