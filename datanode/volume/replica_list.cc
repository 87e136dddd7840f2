// ReplicaStore: looking at the map.
#include <algorithm>
#include <iterator>
#include <limits>

#include "datanode/volume/replica_store.h"

namespace cairn::datanode {

std::optional<ReplicaInfo> ReplicaStore::Find(BlockId block) const {
  ReaderLock lock(mu_);
  const auto found = replicas_.find(block);
  if (found == replicas_.end() || found->second.deleting) return std::nullopt;
  return InfoOf(block, found->second);
}

std::shared_ptr<OpenReplica> ReplicaStore::FindOpen(BlockId block) const {
  ReaderLock lock(mu_);
  const auto found = replicas_.find(block);
  return found == replicas_.end() ? nullptr : found->second.open;
}

std::vector<ReplicaInfo> ReplicaStore::List(int volume) const {
  const BlockRange all{BlockId{0}, BlockId{std::numeric_limits<uint64_t>::max()}};
  return List(volume, std::span(&all, 1));
}

std::vector<ReplicaInfo> ReplicaStore::List(int volume, std::span<const BlockRange> ranges) const {
  const auto listed = [ranges](BlockId block) {
    const auto after =
        std::upper_bound(ranges.begin(), ranges.end(), block,
                         [](BlockId id, const BlockRange& range) { return id < range.first; });
    return after != ranges.begin() && block <= std::prev(after)->last;
  };
  std::vector<ReplicaInfo> list;
  if (VolumeAt(volume).failed()) return list;
  {
    ReaderLock lock(mu_);
    for (const auto& [block, entry] : replicas_) {
      if (entry.volume == volume && IsTold(entry) && listed(block)) {
        list.push_back(InfoOf(block, entry));
      }
    }
  }
  std::sort(list.begin(), list.end(),
            [](const ReplicaInfo& a, const ReplicaInfo& b) { return a.block < b.block; });
  return list;
}

std::vector<BlockId> ReplicaStore::CorruptReplicas(int volume, size_t limit) const {
  std::vector<BlockId> blocks;
  ReaderLock lock(mu_);
  for (const auto& [block, entry] : replicas_) {
    if (entry.volume != volume || entry.state != ReplicaState::kCorrupt || !IsTold(entry)) continue;
    blocks.push_back(block);
    if (blocks.size() == limit) break;
  }
  return blocks;
}

ReplicaStore::Slice ReplicaStore::ListAfter(int volume, BlockId after, size_t limit) const {
  Slice slice;
  ReaderLock lock(mu_);
  const ReplicaIndex& index = finalized_[static_cast<size_t>(volume)];
  for (const BlockId block : index.Above(after, limit)) {
    slice.replicas.push_back(InfoOf(block, replicas_.find(block)->second));
  }
  // The lambda is called here and now.
  slice.bytes = index.BytesAbove(after, [this](BlockId block) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return replicas_.find(block)->second.length;
  });
  return slice;
}

ReplicaStore::Summary ReplicaStore::Summarize(int volume, uint32_t shift) const {
  Summary summary;
  absl::flat_hash_map<uint64_t, ReplicaDigest> buckets;
  {
    ReaderLock lock(mu_);
    for (const auto& [block, entry] : replicas_) {
      if (entry.volume != volume || !IsTold(entry)) continue;
      if (entry.state == ReplicaState::kFinalized) {
        buckets[DigestBucket(block, shift)] += ReplicaDigest::Of(block, entry.stamp, entry.length);
      } else {
        summary.others.push_back(InfoOf(block, entry));
      }
    }
  }
  summary.buckets.assign(buckets.begin(), buckets.end());
  std::sort(summary.buckets.begin(), summary.buckets.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  return summary;
}

size_t ReplicaStore::size() const {
  ReaderLock lock(mu_);
  return replicas_.size();
}

}  // namespace cairn::datanode
