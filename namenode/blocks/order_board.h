// namenode/blocks/order_board.h - orders for single datanodes, taken by their heartbeats. A
// datanode that waits for orders is woken (order_bell.h), and makes a heartbeat at once.
//
// Nothing here is promised: a datanode that registers anew, or died, has lost its orders, since
// what they were made from may have changed meanwhile; and who gave them gives them again. Bounded
// per datanode. Threads: any; own mutex, a leaf.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/mutex.h"
#include "namenode/blocks/datanode_reports.h"
#include "namenode/blocks/order_bell.h"

namespace cairn::namenode {

class OrderBoard {
 public:
  static constexpr size_t kMostPerNode = 1000;
  static constexpr std::ptrdiff_t kMostDoubts = 100;

  explicit OrderBoard(OrderBell& bell) : bell_(bell) {}  // outlives this

  // False: that datanode has too many waiting; try later. `number` is set to what IsWaiting takes.
  bool Add(absl::string_view datanode_uuid, DatanodeCommand order, uint64_t* number = nullptr)
      ABSL_LOCKS_EXCLUDED(mu_) {
    {
      MutexLock lock(mu_);
      std::vector<Waiting>& waiting = orders_[datanode_uuid];
      if (waiting.size() >= kMostPerNode) return false;
      waiting.push_back({++last_number_, std::move(order)});
      if (number != nullptr) *number = last_number_;
    }
    bell_.Ring(datanode_uuid, OrderBell::For::kOrder);
    return true;
  }

  // Doubts come from clients, who may say the same again and again, or anything: each block waits
  // once, and few of them, so that other orders have room. False: it does not wait.
  bool AddDoubt(absl::string_view datanode_uuid, const BlockVersion& block)
      ABSL_LOCKS_EXCLUDED(mu_) {
    {
      MutexLock lock(mu_);
      std::vector<Waiting>& waiting = orders_[datanode_uuid];
      std::ptrdiff_t doubts = 0;
      for (const Waiting& other : waiting) {
        const auto* const doubt = std::get_if<VerifyCommand>(&other.order);
        if (doubt == nullptr) continue;
        if (doubt->block.id == block.id) return true;
        ++doubts;
      }
      if (doubts >= kMostDoubts || waiting.size() >= kMostPerNode) return false;
      waiting.push_back({++last_number_, VerifyCommand{.block = block}});
    }
    bell_.Ring(datanode_uuid, OrderBell::For::kOrder);
    return true;
  }

  std::vector<DatanodeCommand> Take(absl::string_view datanode_uuid) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    const auto it = orders_.find(datanode_uuid);
    if (it == orders_.end()) return {};
    std::vector<DatanodeCommand> taken;
    for (Waiting& waiting : it->second) taken.push_back(std::move(waiting.order));
    orders_.erase(it);
    return taken;
  }

  // Whether that order is still here.
  bool IsWaiting(absl::string_view datanode_uuid, uint64_t number) const ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    const auto it = orders_.find(datanode_uuid);
    return it != orders_.end() &&
           std::any_of(it->second.begin(), it->second.end(),
                       [&](const Waiting& waiting) { return waiting.number == number; });
  }

  // It has registered, or died: what was ordered before is out of date.
  void Clear(absl::string_view datanode_uuid) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    orders_.erase(datanode_uuid);
  }

 private:
  struct Waiting {
    uint64_t number;
    DatanodeCommand order;
  };
  OrderBell& bell_;
  mutable Mutex mu_;
  uint64_t last_number_ ABSL_GUARDED_BY(mu_) = 0;
  absl::flat_hash_map<std::string, std::vector<Waiting>> orders_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::namenode
