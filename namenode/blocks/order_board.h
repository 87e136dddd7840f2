// namenode/blocks/order_board.h - orders for single datanodes, taken by their next heartbeats.
//
// Nothing here is promised: a datanode that registers anew, or died, has lost its orders, since
// what they were made from may have changed meanwhile; and who gave them gives them again. Bounded
// per datanode. Threads: any; own mutex, a leaf.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/mutex.h"
#include "namenode/blocks/datanode_reports.h"

namespace cairn::namenode {

class OrderBoard {
 public:
  static constexpr size_t kMostPerNode = 1000;

  // False: that datanode has too many waiting; try later.
  bool Add(absl::string_view datanode_uuid, DatanodeCommand order) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    std::vector<DatanodeCommand>& waiting = orders_[datanode_uuid];
    if (waiting.size() >= kMostPerNode) return false;
    waiting.push_back(std::move(order));
    return true;
  }

  std::vector<DatanodeCommand> Take(absl::string_view datanode_uuid) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    const auto it = orders_.find(datanode_uuid);
    if (it == orders_.end()) return {};
    std::vector<DatanodeCommand> taken = std::move(it->second);
    orders_.erase(it);
    return taken;
  }

  // It has registered, or died: what was ordered before is out of date.
  void Clear(absl::string_view datanode_uuid) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    orders_.erase(datanode_uuid);
  }

 private:
  Mutex mu_;
  absl::flat_hash_map<std::string, std::vector<DatanodeCommand>> orders_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::namenode
