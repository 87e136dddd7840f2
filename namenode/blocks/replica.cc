#include "namenode/blocks/replica.h"

#include "common/check.h"

namespace cairn::namenode {
namespace {

ReplicaMeaning JudgeWhileWritten(const BlockVersion& expected, const ReportedReplica& reported) {
  if (reported.block.stamp < expected.stamp) return ReplicaMeaning::kStaleStamp;
  // A newer stamp is fine here: the pipeline is set up anew before the namenode hears of it.
  return reported.state == ReplicaState::kFinalized ? ReplicaMeaning::kFinalizedEarly
                                                    : ReplicaMeaning::kBeingWritten;
}

ReplicaMeaning JudgeComplete(const BlockVersion& expected, const ReportedReplica& reported) {
  if (reported.block.stamp < expected.stamp) return ReplicaMeaning::kStaleStamp;
  if (reported.block.stamp > expected.stamp) return ReplicaMeaning::kNewerStamp;
  switch (reported.state) {
    case ReplicaState::kBeingWritten:
      return ReplicaMeaning::kLate;
    case ReplicaState::kWaitingRecovery:
      return ReplicaMeaning::kUnfinished;
    default:
      return reported.block.length == expected.length ? ReplicaMeaning::kCounts
                                                      : ReplicaMeaning::kWrongLength;
  }
}

}  // namespace

ReplicaMeaning JudgeReplica(const ExpectedBlock& expected, const ReportedReplica& reported) {
  CHECK(reported.state != ReplicaState::kDeleted) << "a replica that is gone was judged";
  CHECK(expected.version.id == reported.block.id) << "a report was matched with another block";
  if (reported.state == ReplicaState::kCorrupt) return ReplicaMeaning::kCorrupt;
  return expected.under_construction ? JudgeWhileWritten(expected.version, reported)
                                     : JudgeComplete(expected.version, reported);
}

bool IsBad(ReplicaMeaning meaning) {
  switch (meaning) {
    case ReplicaMeaning::kStaleStamp:
    case ReplicaMeaning::kWrongLength:
    case ReplicaMeaning::kUnfinished:
    case ReplicaMeaning::kCorrupt:
      return true;
    default:
      return false;
  }
}

}  // namespace cairn::namenode
