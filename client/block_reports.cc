#include "client/block_reports.h"

#include <algorithm>
#include <utility>

#include "client/convert.h"
#include "client/striping.h"

namespace cairn::client {
namespace {

// What this program does not know counts as lost, so that nothing is taken for healthy.
Standing ToStanding(int value) {
  return value >= 0 && value <= static_cast<int>(Standing::kBeingWritten)
             ? static_cast<Standing>(value)
             : Standing::kDead;
}

ReplicaReport ToReplicaReport(const admin::Replica& p) {
  return {.datanode_uuid = p.datanode_uuid(),
          .ip = p.ip(),
          .host = p.host_name(),
          .rack = p.rack(),
          .storage_uuid = p.storage_uuid(),
          .transfer_port = static_cast<uint16_t>(p.transfer_port()),
          .storage_type = ToStorageType(p.storage_type()),
          .standing = ToStanding(p.standing())};
}

BlockReport ToBlockReport(const admin::Block& p) {
  BlockReport b;
  b.id = p.id();
  b.stamp = p.generation_stamp();
  b.length = std::min(p.length(), kMaxLength);
  b.offset = std::min(p.offset(), kMaxLength);
  b.wanted = p.wanted();
  b.under_construction = p.under_construction();
  b.recovery_waits_for = p.recovery_waits_for();
  b.contradiction = p.contradiction();
  for (const admin::Replica& replica : p.replicas()) b.replicas.push_back(ToReplicaReport(replica));
  b.corrupt = b.Count(Standing::kCorrupt) > 0 && !b.HasGood();
  const int need = p.need();
  if (need > 0 && need < static_cast<int>(kNeeds)) b.need = static_cast<Need>(need);
  if (p.queued()) {
    b.repair = BlockReport::Repair{.known = Millis(p.known_for_ms()),
                                   .again = Millis(p.again_in_ms()),
                                   .failures = p.failures(),
                                   .blocked_by = p.blocked_by()};
  }
  for (const admin::Copy& copy : p.copies()) {
    b.copies.push_back(
        {copy.source(), copy.target(), Millis(copy.running_ms()), Millis(copy.given_up_in_ms())});
  }
  return b;
}

}  // namespace

StorageType ToStorageType(uint32_t value) {
  return value >= 1 && value <= 6 ? static_cast<StorageType>(value) : StorageType::kDisk;
}

bool BlockReport::HasGood() const {
  return std::any_of(replicas.begin(), replicas.end(), [](const ReplicaReport& replica) {
    return replica.standing != Standing::kCorrupt && replica.standing != Standing::kDead;
  });
}

uint32_t BlockReport::GoodUnits() const {
  return static_cast<uint32_t>(std::count_if(
      units.begin(), units.end(), [](const BlockReport& unit) { return unit.HasGood(); }));
}

uint32_t BlockReport::Count(Standing standing) const {
  return static_cast<uint32_t>(
      std::count_if(replicas.begin(), replicas.end(),
                    [&](const ReplicaReport& replica) { return replica.standing == standing; }));
}

absl::StatusOr<BlockReport> ToReport(const admin::Block& p) {
  BlockReport group = ToBlockReport(p);
  group.units_needed = p.units_needed();
  bool any_bad = false;
  for (const admin::Block& unit : p.units()) {
    group.units.push_back(ToBlockReport(unit));
    const BlockReport& told = group.units.back();
    if (!told.is_unit() || told.group_id() != group.id) {
      return absl::InternalError("the server sent a block group whose units make no sense");
    }
    any_bad |= told.corrupt;
  }
  if (group.is_group()) group.corrupt = any_bad && group.GoodUnits() < group.units_needed;
  return group;
}

BlockReport ToReport(const hdfs::LocatedBlockProto& p, uint32_t wanted) {
  BlockReport b;
  b.id = p.b().blockid();
  b.stamp = p.b().generationstamp();
  b.length = p.b().numbytes();
  b.offset = p.offset();
  b.wanted = wanted;
  b.corrupt = p.corrupt();
  for (int i = 0; i < p.locs_size(); ++i) {
    const hdfs::DatanodeInfoProto& node = p.locs(i);
    ReplicaReport replica;
    replica.datanode_uuid = node.id().datanodeuuid();
    replica.ip = node.id().ipaddr();
    replica.host = node.id().hostname();
    replica.rack = node.location();
    replica.transfer_port = static_cast<uint16_t>(node.id().xferport());
    if (i < p.storageids_size()) replica.storage_uuid = p.storageids(i);
    if (i < p.storagetypes_size()) {
      replica.storage_type = ToStorageType(static_cast<uint32_t>(p.storagetypes(i)));
    }
    switch (node.adminstate()) {
      case hdfs::DatanodeInfoProto::DECOMMISSION_INPROGRESS:
        replica.standing = Standing::kDecommissioning;
        break;
      case hdfs::DatanodeInfoProto::DECOMMISSIONED:
        replica.standing = Standing::kDecommissioned;
        break;
      case hdfs::DatanodeInfoProto::ENTERING_MAINTENANCE:
      case hdfs::DatanodeInfoProto::IN_MAINTENANCE:
        replica.standing = Standing::kMaintenance;
        break;
      default:
        break;
    }
    if (b.corrupt) replica.standing = Standing::kCorrupt;
    b.replicas.push_back(std::move(replica));
  }
  return b;
}

BlockReport ToGroupReport(const hdfs::LocatedBlockProto& p, const erasure::Layout& layout,
                          bool open) {
  BlockReport group;
  group.id = p.b().blockid();
  group.stamp = p.b().generationstamp();
  group.length = p.b().numbytes();
  group.offset = p.offset();
  group.corrupt = p.corrupt();
  group.under_construction = open;
  group.units_needed = layout.UnitsNeeded(group.length);
  for (uint32_t unit = 0; unit < layout.units(); ++unit) {
    if (!open && layout.UnitBytes(group.length, unit) == 0) continue;
    group.units.push_back(ToReport(LocateUnit(p, layout, unit), /*wanted=*/1));
    group.units.back().under_construction = open;
  }
  group.wanted = static_cast<uint32_t>(group.units.size());
  return group;
}

}  // namespace cairn::client
