// datanode/rebuild/verify_units.h - do the units of a block group agree? The namenode has each
// group looked at now and then, since checksums do not tell that a unit was written wrongly.
//
//   all units  --READ_BLOCK-->  a piece of each  --FindWrongUnit-->  agree: the next piece
//
// Read as for a rebuild, this datanode's own unit too, and in the same pieces. What a piece says is
// looked at again before anybody is named (culprit.h); then the others have to agree to their end,
// as they would have to for a rebuild (rebuild.h). A unit that cannot be read ends it: something
// else is wrong then, which repair sees to, and a rebuild compares what it makes. Of bad checksums
// the datanode that has the unit is told.
//
// Nothing is written, and nothing is decided here: what is found is said.
//
// Memory: a piece for each unit, and one more while a contradiction is looked into.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "datanode/pipeline/async.h"
#include "datanode/pipeline/context.h"
#include "datanode/rebuild/rebuild_order.h"

namespace cairn::datanode {

struct VerifyOrder {
  RebuildOrder group;             // without targets; the sources are all units that hold bytes
  uint64_t bytes_per_second = 0;  // of all units together; 0: no limit
};

// kInvalidArgument: names the field that makes no sense. Every unit that holds bytes is there,
// once.
absl::StatusOr<VerifyOrder> CheckVerify(const internal::VerifyGroup& order);

// The values are those of internal::GroupVerdict.
struct UnitsVerdict {
  enum class Result : uint8_t { kCouldNot = 0, kAgree = 1, kOneIsWrong = 2, kContradict = 3 };
  Result result = Result::kCouldNot;
  uint32_t unit = 0;  // of kOneIsWrong
  std::string why;    // not of kAgree
};

// `stopping` is asked before each step that waits, and while it waits for its pace. Runs on one
// thread, that of the executor, and computes there. All outlive the coroutine.
awaitable<UnitsVerdict> VerifyUnits(TransferContext& context, const VerifyOrder& order,
                                    const std::function<bool()>& stopping);

// How the namenode is told; the order need not have passed CheckVerify. nullopt: it names no group,
// and the namenode would refuse the whole heartbeat.
std::optional<internal::GroupVerdict> VerdictOf(const internal::VerifyGroup& order,
                                                const UnitsVerdict& verdict);

}  // namespace cairn::datanode
