// namenode/blocks/group_tally.h - how many block groups are in trouble, told from their units.
//
// Repair knows units, each a block of its own; operators, and HDFS's reports, ask for groups. A
// group counts once, under the need that is the worst for whoever wants to read it: kMissing, then
// the others from the most urgent on.
//
// Memory: some 30 bytes for each group that has such a unit. Threads: guarded from outside.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "common/ids.h"
#include "namenode/blocks/block_health.h"

namespace cairn::namenode {

class GroupTally {
 public:
  // No effect for what is no unit of a group. Each Remove comes after its Add.
  void Add(BlockId unit, Need need);
  void Remove(BlockId unit, Need need);

  uint64_t units(Need need) const { return units_[static_cast<size_t>(need)]; }
  uint64_t groups(Need need) const { return groups_[static_cast<size_t>(need)]; }

 private:
  using ByNeed = std::array<uint8_t, kNeeds>;  // units of one group

  void Change(BlockId unit, Need need, int by);

  absl::flat_hash_map<BlockId, ByNeed> of_;  // by group
  std::array<uint64_t, kNeeds> units_{}, groups_{};
};

}  // namespace cairn::namenode
