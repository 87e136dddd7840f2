#include "namenode/service/rpc/operation_counters.h"

#include <algorithm>
#include <atomic>
#include <cstddef>

namespace cairn::namenode {
namespace {

size_t ShardOfThisThread() {
  static std::atomic<size_t> next{0};
  thread_local const size_t mine = next.fetch_add(1, std::memory_order_relaxed);
  return mine;
}

using Named = std::pair<std::string, uint64_t>;

}  // namespace

void OperationCounters::Count(absl::string_view method, absl::string_view user) {
  Shard& shard = shards_[ShardOfThisThread() % kShards];
  MutexLock lock(shard.mu);
  ++shard.methods[method];
  if (--shard.until_halved == 0) Halve(shard);
  if (user.size() > kMaxNameBytes) return;
  auto found = shard.users.find(user);
  if (found == shard.users.end()) {
    if (shard.users.size() >= kRoom) ForgetIdle(shard);
    found = shard.users.try_emplace(std::string(user)).first;
  }
  ++found->second.calls;
  ++found->second.lately;
}

void OperationCounters::Halve(Shard& shard) {
  shard.until_halved = kHalveAfter;
  for (auto& [name, user] : shard.users) user.lately /= 2;
}

void OperationCounters::ForgetIdle(Shard& shard) {
  std::vector<uint64_t> lately;
  lately.reserve(shard.users.size());
  for (const auto& [name, user] : shard.users) lately.push_back(user.lately);
  const auto middle = lately.begin() + static_cast<ptrdiff_t>(lately.size() / 2);
  std::nth_element(lately.begin(), middle, lately.end());
  absl::erase_if(shard.users, [&](const auto& user) { return user.second.lately <= *middle; });
  for (auto& [name, user] : shard.users) user.lately -= *middle;
}

OperationCounters::Totals OperationCounters::Sum(size_t most_users) const {
  absl::flat_hash_map<std::string, uint64_t> methods;
  absl::flat_hash_map<std::string, User> users;
  for (const Shard& shard : shards_) {
    MutexLock lock(shard.mu);
    for (const auto& [name, count] : shard.methods) methods[std::string(name)] += count;
    for (const auto& [name, user] : shard.users) {
      User& sum = users[name];
      sum.calls += user.calls;
      sum.lately += user.lately;
    }
  }
  Totals totals{.methods = {methods.begin(), methods.end()}, .users = {}};
  std::sort(totals.methods.begin(), totals.methods.end(), [](const Named& a, const Named& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  std::vector<std::pair<std::string, User>> sorted(users.begin(), users.end());
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
    if (a.second.lately != b.second.lately) return a.second.lately > b.second.lately;
    return a.second.calls != b.second.calls ? a.second.calls > b.second.calls : a.first < b.first;
  });
  uint64_t others = 0;
  for (const Named& method : totals.methods) others += method.second;
  for (const auto& [name, user] : sorted) {
    if (totals.users.size() == most_users) break;
    totals.users.emplace_back(name, user.calls);
    others -= user.calls;
  }
  if (others > 0) totals.users.emplace_back(kOthers, others);
  return totals;
}

}  // namespace cairn::namenode
