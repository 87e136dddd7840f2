// ReplicaStore: looking at the map.
#include <algorithm>

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
  return List(volume, std::span(&kAllBlocks, 1));
}

std::vector<ReplicaInfo> ReplicaStore::List(int volume, std::span<const BlockRange> ranges) const {
  std::vector<ReplicaInfo> list;
  if (VolumeAt(volume).failed()) return list;
  for (BlockRange rest : ranges) {
    while (ListSome(volume, &rest, &list)) {
    }
  }
  return list;
}

bool ReplicaStore::NextIds(int volume, IdsIn ids_in, BlockRange* rest,
                           std::vector<BlockId>* ids) const {
  const ReplicaIndex& index = indexes_[static_cast<size_t>(volume)];
  *ids = (index.*ids_in)(*rest, kListStep);
  if (ids->size() < kListStep || ids->back() == rest->last) return false;
  rest->first = BlockId{ToInt(ids->back()) + 1};
  return true;
}

bool ReplicaStore::ListSome(int volume, BlockRange* rest, std::vector<ReplicaInfo>* list) const {
  std::vector<BlockId> ids;
  ReaderLock lock(mu_);
  const bool more = NextIds(volume, &ReplicaIndex::AllIn, rest, &ids);
  for (const BlockId block : ids) {
    const Entry& entry = replicas_.find(block)->second;
    if (IsTold(entry)) list->push_back(InfoOf(block, entry));
  }
  return more;
}

std::vector<BlockId> ReplicaStore::CorruptReplicas(int volume, size_t limit) const {
  std::vector<BlockId> blocks, ids;
  BlockRange rest = kAllBlocks;
  for (bool more = true; more;) {
    ReaderLock lock(mu_);
    more = NextIds(volume, &ReplicaIndex::OthersIn, &rest, &ids);
    for (const BlockId block : ids) {
      const Entry& entry = replicas_.find(block)->second;
      if (blocks.size() == limit) return blocks;
      if (entry.state == ReplicaState::kCorrupt && IsTold(entry)) blocks.push_back(block);
    }
  }
  return blocks;
}

ReplicaStore::Slice ReplicaStore::ListAfter(int volume, BlockId after, size_t limit) const {
  Slice slice;
  ReaderLock lock(mu_);
  const ReplicaIndex& index = indexes_[static_cast<size_t>(volume)];
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
  std::vector<ReplicaInfo> some;
  BlockRange rest = kAllBlocks;
  for (bool more = true; more; some.clear()) {
    more = ListSome(volume, &rest, &some);
    for (const ReplicaInfo& replica : some) {
      if (replica.state != ReplicaState::kFinalized) {
        summary.others.push_back(replica);
        continue;
      }
      const uint64_t bucket = DigestBucket(replica.block, shift);
      if (summary.buckets.empty() || summary.buckets.back().first != bucket) {
        summary.buckets.push_back({bucket, {}});
      }
      summary.buckets.back().second +=
          ReplicaDigest::Of(replica.block, replica.stamp, replica.length);
    }
  }
  return summary;
}

size_t ReplicaStore::size() const {
  ReaderLock lock(mu_);
  return replicas_.size();
}

}  // namespace cairn::datanode
