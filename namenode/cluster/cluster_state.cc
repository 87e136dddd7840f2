// Who lives, and the views that are made of it. cluster_storages.cc has the records of storages,
// cluster_sessions.cc what datanodes say, cluster_admin.cc what the operator says.
#include "namenode/cluster/cluster_state.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"

namespace cairn::namenode {

ClusterState::ClusterState(Options options, Clock& clock)
    : options_(std::move(options)),
      clock_(clock),
      made_(clock.Monotonic()),
      racks_(options_.racks != nullptr ? options_.racks : std::make_shared<RackTable>()),
      rules_(options_.rules != nullptr ? options_.rules : std::make_shared<HostRules>()),
      // A datanode that outlives a restart of the namenode must not hit upon a valid session.
      next_session_(static_cast<uint64_t>(absl::ToUnixMicros(clock.Now()))),
      next_roll_(clock.Monotonic() + options_.scheduled_window),
      view_(std::make_shared<ClusterView>(std::vector<ClusterView::Input>(), racks_)),
      view_made_(clock.Monotonic()),
      view_expires_(absl::InfiniteDuration()) {}

Liveness ClusterState::LivenessOf(const Node& node, absl::Duration now) const {
  const absl::Duration silent = now - node.last_heartbeat;
  if (node.declared_dead || silent >= options_.dead_interval) return Liveness::kDead;
  return silent >= options_.stale_interval ? Liveness::kStale : Liveness::kLive;
}

// ---- reads

DatanodeInfo ClusterState::Describe(const Node& node, absl::Duration now) const {
  DatanodeInfo info = node.info;
  info.liveness = LivenessOf(node, now);
  info.silent_for = now - node.last_heartbeat;
  return info;
}

void ClusterState::RebuildView(absl::Duration now) const {
  std::vector<ClusterView::Input> inputs;
  inputs.reserve(nodes_.size());
  absl::Duration expires = absl::InfiniteDuration();
  for (const auto& [uuid, node] : nodes_) {
    const Liveness liveness = LivenessOf(*node, now);
    if (node->published == nullptr || node->published->liveness != liveness) {
      node->published = std::make_shared<const DatanodeInfo>(Describe(*node, now));
    }
    if (liveness == Liveness::kLive) {
      expires = std::min(expires, node->last_heartbeat + options_.stale_interval);
    } else if (liveness == Liveness::kStale) {
      expires = std::min(expires, node->last_heartbeat + options_.dead_interval);
    }
    inputs.push_back({node->published, node->scheduled});
  }
  // Placement draws from this order: with the same random numbers it decides the same.
  std::sort(inputs.begin(), inputs.end(),
            [](const auto& a, const auto& b) { return a.info->uuid < b.info->uuid; });
  std::vector<uint32_t> awaited;
  if (now - made_ < options_.dead_interval) {
    for (uint32_t number = 0; number < storages_.size(); ++number) {
      const Storage& storage = storages_[number];
      if (storage.known && !storage.given_up && OwnerOf(number) == nullptr) {
        awaited.push_back(number);
      }
    }
    if (!awaited.empty()) expires = std::min(expires, made_ + options_.dead_interval);
  }
  view_ = std::make_shared<const ClusterView>(std::move(inputs), racks_, awaited);
  view_made_ = now;
  view_expires_ = expires;
  numbers_changed_ = false;
}

std::shared_ptr<const ClusterView> ClusterState::View() const {
  MutexLock lock(mu_);
  const absl::Duration now = clock_.Monotonic();
  if (now >= view_expires_ || (numbers_changed_ && now - view_made_ >= options_.view_age)) {
    RebuildView(now);
  }
  return view_;
}

std::optional<StorageLocation> ClusterState::Locate(uint32_t storage) const {
  const std::shared_ptr<const ClusterView> view = View();
  const StorageLocation* const location = view->Find(storage);
  if (location == nullptr) return std::nullopt;
  return *location;
}

ClusterTotals ClusterState::Totals() const {
  ClusterTotals totals;
  MutexLock lock(mu_);
  const absl::Duration now = clock_.Monotonic();
  for (const auto& [uuid, node] : nodes_) {
    switch (LivenessOf(*node, now)) {
      case Liveness::kLive:
        ++totals.live;
        break;
      case Liveness::kStale:
        ++totals.stale;
        break;
      case Liveness::kDead:
        ++totals.dead;
        continue;
    }
    switch (node->info.admin_state) {
      case AdminState::kInService:
        break;
      case AdminState::kDecommissioning:
        ++totals.decommissioning;
        continue;
      case AdminState::kDecommissioned:
        ++totals.decommissioned;
        continue;
      case AdminState::kEnteringMaintenance:
        ++totals.entering_maintenance;
        continue;
      case AdminState::kInMaintenance:
        ++totals.in_maintenance;
        continue;
    }
    for (const StorageInfo& storage : node->info.storages) {
      if (storage.failed) continue;
      totals.capacity_bytes += storage.capacity_bytes;
      totals.used_bytes += storage.used_bytes;
      totals.remaining_bytes += storage.remaining_bytes;
    }
  }
  absl::flat_hash_set<absl::string_view> unregistered;
  for (const Storage& storage : storages_) {
    if (storage.known && !nodes_.contains(storage.datanode_uuid)) {
      unregistered.insert(storage.datanode_uuid);
    }
  }
  totals.unregistered = static_cast<int>(unregistered.size());
  return totals;
}

std::vector<DatanodeInfo> ClusterState::Nodes() const {
  std::vector<DatanodeInfo> infos;
  {
    MutexLock lock(mu_);
    const absl::Duration now = clock_.Monotonic();
    infos.reserve(nodes_.size());
    for (const auto& [uuid, node] : nodes_) infos.push_back(Describe(*node, now));
  }
  std::sort(infos.begin(), infos.end(),
            [](const DatanodeInfo& a, const DatanodeInfo& b) { return a.uuid < b.uuid; });
  return infos;
}

// ---- scheduled blocks

void ClusterState::RollScheduled(absl::Duration now) const {
  if (now < next_roll_) return;
  next_roll_ = now + options_.scheduled_window;
  for (const auto& [uuid, node] : nodes_) node->scheduled->Roll();
}

void ClusterState::Schedule(std::span<const uint32_t> storages) {
  MutexLock lock(mu_);
  for (const uint32_t storage : storages) {
    if (Node* const node = OwnerOf(storage)) node->scheduled->Add(1);
  }
}

void ClusterState::Unschedule(uint32_t storage) {
  MutexLock lock(mu_);
  if (Node* const node = OwnerOf(storage)) node->scheduled->RemoveOne();
}

// ---- for repair

std::vector<ClusterState::DeadNode> ClusterState::TakeNewlyDead() {
  std::vector<DeadNode> dead;
  MutexLock lock(mu_);
  const absl::Duration now = clock_.Monotonic();
  for (const auto& [uuid, node] : nodes_) {
    if (node->declared_dead || LivenessOf(*node, now) != Liveness::kDead) continue;
    node->declared_dead = true;
    dead.push_back({uuid, node->info.session, {}});
    for (const StorageInfo& storage : node->info.storages) {
      dead.back().storages.push_back(storage.number);
    }
  }
  return dead;
}

}  // namespace cairn::namenode
