// tests/sim/history.h - one whole history: a cluster, its users, its faults, and the judgement.
//
//   start ... faults and work ... | everything is mended | quiet | examine
//
// In the end nothing is cut, paused or down, the applications finish, and time runs until all
// clocks have run out (leases, dead nodes, orders given again). Then must hold (examine.cc):
//   - the namespace is what the writers were told, and its records fit together (the audit)
//   - every file is closed, with all promised bytes, and every replica has them
//   - no replica is left of a block that no file has, or of an old version of one
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/sim/application.h"
#include "tests/sim/datanode_node.h"
#include "tests/sim/faults.h"
#include "tests/sim/namenode_node.h"
#include "tests/sim/network.h"
#include "tests/sim/oracle.h"
#include "tests/sim/planted.h"
#include "tests/sim/world.h"

namespace cairn::sim {

struct Result {
  std::string failure;  // empty: every promise was kept
  uint64_t trace_hash = 0;
  uint64_t events = 0;
  absl::Duration time;  // virtual
};

struct RunOptions {
  uint64_t seed = 1;
  bool verbose = false;
  Planted planted = Planted::kNone;
  std::set<size_t> without;  // faults of the plan that are left out, by index
};

// A program that dies in it says in which seed.
Result RunHistory(const RunOptions& options);

// The smallest set of faults, found by leaving out one after the other, with which the history
// still fails; returns what to leave out.
std::set<size_t> Shrink(RunOptions options);

// The parts of a history, for those who examine it.
struct Cluster {
  Cluster(const RunOptions& options, const Setting& setting);

  World world;
  Network network{world};
  Oracle oracle;
  std::unique_ptr<NamenodeNode> namenode;
  DatanodeNode::All datanodes;
  std::vector<std::unique_ptr<Application>> applications;
  // Replicas in which a bit was flipped, with the stamp that they had then.
  std::map<std::pair<Host, BlockId>, GenerationStamp> rotten;
};

// Empty, or the first promise that is broken.
std::string Examine(Cluster& cluster);

}  // namespace cairn::sim
