#include "datanode/volume/replica_index.h"

namespace cairn::datanode {

void ReplicaIndex::Add(BlockId block, uint64_t bytes) {
  if (!blocks_.insert(block).second || bytes == 0) return;
  run_bytes_[RunOf(block)] += bytes;
}

void ReplicaIndex::Remove(BlockId block, uint64_t bytes) {
  if (blocks_.erase(block) == 0 || bytes == 0) return;
  const auto run = run_bytes_.find(RunOf(block));
  run->second -= bytes;
  if (run->second == 0) run_bytes_.erase(run);
}

std::vector<BlockId> ReplicaIndex::AllIn(const BlockRange& range, size_t limit) const {
  std::vector<BlockId> found;
  auto block = blocks_.lower_bound(range.first);
  auto other = others_.lower_bound(range.first);
  while (found.size() < limit && (block != blocks_.end() || other != others_.end())) {
    const bool is_other = block == blocks_.end() || (other != others_.end() && *other < *block);
    const BlockId next = is_other ? *other++ : *block++;
    if (next > range.last) break;
    found.push_back(next);
  }
  return found;
}

std::vector<BlockId> ReplicaIndex::OthersIn(const BlockRange& range, size_t limit) const {
  std::vector<BlockId> found;
  for (auto it = others_.lower_bound(range.first);
       it != others_.end() && *it <= range.last && found.size() < limit; ++it) {
    found.push_back(*it);
  }
  return found;
}

std::vector<BlockId> ReplicaIndex::Above(BlockId after, size_t limit) const {
  std::vector<BlockId> found;
  for (auto it = blocks_.upper_bound(after); it != blocks_.end() && found.size() < limit; ++it) {
    found.push_back(*it);
  }
  return found;
}

uint64_t ReplicaIndex::BytesAbove(BlockId after,
                                  absl::FunctionRef<uint64_t(BlockId)> bytes_of) const {
  uint64_t sum = 0;
  const uint64_t run = RunOf(after);
  for (auto it = blocks_.upper_bound(after); it != blocks_.end() && RunOf(*it) == run; ++it) {
    sum += bytes_of(*it);
  }
  for (auto it = run_bytes_.upper_bound(run); it != run_bytes_.end(); ++it) sum += it->second;
  return sum;
}

}  // namespace cairn::datanode
