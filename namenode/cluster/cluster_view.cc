#include "namenode/cluster/cluster_view.h"

#include <utility>

#include "absl/strings/numbers.h"

namespace cairn::namenode {

void ScheduledBlocks::RemoveOne() {
  // The older window first, as it is the one that is about to be forgotten. Writers hold the lock,
  // so nothing changes between load and store.
  for (std::atomic<uint32_t>* window : {&previous_, &current_}) {
    const uint32_t blocks = window->load(std::memory_order_relaxed);
    if (blocks == 0) continue;
    window->store(blocks - 1, std::memory_order_relaxed);
    return;
  }
}

void ScheduledBlocks::Roll() {
  previous_.store(current_.load(std::memory_order_relaxed), std::memory_order_relaxed);
  current_.store(0, std::memory_order_relaxed);
}

ClusterView::ClusterView(std::vector<Input> nodes, std::shared_ptr<const RackTable> racks,
                         const std::vector<uint32_t>& awaited)
    : rack_table_(std::move(racks)) {
  static const std::shared_ptr<const ScheduledBlocks>& none =
      *new std::shared_ptr<const ScheduledBlocks>(std::make_shared<ScheduledBlocks>());
  if (rack_table_ == nullptr) rack_table_ = std::make_shared<RackTable>();
  absl::flat_hash_map<absl::string_view, uint32_t> rack_numbers;  // names live in `nodes_`
  std::vector<bool> rack_is_live;
  uint64_t transfers = 0;
  nodes_.reserve(nodes.size());
  for (Input& input : nodes) {
    const uint32_t index = static_cast<uint32_t>(nodes_.size());
    nodes_.push_back(
        {std::move(input.info), input.scheduled != nullptr ? std::move(input.scheduled) : none, 0});
    Node& node = nodes_.back();
    const DatanodeInfo& info = *node.info;
    const auto [rack, added] =
        rack_numbers.try_emplace(info.rack, static_cast<uint32_t>(racks_.size()));
    if (added) {
      racks_.push_back(info.rack);
      by_rack_.emplace_back();
      rack_is_live.push_back(false);
    }
    node.rack = rack->second;
    by_rack_[node.rack].push_back(index);
    by_uuid_[info.uuid] = index;
    by_ip_[info.address.ip].push_back(index);
    if (info.liveness == Liveness::kLive && info.admin_state == AdminState::kInService) {
      ++live_nodes_;
      if (!rack_is_live[node.rack]) ++live_racks_;
      rack_is_live[node.rack] = true;
      transfers += info.transfers;
    }
    for (const StorageInfo& storage : info.storages) {
      if (storage.number >= storages_.size()) {
        storages_.resize(storage.number + 1);
        node_of_storage_.resize(storage.number + 1);
        readable_.resize(storage.number + 1);
      }
      storages_[storage.number] = {node.info, storage.number, storage.uuid, storage.type};
      node_of_storage_[storage.number] = index;
      readable_[storage.number] = !storage.failed && info.liveness != Liveness::kDead;
    }
  }
  for (const uint32_t storage : awaited) {
    if (storage >= awaited_.size()) awaited_.resize(storage + 1);
    awaited_[storage] = true;
  }
  if (live_nodes_ > 0) average_transfers_ = static_cast<double>(transfers) / live_nodes_;
}

const ClusterView::Node* ClusterView::FindByUuid(absl::string_view uuid) const {
  const auto found = by_uuid_.find(uuid);
  return found == by_uuid_.end() ? nullptr : &nodes_[found->second];
}

const std::vector<uint32_t>& ClusterView::FindByIp(absl::string_view ip) const {
  static const std::vector<uint32_t>& none = *new std::vector<uint32_t>();
  const auto found = by_ip_.find(ip);
  return found == by_ip_.end() ? none : found->second;
}

const ClusterView::Node* ClusterView::FindByAddress(absl::string_view host_and_port) const {
  const size_t colon = host_and_port.rfind(':');
  uint32_t port = 0;
  if (colon == absl::string_view::npos ||
      !absl::SimpleAtoi(host_and_port.substr(colon + 1), &port)) {
    return nullptr;
  }
  const absl::string_view host = host_and_port.substr(0, colon);
  for (const uint32_t index : FindByIp(host)) {
    if (nodes_[index].info->address.transfer_port == port) return &nodes_[index];
  }
  // By name: favoured nodes are rare, so a walk does.
  for (const Node& node : nodes_) {
    if (node.info->address.host_name == host && node.info->address.transfer_port == port) {
      return &node;
    }
  }
  return nullptr;
}

}  // namespace cairn::namenode
