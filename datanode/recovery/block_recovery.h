// datanode/recovery/block_recovery.h - bringing all replicas of a block whose writer is gone to one
// length and stamp. The namenode names a primary; this is what the primary does.
//
//   1. every node stops its writer and says what it has        InitReplicaRecovery
//   2. PlanRecovery chooses the length and who takes part
//   3. those nodes cut, raise the stamp and finalize           UpdateReplicaUnderRecovery
//
// The namenode learns of the result from each node's report of a finalized replica under the new
// stamp. A node that took no part keeps its old stamp, and its replica is stale from then on.
// Source: Apache Hadoop's append design (HDFS-265), block recovery.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/net/io_threads.h"
#include "datanode/volume/replica_store.h"
#include "proto/cairn/datanode.pb.h"

namespace cairn::datanode {

// What one node said.
struct FoundReplica {
  size_t node = 0;  // index in the order's list
  ReplicaInfo info;
};

struct RecoveryPlan {
  uint64_t length = 0;
  std::vector<size_t> nodes;  // ascending
};

// Finalized replicas decide; without any, the shortest being written; without those, the longest
// waiting, since those that lost power may lack what was acknowledged. Whoever has as many bytes
// takes part: all are of one writer, under one stamp or newer. Not counted are replicas of older
// stamps, empty ones beside others, and those shorter than `known_bytes`, which the namenode has
// been told were acknowledged, beside others that have them. Finalized ones under different stamps
// are of earlier recoveries that did not get to the end: the newest was decided with the most
// knowledge. kNotFound: none is left. kDataLoss: finalized ones under one stamp differ in length.
// kUnavailable: none has the known bytes, and not `everybody` who may have a replica has answered.
absl::StatusOr<RecoveryPlan> PlanRecovery(const std::vector<FoundReplica>& found,
                                          GenerationStamp stamp, uint64_t known_bytes,
                                          bool everybody);

// One node of the recovery. Calls block.
class RecoveryPeer {
 public:
  virtual ~RecoveryPeer() = default;
  // kNotFound with FsError::kReplicaNotFound: it has none. Any other error: it may have one, or has
  // one that is corrupt.
  virtual absl::StatusOr<ReplicaInfo> Init(const internal::RecoverBlock& order) = 0;
  virtual absl::Status Finish(const internal::RecoverBlock& order, uint64_t length) = 0;
};

// This node itself. Waits for a writer to stop.
std::unique_ptr<RecoveryPeer> NewLocalPeer(ReplicaStore& store);
// Another one, by InterDatanodeProtocol.
std::unique_ptr<RecoveryPeer> NewRemotePeer(const internal::Replicate::Target& target,
                                            const std::string& block_pool_id, IoThreads& threads);

// Carries the order out. `connect` makes the peer of one of its replicas. When everybody who may
// have one answered that it has no replica, and the namenode knows of no byte, `create_empty` is
// called: the block ends with no bytes.
absl::Status RecoverBlock(
    const internal::RecoverBlock& order,
    const std::function<std::unique_ptr<RecoveryPeer>(const internal::Replicate::Target&)>& connect,
    const std::function<absl::Status()>& create_empty);

// Stops whoever writes the block, and waits until it has. Not from an I/O or disk thread.
// kUnavailable: it has not within `limit`; it stays asked to.
absl::Status StopWriterAndWait(ReplicaStore& store, BlockId block,
                               absl::Duration limit = kStopWriterLimit);

}  // namespace cairn::datanode
