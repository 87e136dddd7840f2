#include "tests/sim/faults.h"

#include <algorithm>
#include <random>

#include "absl/strings/str_format.h"

namespace cairn::sim {
namespace {

using Kind = Fault::Kind;

const char* NameOf(Kind kind) {
  switch (kind) {
    case Kind::kKillDatanode:
      return "kill datanode";
    case Kind::kPowerCutDatanode:
      return "power cut of datanode";
    case Kind::kPowerCutInDatanode:
      return "power cut within a change of datanode";
    case Kind::kPauseDatanode:
      return "pause datanode";
    case Kind::kDiskError:
      return "disk error of datanode";
    case Kind::kFlipBit:
      return "flipped bit on datanode";
    case Kind::kPowerCutNamenode:
      return "power cut of the namenode";
    case Kind::kPauseNamenode:
      return "pause the namenode";
    case Kind::kPowerCutAll:
      return "power cut of all";
    case Kind::kCut:
      return "cut";
    case Kind::kIsolate:
      return "isolate";
    case Kind::kSlow:
      return "slow network";
    case Kind::kKillWriter:
      return "kill writer";
    case Kind::kPauseWriter:
      return "pause writer";
  }
  return "?";
}

// How often each comes, in relation to the others.
constexpr std::pair<Kind, int> kWeights[] = {
    {Kind::kKillDatanode, 4},
    {Kind::kPowerCutDatanode, 3},
    {Kind::kPowerCutInDatanode, 5},
    {Kind::kPauseDatanode, 3},
    {Kind::kDiskError, 2},
    {Kind::kFlipBit, 2},
    {Kind::kPowerCutNamenode, 4},
    {Kind::kPauseNamenode, 1},
    {Kind::kPowerCutAll, 1},
    {Kind::kCut, 3},
    {Kind::kIsolate, 2},
    {Kind::kSlow, 2},
    {Kind::kKillWriter, 3},
    {Kind::kPauseWriter, 2},
};

}  // namespace

std::string Fault::ToString() const {
  return absl::StrFormat("at %s: %s %d %d, number %d, for %s", absl::FormatDuration(when),
                         NameOf(kind), host, other, number, absl::FormatDuration(time));
}

Setting MakeSetting(uint64_t seed) {
  std::mt19937_64 random(seed ^ 0x9e3779b97f4a7c15u);
  const auto below = [&](uint64_t n) { return static_cast<int>(random() % n); };
  const auto between = [&](int least_ms, int most_ms) {
    return absl::Milliseconds(least_ms + below(static_cast<uint64_t>(most_ms - least_ms + 1)));
  };
  Setting setting;
  setting.datanodes = 3 + below(3);
  setting.writers = 1 + below(3);
  setting.length = between(8'000, 30'000);
  int weights = 0;
  for (const auto& [kind, weight] : kWeights) weights += weight;
  const int count = below(9);
  for (int i = 0; i < count; ++i) {
    Fault fault;
    int at = below(static_cast<uint64_t>(weights));
    for (const auto& [kind, weight] : kWeights) {
      fault.kind = kind;
      if ((at -= weight) < 0) break;
    }
    fault.when = between(200, static_cast<int>(absl::ToInt64Milliseconds(setting.length)));
    // Mostly short; sometimes beyond what makes a node stale, or dead.
    switch (below(4)) {
      case 0:
        fault.time = between(1, 500);
        break;
      case 1:
      case 2:
        fault.time = between(500, 8'000);
        break;
      default:
        fault.time = between(8'000, 30'000);
    }
    const bool of_writer = fault.kind == Kind::kKillWriter || fault.kind == Kind::kPauseWriter;
    fault.host = of_writer ? below(static_cast<uint64_t>(setting.writers))
                           : 1 + below(static_cast<uint64_t>(setting.datanodes));
    fault.other = below(static_cast<uint64_t>(setting.datanodes + 1 + setting.writers));
    if (fault.other > setting.datanodes) fault.other = 100 + fault.other - setting.datanodes;
    if (fault.kind == Kind::kCut && below(2) == 0) std::swap(fault.host, fault.other);
    fault.number = 1 + below(20);
    setting.faults.push_back(fault);
  }
  std::sort(setting.faults.begin(), setting.faults.end(),
            [](const Fault& a, const Fault& b) { return a.when < b.when; });
  return setting;
}

}  // namespace cairn::sim
