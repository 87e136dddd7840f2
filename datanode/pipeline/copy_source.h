// datanode/pipeline/copy_source.h - which replicas may be copied to other datanodes.
#pragma once

#include "absl/status/status.h"
#include "common/ids.h"
#include "datanode/volume/replica.h"

namespace cairn::datanode {

// Who gets a copy that the namenode ordered finalizes it, and a finalized replica decides what a
// block recovery keeps: so it must be of the finalized one that the namenode meant. An append may
// have begun since.
// kFailedPrecondition: this replica is another one.
absl::Status CheckOrderedCopy(const ReplicaInfo& source, GenerationStamp ordered);

// A client's pipeline takes a finalized replica, or what is acknowledged of one being written. What
// is acknowledged of one that waits for recovery is not known. kFailedPrecondition.
absl::Status CheckPipelineCopy(const ReplicaInfo& source);

}  // namespace cairn::datanode
