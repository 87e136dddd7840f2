// namenode/blocks/ordered_deletions.h - replicas, good or corrupt, whose deletion repair has
// ordered.
//
// From its order on a replica does not count any more, and readers are sent elsewhere, until its
// datanode says that it is gone, whatever happens meanwhile: nobody can say when an order that once
// left is carried out, and a replica that counted again could be the reason to delete another one.
// Only a replica that was gone and comes anew in a later session counts (Arrived).
// The order itself may be lost when the datanode registers anew, and is given only so often
// (InvalidationQueue): IsDue tells when it should be given again.
//
// Threads: guarded from outside.
#pragma once

#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "absl/time/time.h"
#include "common/ids.h"

namespace cairn::namenode {

class OrderedDeletions {
 public:
  static constexpr absl::Duration kAgain = absl::Minutes(20);

  // `session`: the one that the storage's datanode is in.
  void Add(BlockId block, uint32_t storage, uint64_t session, absl::Duration now) {
    const bool again = Contains(block, storage);
    Remove(block, storage);
    blocks_[block].push_back({storage, session, now, again});
    ++size_;
  }
  // The order has not left, and will not: the replica counts again, unless an earlier order has.
  void Withdraw(BlockId block, uint32_t storage) {
    const Order* const order = Find(block, storage);
    if (order != nullptr && !order->again) Remove(block, storage);
  }
  // The replica is gone.
  void Remove(BlockId block, uint32_t storage) {
    const auto found = blocks_.find(block);
    if (found == blocks_.end()) return;
    for (auto at = found->second.begin(); at != found->second.end(); ++at) {
      if (at->storage != storage) continue;
      found->second.erase(at);
      --size_;
      break;
    }
    if (found->second.empty()) blocks_.erase(found);
  }
  // A replica has come to the storage in this session. What was ordered in an earlier one meant
  // another, and is not carried out any more.
  void Arrived(BlockId block, uint32_t storage, uint64_t session) {
    const Order* const order = Find(block, storage);
    if (order != nullptr && order->session != session) Remove(block, storage);
  }
  void Forget(BlockId block) {
    const auto found = blocks_.find(block);
    if (found == blocks_.end()) return;
    size_ -= found->second.size();
    blocks_.erase(found);
  }
  bool Contains(BlockId block, uint32_t storage) const { return Find(block, storage) != nullptr; }
  // It was not ordered yet, or the order may be lost.
  bool IsDue(BlockId block, uint32_t storage, uint64_t session, absl::Duration now) const {
    const Order* const order = Find(block, storage);
    return order == nullptr || order->session != session || now - order->given >= kAgain;
  }
  bool Has(BlockId block) const { return blocks_.contains(block); }
  bool empty() const { return blocks_.empty(); }
  size_t size() const { return size_; }

 private:
  struct Order {
    uint32_t storage;
    uint64_t session;
    absl::Duration given;
    bool again;  // it was ordered before
  };
  const Order* Find(BlockId block, uint32_t storage) const {
    const auto found = blocks_.find(block);
    if (found == blocks_.end()) return nullptr;
    for (const Order& order : found->second) {
      if (order.storage == storage) return &order;
    }
    return nullptr;
  }

  absl::flat_hash_map<BlockId, absl::InlinedVector<Order, 1>> blocks_;
  size_t size_ = 0;
};

}  // namespace cairn::namenode
