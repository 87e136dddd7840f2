// namenode/cluster/cluster_view.h - the cluster at one moment, for decisions.
//
// A request takes one view (ClusterState::View()) and asks it as often as it likes: no lock, no
// reference counting per replica. All of it is frozen but one thing: ScheduledBlocks, which counts
// allocations made since the last heartbeats, so that a burst of new blocks spreads although the
// datanodes have not yet told of the first ones.
//
// Thread-safe: immutable but for those counters, which are atomic.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "namenode/cluster/datanode_info.h"
#include "namenode/cluster/rack_table.h"

namespace cairn::namenode {

// Blocks given to one datanode and not yet reported by it. Two windows, as in HDFS: a block whose
// writer died is never reported, and is forgotten with its window (ClusterState rolls them).
class ScheduledBlocks {
 public:
  uint32_t count() const {
    return current_.load(std::memory_order_relaxed) + previous_.load(std::memory_order_relaxed);
  }
  // The rest is called under ClusterState's lock.
  void Add(uint32_t blocks) { current_.fetch_add(blocks, std::memory_order_relaxed); }
  void RemoveOne();
  void Roll();

 private:
  std::atomic<uint32_t> current_{0}, previous_{0};
};

class ClusterView {
 public:
  struct Node {
    std::shared_ptr<const DatanodeInfo> info;
    std::shared_ptr<const ScheduledBlocks> scheduled;  // never null
    uint32_t rack = 0;                                 // index into racks()

    // What placement calls load: running transfers and blocks about to be written.
    uint64_t load() const { return uint64_t{info->transfers} + scheduled->count(); }
  };
  struct Input {
    std::shared_ptr<const DatanodeInfo> info;
    std::shared_ptr<const ScheduledBlocks> scheduled;  // null: none
  };

  // `awaited`: storages of datanodes that have not registered since the namenode's start and may
  // still come.
  ClusterView(std::vector<Input> nodes, std::shared_ptr<const RackTable> racks,
              const std::vector<uint32_t>& awaited = {});

  const std::vector<Node>& nodes() const { return nodes_; }
  // Racks that some node stands in, and the indices of each one's nodes.
  const std::vector<std::string>& racks() const { return racks_; }
  const std::vector<uint32_t>& nodes_of_rack(uint32_t rack) const { return by_rack_[rack]; }

  // nullptr: no registered datanode has this storage. Valid as long as the view.
  const StorageLocation* Find(uint32_t storage) const {
    if (storage >= storages_.size() || storages_[storage].node == nullptr) return nullptr;
    return &storages_[storage];
  }
  // The node that holds `storage`; nullptr as above.
  const Node* NodeOf(uint32_t storage) const {
    return Find(storage) == nullptr ? nullptr : &nodes_[node_of_storage_[storage]];
  }
  // False also for a storage that has failed, or whose node is dead.
  bool IsReadable(uint32_t storage) const {
    return storage < readable_.size() && readable_[storage];
  }

  // Its datanode has not registered since the namenode's start, and is not given up yet: what it
  // holds is not lost.
  bool IsAwaited(uint32_t storage) const { return storage < awaited_.size() && awaited_[storage]; }
  // Above every storage number that this view knows.
  uint32_t storage_limit() const {
    return static_cast<uint32_t>(std::max(storages_.size(), awaited_.size()));
  }

  const Node* FindByUuid(absl::string_view uuid) const;
  // Indices of the nodes at this address: several share one in a cluster on a single machine.
  const std::vector<uint32_t>& FindByIp(absl::string_view ip) const;
  // "host:port" or "ip:port", the port being the transfer port, as HDFS's favoured nodes are named.
  const Node* FindByAddress(absl::string_view host_and_port) const;

  // The rack of any host, datanode or not.
  const std::string& RackOfHost(absl::string_view ip) const { return rack_table_->RackOf(ip, ""); }

  // Those that may be given new replicas: live and in service; and the racks that have such a node.
  int live_nodes() const { return live_nodes_; }
  int live_racks() const { return live_racks_; }
  // Mean of the running transfers over these nodes.
  double average_transfers() const { return average_transfers_; }

 private:
  std::vector<Node> nodes_;
  std::vector<std::string> racks_;
  std::vector<std::vector<uint32_t>> by_rack_;
  std::vector<StorageLocation> storages_;  // by storage number
  std::vector<uint32_t> node_of_storage_;  // likewise: index into nodes_
  std::vector<bool> readable_;             // likewise
  std::vector<bool> awaited_;              // likewise
  absl::flat_hash_map<std::string, uint32_t> by_uuid_;
  absl::flat_hash_map<std::string, std::vector<uint32_t>> by_ip_;
  std::shared_ptr<const RackTable> rack_table_;
  int live_nodes_ = 0;
  int live_racks_ = 0;
  double average_transfers_ = 0;
};

}  // namespace cairn::namenode
