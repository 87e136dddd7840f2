// datanode/heartbeat/change_report.h - changes of replicas, as one message tells them. Pure.
//
// A message gathers changes by storage, and the namenode takes its groups one after the other.
// Those of one block must stay in their order across storages: a replica that moves is deleted here
// and finalized there, and the other way round is two replicas for a while, of which the namenode
// has one deleted. So a storage may have more than one group.
#pragma once

#include <span>
#include <string>

#include "proto/cairn/datanode.pb.h"

namespace cairn::datanode {

struct ReplicaChange {
  std::string storage_uuid;
  internal::ReplicaReport report;
};

// The namenode takes no more of them in one message.
inline constexpr int kMostChangeGroups = 256;

// Adds the changes, in the order in which they happened, to a message that has none. Returns how
// many of them: the others would need too many groups.
size_t AddChanges(std::span<const ReplicaChange> changes, internal::ReportChangesRequest* request);

}  // namespace cairn::datanode
