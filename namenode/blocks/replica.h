// namenode/blocks/replica.h - what a datanode's report of a replica means. Pure.
//
// The namespace says what a block must be (ExpectedBlock); a datanode says what it has. The
// judgement never brings anything back: a replica of an unknown block, or one with an old stamp, is
// only ever a candidate for deletion.
// Source of the cases: HDFS's BlockManager.processReportedBlock and checkReplicaCorrupt.
#pragma once

#include <cstdint>
#include <optional>

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
  kUnknownBlock,  // no file has it: delete, once the namenode is sure (never in start-up safe mode)
  kStaleStamp,    // a writer's pipeline went on without it: delete
  kNewerStamp,    // of a recovery the namenode knows nothing of: do not count it, do not delete it
  kWrongLength,   // finalized, right stamp, other length: corrupt
  kUnfinished,    // stopped half-way, and the block is complete without it: corrupt
  kLate,          // a delayed "being written" of a block that is complete by now: means nothing
  kCorrupt,       // the datanode found it bad
  kGone,          // deleted there
};

// `expected`: nullopt when no file has the block.
ReplicaMeaning JudgeReplica(const std::optional<ExpectedBlock>& expected,
                            const ReportedReplica& reported);

// Such a replica serves nobody and may be deleted as soon as enough good ones exist.
bool IsBad(ReplicaMeaning meaning);

}  // namespace cairn::namenode
