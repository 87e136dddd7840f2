// namenode/cluster/datanode_info.h - what is known of one datanode and its storages, as values.
//
// A datanode has storages (volumes); each storage has a small number, given by a RegisterStorage
// edit and never reused, by which replica lists name it. Nodes are known by uuid, never by name.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace cairn::namenode {

struct DatanodeAddress {
  std::string ip, host_name;
  uint32_t transfer_port = 0, ipc_port = 0, http_port = 0;
};

struct StorageInfo {
  uint32_t number = 0;
  std::string uuid;
  uint32_t type = 1;  // StorageTypeProto
  uint64_t capacity_bytes = 0, used_bytes = 0, remaining_bytes = 0, blocks = 0;
  bool failed = false;
  // The namenode's own note: since it registered, the datanode has told of every replica on it.
  bool reported = false;
};

// Two clocks for a silent datanode: a stale one gets no new blocks and is read last; a dead one is
// neither written nor read, and its blocks are copied elsewhere.
enum class Liveness { kLive, kStale, kDead };

// What the operator wants of a datanode. Replicas on one that is to leave are read like any others,
// but none is put there; while it is decommissioned, or being so, they do not count towards a
// file's replication. The values are those of AdminState in proto/hdfs/types.proto.
enum class AdminState {
  kInService = 0,
  kDecommissioning = 1,      // its replicas are being copied elsewhere
  kDecommissioned = 2,       // they are: it may be switched off
  kEnteringMaintenance = 3,  // until enough of its replicas have a copy elsewhere
  kInMaintenance = 4,        // away for a known time: its replicas still count
};

struct DatanodeInfo {
  std::string uuid;
  DatanodeAddress address;
  std::string rack = "/default-rack";
  std::vector<StorageInfo> storages;
  Liveness liveness = Liveness::kDead;
  AdminState admin_state = AdminState::kInService;
  absl::Time maintenance_until = absl::InfiniteFuture();  // wall clock; in maintenance only
  uint64_t session = 0;
  uint32_t transfers = 0;          // running reads and writes, as of the last heartbeat
  uint64_t last_heartbeat_ms = 0;  // wall clock, for reports
  absl::Duration silent_for;       // on the monotonic clock
};

inline bool IsDecommission(AdminState state) {
  return state == AdminState::kDecommissioning || state == AdminState::kDecommissioned;
}
inline bool IsMaintenance(AdminState state) {
  return state == AdminState::kEnteringMaintenance || state == AdminState::kInMaintenance;
}
// "Decommission In Progress", as HDFS has it.
absl::string_view AdminStateText(AdminState state);

// A replica's place as clients are told it.
struct StorageLocation {
  std::shared_ptr<const DatanodeInfo> node;
  uint32_t number = 0;
  std::string storage_uuid;
  uint32_t storage_type = 1;
};

struct ClusterTotals {
  uint64_t capacity_bytes = 0, used_bytes = 0,
           remaining_bytes = 0;  // live and stale nodes' in service
  int live = 0, stale = 0, dead = 0;
  int decommissioning = 0, decommissioned = 0, entering_maintenance = 0, in_maintenance = 0;
  int unregistered = 0;  // known from an earlier run of the namenode, not heard of since its start
};

}  // namespace cairn::namenode
