#include "namenode/blocks/group_tally.h"

#include <algorithm>
#include <optional>

namespace cairn::namenode {
namespace {

constexpr size_t kMissing = static_cast<size_t>(Need::kMissing);

// nullopt: no unit has any.
std::optional<size_t> WorstOf(const std::array<uint8_t, kNeeds>& units) {
  if (units[kMissing] > 0) return kMissing;
  const auto first = std::find_if(units.begin(), units.end(), [](uint8_t n) { return n > 0; });
  if (first == units.end()) return std::nullopt;
  return static_cast<size_t>(first - units.begin());
}

}  // namespace

void GroupTally::Add(BlockId unit, Need need) { Change(unit, need, 1); }

void GroupTally::Remove(BlockId unit, Need need) { Change(unit, need, -1); }

void GroupTally::Change(BlockId unit, Need need, int by) {
  if (!IsGrouped(unit)) return;
  const auto at = of_.try_emplace(GroupOf(unit), ByNeed{}).first;
  ByNeed& units = at->second;
  if (const auto before = WorstOf(units)) --groups_[*before];
  units[static_cast<size_t>(need)] = static_cast<uint8_t>(units[static_cast<size_t>(need)] + by);
  units_[static_cast<size_t>(need)] += static_cast<uint64_t>(by);
  const auto now = WorstOf(units);
  if (now.has_value()) {
    ++groups_[*now];
  } else {
    of_.erase(at);
  }
}

}  // namespace cairn::namenode
