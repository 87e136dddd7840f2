// ClusterState: what the operator says of racks and of who is to leave.
#include <utility>

#include "namenode/cluster/cluster_state.h"

namespace cairn::namenode {

absl::string_view AdminStateText(AdminState state) {
  switch (state) {
    case AdminState::kInService:
      return "In Service";
    case AdminState::kDecommissioning:
      return "Decommission In Progress";
    case AdminState::kDecommissioned:
      return "Decommissioned";
    case AdminState::kEnteringMaintenance:
      return "Entering Maintenance";
    case AdminState::kInMaintenance:
      return "In Maintenance";
  }
  return "In Service";
}

void ClusterState::SetRacks(std::shared_ptr<const RackTable> racks) {
  MutexLock lock(mu_);
  racks_ = std::move(racks);
  for (const auto& [uuid, node] : nodes_) {
    const DatanodeAddress& address = node->info.address;
    if (!racks_->Knows(address.ip, address.host_name)) continue;  // asked now, told later
    const std::string& rack = racks_->RackOf(address.ip, address.host_name);
    if (node->info.rack == rack) continue;
    node->info.rack = rack;
    node->published = nullptr;
  }
  view_expires_ = -absl::InfiniteDuration();
}

void ClusterState::SetHostRules(std::shared_ptr<const HostRules> rules) {
  const absl::Time wall = clock_.Now();
  MutexLock lock(mu_);
  rules_ = std::move(rules);
  for (const auto& [uuid, node] : nodes_) {
    node->rule = rules_->For(node->info.address);
    Govern(*node, wall);
  }
}

// The state that follows from the node's rule.
void ClusterState::Govern(Node& node, absl::Time wall) {
  const AdminState now = node.info.admin_state;
  switch (node.rule.goal) {
    case HostRule::Goal::kServe:
      return SetAdminState(node, AdminState::kInService);
    case HostRule::Goal::kDecommission:
      return SetAdminState(node, IsDecommission(now) ? now : AdminState::kDecommissioning);
    case HostRule::Goal::kMaintenance:
      if (wall >= node.rule.maintenance_until) return SetAdminState(node, AdminState::kInService);
      node.info.maintenance_until = node.rule.maintenance_until;
      return SetAdminState(node, IsMaintenance(now) ? now : AdminState::kEnteringMaintenance);
  }
}

void ClusterState::SetAdminState(Node& node, AdminState state) {
  if (!IsMaintenance(state)) node.info.maintenance_until = absl::InfiniteFuture();
  node.published = nullptr;
  view_expires_ = -absl::InfiniteDuration();
  if (node.info.admin_state == state) return;
  AdminChange change{node.info.uuid,
                     node.info.address,
                     node.info.admin_state,
                     state,
                     LivenessOf(node, clock_.Monotonic()),
                     {}};
  for (const StorageInfo& storage : node.info.storages) change.storages.push_back(storage.number);
  admin_changes_.push_back(std::move(change));
  node.info.admin_state = state;
}

std::vector<ClusterState::AdminChange> ClusterState::TakeAdminChanges() {
  const absl::Time wall = clock_.Now();
  MutexLock lock(mu_);
  for (const auto& [uuid, node] : nodes_) {
    if (IsMaintenance(node->info.admin_state) && wall >= node->info.maintenance_until) {
      Govern(*node, wall);
    }
  }
  return std::exchange(admin_changes_, {});
}

bool ClusterState::FinishLeaving(absl::string_view uuid, AdminState from) {
  MutexLock lock(mu_);
  const auto found = nodes_.find(uuid);
  if (found == nodes_.end() || found->second->info.admin_state != from) return false;
  if (from == AdminState::kDecommissioning) {
    SetAdminState(*found->second, AdminState::kDecommissioned);
  } else if (from == AdminState::kEnteringMaintenance) {
    SetAdminState(*found->second, AdminState::kInMaintenance);
  } else {
    return false;
  }
  return true;
}

}  // namespace cairn::namenode
