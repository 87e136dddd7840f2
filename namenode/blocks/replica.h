// namenode/blocks/replica.h - what a datanode's report of a replica means. Pure.
//
// The namespace says what a block must be (ExpectedBlock); a datanode says what it has. The
// judgement never brings anything back: a replica with an old stamp is only ever a candidate for
// deletion, as is one of a block that no file has, which does not come here.
// Source of the cases: HDFS's BlockManager.processReportedBlock and checkReplicaCorrupt.
#pragma once

#include <cstdint>

#include "namenode/namespace/types.h"

namespace cairn::namenode {

// The values of cairn.internal.ReplicaState.
enum class ReplicaState : uint8_t {
  kFinalized = 0,
  kBeingWritten = 1,
  kWaitingRecovery = 2,
  kDeleted = 3,
  kCorrupt = 4,
};
inline constexpr int kMaxReplicaState = 4;

struct ReportedReplica {
  BlockVersion block;
  ReplicaState state = ReplicaState::kFinalized;
};

// A block as its file has it.
struct ExpectedBlock {
  BlockVersion version;
  bool under_construction = false;  // not committed: the length may still grow
};

enum class ReplicaMeaning {
  kCounts,          // a good, finalized replica
  kBeingWritten,    // of a block under construction: a place where it can be read and recovered
  kFinalizedEarly,  // finalized, and the block not yet committed: the commit judges it
  kStaleStamp,      // a writer's pipeline went on without it: delete
  kNewerStamp,   // of a recovery the namenode knows nothing of: do not count it, do not delete it
  kWrongLength,  // finalized, right stamp, other length: corrupt
  kUnfinished,   // stopped half-way, and the block is complete without it: corrupt
  kLate,         // a delayed "being written" of a block that is complete by now: means nothing
  kCorrupt,      // the datanode found it bad
};

// `reported` is of that block, and not kDeleted: there is nothing to judge then.
ReplicaMeaning JudgeReplica(const ExpectedBlock& expected, const ReportedReplica& reported);

// Such a replica serves nobody and may be deleted as soon as enough good ones exist.
bool IsBad(ReplicaMeaning meaning);

}  // namespace cairn::namenode
