// datanode/volume/replica_index.h - the replicas of one volume in the order of their block ids, so
// that whoever goes through them in slices does not go through all for each. The finalized ones,
// and the others: being written, temporary, corrupt, on their way out.
//
// Next to the ids of the finalized ones, sums of bytes of runs of kRunIds ids: what lies above an
// id is added up from those, and one by one only within the id's own run. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/functional/function_ref.h"
#include "common/ids.h"
#include "datanode/volume/replica.h"

namespace cairn::datanode {

class ReplicaIndex {
 public:
  // Of a finalized one. Nothing if it is there already, or is not there.
  void Add(BlockId block, uint64_t bytes);
  void Remove(BlockId block, uint64_t bytes);  // as many as were added
  void AddOther(BlockId block) { others_.insert(block); }
  void RemoveOther(BlockId block) { others_.erase(block); }

  size_t size() const { return blocks_.size() + others_.size(); }
  // The first ids in the range, at most `limit`, ascending: of all, and without the finalized ones.
  std::vector<BlockId> AllIn(const BlockRange& range, size_t limit) const;
  std::vector<BlockId> OthersIn(const BlockRange& range, size_t limit) const;

  // ---- of the finalized ones
  // The first ids above `after`, at most `limit`, ascending.
  std::vector<BlockId> Above(BlockId after, size_t limit) const;
  // Of all above `after`. `bytes_of` says how many one of them was added with; it is asked for
  // fewer than kRunIds.
  uint64_t BytesAbove(BlockId after, absl::FunctionRef<uint64_t(BlockId)> bytes_of) const;

  static constexpr uint64_t kRunIds = 4096;

 private:
  static uint64_t RunOf(BlockId block) { return ToInt(block) / kRunIds; }

  absl::btree_set<BlockId> blocks_;  // finalized
  absl::btree_set<BlockId> others_;
  absl::btree_map<uint64_t, uint64_t> run_bytes_;  // by id / kRunIds; none of them 0
};

}  // namespace cairn::datanode
