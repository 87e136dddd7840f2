// namenode/blocks/recovery_order.h - who takes part in a block recovery, and who leads it. Pure.
//
// The primary asks the others and waits for each; so a datanode that will not answer costs all of
// them time, and one that will not hear the order costs a whole try. Whoever takes no part is left
// with an old stamp, and its replica is deleted: so stale datanodes are left out only while two
// others remain (as in HDFS's DatanodeManager.getLeaseRecoveryCommand).
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "namenode/blocks/datanode_reports.h"

namespace cairn::namenode {

struct RecoveryCandidate {
  ReplicaTarget replica;
  bool live = false;       // not stale
  bool listening = false;  // waits for orders right now: its process lives
};

// The primary first. `turn` counts the tries: each has another primary, while there are several
// who are equally likely to hear. Empty only if `candidates` is.
inline std::vector<ReplicaTarget> ChooseParticipants(std::vector<RecoveryCandidate> candidates,
                                                     uint64_t turn) {
  const auto is_live = [](const RecoveryCandidate& candidate) { return candidate.live; };
  if (std::count_if(candidates.begin(), candidates.end(), is_live) >= 2) {
    std::erase_if(candidates, [](const RecoveryCandidate& c) { return !c.live; });
  }
  const auto rank = [](const RecoveryCandidate& c) { return c.live ? (c.listening ? 2 : 1) : 0; };
  std::stable_sort(candidates.begin(), candidates.end(),
                   [&](const auto& a, const auto& b) { return rank(a) > rank(b); });
  const auto equals = std::count_if(candidates.begin(), candidates.end(), [&](const auto& c) {
    return rank(c) == rank(candidates.front());
  });
  if (equals > 1) {
    std::rotate(candidates.begin(), candidates.begin() + static_cast<long>(turn % equals),
                candidates.begin() + equals);
  }
  std::vector<ReplicaTarget> replicas;
  for (RecoveryCandidate& candidate : candidates) replicas.push_back(std::move(candidate.replica));
  return replicas;
}

}  // namespace cairn::namenode
