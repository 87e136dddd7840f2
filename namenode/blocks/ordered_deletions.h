// namenode/blocks/ordered_deletions.h - replicas, good or corrupt, whose deletion repair has
// ordered.
//
// From its order on a replica does not count any more, and readers are sent elsewhere, until its
// datanode says that it is gone, whatever happens meanwhile: nobody can say when an order that once
// left is carried out, and a replica that counted again could be the reason to delete another one.
// It counts again
//   - if it was gone, and comes anew in a later session (Arrived);
//   - if it has a stamp by now that no order for it named (Arrived): datanodes spare it;
//   - if no order for it has left, and none will (Withdraw);
//   - if the order was lost, and the block lacks replicas (IsLost): datanodes drop what they were
//     told in an earlier session. What a disk was at when the session began may still happen, but
//     not after kHung: a disk that hangs so long is given up.
// The order may also be lost on its way, and is given only so often (InvalidationQueue): IsDue
// tells when it should be given again.
//
// Threads: guarded from outside.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "absl/time/time.h"
#include "common/ids.h"

namespace cairn::namenode {

class OrderedDeletions {
 public:
  static constexpr absl::Duration kAgain = absl::Minutes(20);
  static constexpr absl::Duration kHung = absl::Minutes(5);

  // Up to this stamp. `session`: the one that the storage's datanode is in.
  void Add(BlockId block, GenerationStamp stamp, uint32_t storage, uint64_t session,
           absl::Duration now) {
    const Order* const known = Find(block, storage);
    Order order{storage, storage, {session, now, stamp}, std::nullopt};
    if (known != nullptr) {
      order.before = known->last;
      order.last.stamp = std::max(stamp, known->last.stamp);
    }
    Remove(block, storage);
    blocks_[block].push_back(order);
    ++size_;
  }
  // The order that this session was given for `storage` has not left, and will not: the replica,
  // wherever it has been moved to, counts again, unless an earlier order may have left.
  void Withdraw(BlockId block, uint32_t storage, uint64_t session) {
    const auto found = blocks_.find(block);
    if (found == blocks_.end()) return;
    for (Order& order : found->second) {
      if (order.given_for != storage || order.last.session != session) continue;
      if (order.before) {
        order.last = *order.before;
      } else {
        Remove(block, order.storage);
      }
      return;
    }
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
  // Its datanode has moved the replica from one disk to another: the order may meet it there.
  void Move(BlockId block, uint32_t from, uint32_t to) {
    if (!Contains(block, from)) return;
    Remove(block, to);
    Find(block, from)->storage = to;
  }
  // A replica with this stamp has come to the storage in this session. What was ordered in an
  // earlier one, or of older stamps, meant another, and is not carried out any more.
  void Arrived(BlockId block, GenerationStamp stamp, uint32_t storage, uint64_t session) {
    const Order* const order = Find(block, storage);
    if (order == nullptr) return;
    if (order->last.session != session || order->last.stamp < stamp) Remove(block, storage);
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
    return order == nullptr || order->last.session != session || now - order->last.at >= kAgain;
  }
  // Its datanode, which has told in `session` what it holds, will not carry out any order for it.
  bool IsLost(BlockId block, uint32_t storage, uint64_t session, absl::Duration now) const {
    const Order* const order = Find(block, storage);
    return order != nullptr && order->last.session != session && now - order->last.at >= kHung;
  }
  bool Has(BlockId block) const { return blocks_.contains(block); }
  bool empty() const { return blocks_.empty(); }
  size_t size() const { return size_; }

 private:
  struct Given {
    uint64_t session;
    absl::Duration at;
    GenerationStamp stamp;  // the newest that was ordered till then
  };
  struct Order {
    uint32_t storage;
    uint32_t given_for;  // where the replica was then
    Given last;
    std::optional<Given> before;  // the last but one, if there was one: it may have left
  };
  const Order* Find(BlockId block, uint32_t storage) const {
    const auto found = blocks_.find(block);
    if (found == blocks_.end()) return nullptr;
    for (const Order& order : found->second) {
      if (order.storage == storage) return &order;
    }
    return nullptr;
  }
  Order* Find(BlockId block, uint32_t storage) {
    return const_cast<Order*>(std::as_const(*this).Find(block, storage));
  }

  absl::flat_hash_map<BlockId, absl::InlinedVector<Order, 1>> blocks_;
  size_t size_ = 0;
};

}  // namespace cairn::namenode
