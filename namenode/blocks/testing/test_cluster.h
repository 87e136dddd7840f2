// namenode/blocks/testing/test_cluster.h - a cluster put together by hand, for decisions about
// replicas. Each node has one disk, whose number is the node's, from 1 on; all has been reported.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "namenode/cluster/cluster_view.h"

namespace cairn::namenode {

class TestCluster {
 public:
  static constexpr uint64_t kDiskBytes = uint64_t{1} << 40;

  uint32_t Add(absl::string_view rack = "/a", uint64_t remaining_bytes = kDiskBytes / 2) {
    auto info = std::make_shared<DatanodeInfo>();
    const uint32_t number = static_cast<uint32_t>(nodes_.size()) + 1;
    info->uuid = absl::StrCat("node-", number);
    info->address = {absl::StrCat("10.0.0.", number), absl::StrCat("host-", number), 9866, 9867, 0};
    info->rack = std::string(rack);
    info->liveness = Liveness::kLive;
    info->session = 100 + number;
    StorageInfo storage;
    storage.number = number;
    storage.uuid = absl::StrCat("storage-", number);
    storage.capacity_bytes = kDiskBytes;
    storage.remaining_bytes = remaining_bytes;
    storage.reported = true;
    info->storages.push_back(storage);
    nodes_.push_back(std::move(info));
    return number;
  }
  void AddMany(int count, absl::string_view rack = "/a") {
    for (int i = 0; i < count; ++i) Add(rack);
  }
  DatanodeInfo& node(uint32_t number) { return *nodes_[number - 1]; }
  StorageInfo& disk(uint32_t number) { return nodes_[number - 1]->storages.front(); }

  ClusterView View() const {
    std::vector<ClusterView::Input> inputs;
    for (const auto& node : nodes_) inputs.push_back({node, nullptr});
    return ClusterView(std::move(inputs), nullptr, awaited);
  }

  std::vector<uint32_t> awaited;

 private:
  std::vector<std::shared_ptr<DatanodeInfo>> nodes_;
};

}  // namespace cairn::namenode
