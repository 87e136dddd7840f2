#include "tools/ec/missing_bytes.h"

#include <algorithm>
#include <bitset>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "common/config_values.h"

namespace cairn::tools {
namespace {

// How many different units, or replicas, there are.
uint64_t UnitsLeft(const client::BlockLocation& block, const std::string& policy) {
  if (policy.empty()) return block.names.size();
  // A datanode that is leaving has a unit as well as the one that takes its place.
  std::bitset<256> seen;
  for (const uint8_t unit : block.units) seen.set(unit);
  return seen.count();
}

// What it takes to read a block, or a group under a policy such as RS-6-3-1024k. Policies are
// called by what they are; of one that is not, units are not counted.
uint64_t UnitsNeeded(const std::string& policy, uint64_t bytes) {
  const std::vector<std::string> words = absl::StrSplit(policy, '-');
  uint64_t data = 0;
  if (words.size() < 4 || !absl::SimpleAtoi(words[words.size() - 3], &data)) return 1;
  const std::optional<uint64_t> cell = ParseConfigSize(words.back());
  if (!cell.has_value() || *cell == 0) return 1;
  return std::min(data, (bytes + *cell - 1) / *cell);
}

}  // namespace

bool MayLackBytes(const client::BlockLocation& block, const std::string& policy) {
  return block.corrupt || UnitsLeft(block, policy) < UnitsNeeded(policy, block.length);
}

}  // namespace cairn::tools
