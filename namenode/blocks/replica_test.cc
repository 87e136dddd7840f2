#include "namenode/blocks/replica.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cairn::namenode {
namespace {

using State = ReplicaState;
using Meaning = ReplicaMeaning;

constexpr BlockVersion Version(uint64_t stamp, uint64_t length) {
  return {BlockId{7}, GenerationStamp{stamp}, length};
}

struct Case {
  const char* name;
  bool under_construction;
  uint64_t stamp, length;  // reported; the block is 1005, 100 bytes
  State state;
  Meaning meaning;
};

constexpr Case kCases[] = {
    {"good", false, 1005, 100, State::kFinalized, Meaning::kCounts},
    {"shorter", false, 1005, 99, State::kFinalized, Meaning::kWrongLength},
    {"longer", false, 1005, 101, State::kFinalized, Meaning::kWrongLength},
    {"old stamp", false, 1004, 100, State::kFinalized, Meaning::kStaleStamp},
    {"old stamp, being written", false, 1004, 100, State::kBeingWritten, Meaning::kStaleStamp},
    {"newer stamp", false, 1006, 100, State::kFinalized, Meaning::kNewerStamp},
    {"late report", false, 1005, 40, State::kBeingWritten, Meaning::kLate},
    {"stopped half-way", false, 1005, 40, State::kWaitingRecovery, Meaning::kUnfinished},
    {"found bad", false, 1005, 100, State::kCorrupt, Meaning::kCorrupt},
    {"being written", true, 1005, 40, State::kBeingWritten, Meaning::kBeingWritten},
    {"being written, new pipeline", true, 1006, 40, State::kBeingWritten, Meaning::kBeingWritten},
    {"waiting for recovery", true, 1005, 40, State::kWaitingRecovery, Meaning::kBeingWritten},
    {"finalized before the commit", true, 1005, 70, State::kFinalized, Meaning::kFinalizedEarly},
    {"fell out of the pipeline", true, 1004, 70, State::kFinalized, Meaning::kStaleStamp},
    {"bad while written", true, 1005, 70, State::kCorrupt, Meaning::kCorrupt},
};

TEST(JudgeReplicaTest, KnowsWhatEachReportMeans) {
  for (const Case& c : kCases) {
    const ExpectedBlock expected{Version(1005, 100), c.under_construction};
    const ReportedReplica reported{Version(c.stamp, c.length), c.state};
    EXPECT_EQ(JudgeReplica(expected, reported), c.meaning) << c.name;
  }
}

TEST(JudgeReplicaTest, OnlyReplicasThatServeNobodyAreBad) {
  for (const Meaning bad :
       {Meaning::kStaleStamp, Meaning::kWrongLength, Meaning::kUnfinished, Meaning::kCorrupt}) {
    EXPECT_TRUE(IsBad(bad));
  }
  for (const Meaning other : {Meaning::kCounts, Meaning::kBeingWritten, Meaning::kFinalizedEarly,
                              Meaning::kNewerStamp, Meaning::kLate}) {
    EXPECT_FALSE(IsBad(other));
  }
}

}  // namespace
}  // namespace cairn::namenode
