#include "namenode/blocks/replica_counts.h"

#include <algorithm>

#include "absl/container/inlined_vector.h"

namespace cairn::namenode {

absl::string_view NameOf(Standing standing) {
  switch (standing) {
    case Standing::kLive:
      return "live";
    case Standing::kStale:
      return "stale";
    case Standing::kAwaited:
      return "awaited";
    case Standing::kDecommissioning:
      return "decommissioning";
    case Standing::kDecommissioned:
      return "decommissioned";
    case Standing::kMaintenance:
      return "maintenance";
    case Standing::kExcess:
      return "excess";
    case Standing::kCorrupt:
      return "corrupt";
    case Standing::kDead:
      return "dead";
  }
  return "?";
}

absl::string_view NameOf(Need need) {
  switch (need) {
    case Need::kHighest:
      return "one copy left";
    case Need::kVeryLow:
      return "very few copies";
    case Need::kLow:
      return "too few copies";
    case Need::kBadlySpread:
      return "too few racks";
    case Need::kMissing:
      return "no good copy";
    case Need::kSurplus:
      return "copies to delete";
  }
  return "?";
}

namespace {

constexpr Need kLowNeeds[] = {Need::kHighest, Need::kVeryLow, Need::kLow, Need::kBadlySpread};

}  // namespace

uint64_t HealthTotals::low() const {
  uint64_t sum = of(Need::kMissing);
  for (const Need need : kLowNeeds) sum += of(need);
  return sum;
}

uint64_t HealthTotals::replicated_low() const {
  uint64_t sum = 0;
  for (const Need need : kLowNeeds) sum += replicated(need);
  return sum;
}

uint64_t HealthTotals::Groups::low() const {
  uint64_t sum = 0;
  for (const Need need : kLowNeeds) sum += of(need);
  return sum;
}

Standing StandingOf(uint32_t storage, ReplicaMark mark, const ClusterView& view) {
  const ClusterView::Node* const node = view.NodeOf(storage);
  if (node == nullptr) return view.IsAwaited(storage) ? Standing::kAwaited : Standing::kDead;
  const DatanodeInfo& info = *node->info;
  // Away on purpose: its silence says nothing.
  const bool away = info.admin_state == AdminState::kInMaintenance;
  if (!view.IsReadable(storage) && !(away && info.liveness == Liveness::kDead)) {
    return Standing::kDead;
  }
  if (mark == ReplicaMark::kCorrupt) return Standing::kCorrupt;
  if (mark == ReplicaMark::kExcess) return Standing::kExcess;
  switch (info.admin_state) {
    case AdminState::kDecommissioning:
      return Standing::kDecommissioning;
    case AdminState::kDecommissioned:
      return Standing::kDecommissioned;
    case AdminState::kEnteringMaintenance:
    case AdminState::kInMaintenance:
      return Standing::kMaintenance;
    case AdminState::kInService:
      break;
  }
  return info.liveness == Liveness::kStale ? Standing::kStale : Standing::kLive;
}

ReplicaCounts CountReplicas(std::span<const StandingReplica> replicas, const ClusterView& view) {
  ReplicaCounts counts;
  absl::InlinedVector<uint32_t, 8> racks;
  for (const auto& [storage, standing] : replicas) {
    switch (standing) {
      case Standing::kStale:
        ++counts.stale;
        [[fallthrough]];
      case Standing::kLive: {
        ++counts.live;
        const uint32_t rack = view.NodeOf(storage)->rack;
        if (std::find(racks.begin(), racks.end(), rack) == racks.end()) racks.push_back(rack);
        break;
      }
      case Standing::kAwaited:
        ++counts.awaited;
        continue;
      case Standing::kDecommissioning:
        ++counts.decommissioning;
        break;
      case Standing::kDecommissioned:
        ++counts.decommissioned;
        break;
      case Standing::kMaintenance:
        ++counts.maintenance;
        break;
      case Standing::kExcess:
        ++counts.excess;
        break;
      case Standing::kCorrupt:
        ++counts.corrupt;
        continue;
      case Standing::kDead:
        ++counts.dead;
        continue;
    }
    if (view.IsReadable(storage)) ++counts.readable;
  }
  counts.racks = static_cast<uint32_t>(racks.size());
  return counts;
}

bool IsReported(uint32_t storage, const ClusterView& view) {
  const ClusterView::Node* const node = view.NodeOf(storage);
  if (node == nullptr) return false;
  const std::vector<StorageInfo>& storages = node->info->storages;
  return std::any_of(storages.begin(), storages.end(), [storage](const StorageInfo& info) {
    return info.number == storage && info.reported;
  });
}

uint32_t CountTrusted(std::span<const StandingReplica> replicas, const ClusterView& view) {
  absl::InlinedVector<const ClusterView::Node*, 8> nodes;
  for (const auto& [storage, standing] : replicas) {
    if (standing != Standing::kLive || !IsReported(storage, view)) continue;
    const ClusterView::Node* const node = view.NodeOf(storage);
    if (std::find(nodes.begin(), nodes.end(), node) == nodes.end()) nodes.push_back(node);
  }
  return static_cast<uint32_t>(nodes.size());
}

uint32_t LiveNeeded(const ReplicaCounts& counts, uint32_t wanted, uint32_t min_maintenance) {
  const uint32_t rest = wanted > counts.maintenance ? wanted - counts.maintenance : 0;
  return std::max(rest, std::min(min_maintenance, wanted));
}

bool IsBadlySpread(const ReplicaCounts& counts, uint32_t wanted, const ClusterView& view) {
  // Who stands where is known only when all have come, and are there.
  if (wanted < 2 || view.live_racks() < 2 || counts.awaited > 0 || counts.maintenance > 0) {
    return false;
  }
  return counts.racks < 2;
}

std::optional<Need> NeedOf(const ReplicaCounts& counts, uint32_t wanted, uint32_t min_maintenance,
                           const ClusterView& view) {
  if (counts.readable == 0) return Need::kMissing;
  const uint32_t needed = LiveNeeded(counts, wanted, min_maintenance);
  const uint32_t held = counts.live + counts.awaited;
  if (held < needed) {
    const uint32_t there = held + counts.maintenance;
    if (there <= 1) return Need::kHighest;
    return there * 3 < wanted ? Need::kVeryLow : Need::kLow;
  }
  if (IsBadlySpread(counts, wanted, view)) return Need::kBadlySpread;
  if (counts.live > wanted || counts.corrupt > 0 || counts.excess > 0) return Need::kSurplus;
  return std::nullopt;
}

}  // namespace cairn::namenode
