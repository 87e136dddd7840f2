#include "tools/top/judge.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/dfs/format.h"
#include "tools/hadoop_text.h"

namespace cairn::tools {
namespace {

using client::ClusterFacts;
using client::Need;
using client::NodeFacts;
using client::NodeLiveness;

// Methods and users shown beside each other.
constexpr size_t kOperationRows = 8;
// What a namenode calls those users that it does not tell apart.
constexpr char kOthers[] = "(others)";

const char* LivenessText(NodeLiveness liveness) {
  switch (liveness) {
    case NodeLiveness::kLive:
      return "live";
    case NodeLiveness::kStale:
      return "stale";
    case NodeLiveness::kDead:
      return "dead";
  }
  return "dead";
}

struct Space {
  uint64_t capacity = 0, used = 0, remaining = 0, blocks = 0;
  int failed = 0;
};

Space SpaceOf(const NodeFacts& node) {
  Space sum;
  for (const client::StorageFacts& storage : node.storages) {
    if (storage.failed) {
      ++sum.failed;
      continue;
    }
    sum.capacity += storage.capacity;
    sum.used += storage.used;
    sum.remaining += storage.remaining;
    sum.blocks += storage.blocks;
  }
  return sum;
}

std::string UsedText(const Space& space) {
  if (space.capacity == 0) return "-";
  return absl::StrFormat(
      "%.0f %%",
      100.0 * static_cast<double>(space.capacity - std::min(space.remaining, space.capacity)) /
          static_cast<double>(space.capacity));
}

// Those in trouble first, then by load.
std::vector<const NodeFacts*> InOrder(const std::vector<NodeFacts>& nodes) {
  std::vector<const NodeFacts*> order;
  for (const NodeFacts& node : nodes) order.push_back(&node);
  std::stable_sort(order.begin(), order.end(), [](const NodeFacts* a, const NodeFacts* b) {
    if (a->liveness != b->liveness) return a->liveness > b->liveness;
    return a->transfers > b->transfers;
  });
  return order;
}

double Seconds(absl::Duration between) { return std::max(absl::ToDoubleSeconds(between), 0.001); }

std::map<std::string, uint64_t> ByName(const std::vector<client::OperationCount>& counts) {
  std::map<std::string, uint64_t> by_name;
  for (const client::OperationCount& count : counts) by_name[count.name] = count.calls;
  return by_name;
}

void Sort(std::vector<Rate>* rates) {
  std::stable_sort(rates->begin(), rates->end(),
                   [](const Rate& a, const Rate& b) { return a.per_second > b.per_second; });
}

// Methods are never forgotten.
bool HasStartedAgain(const std::vector<client::OperationCount>& before,
                     const std::vector<client::OperationCount>& after) {
  const std::map<std::string, uint64_t> now = ByName(after);
  return std::any_of(before.begin(), before.end(), [&](const client::OperationCount& count) {
    const auto found = now.find(count.name);
    return found == now.end() || found->second < count.calls;
  });
}

std::string RateText(const std::vector<Rate>& rates, size_t row) {
  if (row >= rates.size()) return "";
  return absl::StrFormat("%9.1f  %-28s", rates[row].per_second, Escaped(rates[row].name));
}

}  // namespace

std::vector<Rate> Rates(const std::vector<client::OperationCount>& before,
                        const std::vector<client::OperationCount>& after, absl::Duration between) {
  const std::map<std::string, uint64_t> earlier = ByName(before);
  std::vector<Rate> rates;
  for (const client::OperationCount& count : after) {
    const auto found = earlier.find(count.name);
    const uint64_t old = found == earlier.end() ? 0 : found->second;
    const uint64_t calls = count.calls >= old ? count.calls - old : count.calls;
    if (calls > 0) rates.push_back({count.name, static_cast<double>(calls) / Seconds(between)});
  }
  Sort(&rates);
  return rates;
}

std::vector<Rate> UserRates(const std::vector<client::OperationCount>& before,
                            const std::vector<client::OperationCount>& after, bool started_again,
                            double calls, absl::Duration between) {
  std::map<std::string, uint64_t> earlier;
  if (!started_again) earlier = ByName(before);
  const bool knew_all = !earlier.contains(kOthers);
  std::vector<Rate> rates;
  for (const client::OperationCount& count : after) {
    if (count.name == kOthers) continue;
    const auto found = earlier.find(count.name);
    if (found == earlier.end() && !knew_all) continue;
    const uint64_t old = found == earlier.end() ? 0 : found->second;
    if (count.calls <= old) continue;  // less: one of the namenode's threads has forgotten it
    const auto made = static_cast<double>(count.calls - old);
    rates.push_back({count.name, made / Seconds(between)});
    calls -= made;
  }
  if (calls >= 1) rates.push_back({kOthers, calls / Seconds(between)});
  Sort(&rates);
  return rates;
}

TopSample MakeSample(client::ClusterFacts cluster, const client::Operations& before,
                     const client::Operations& after) {
  TopSample sample;
  sample.cluster = std::move(cluster);
  const absl::Duration between = after.at - before.at;
  sample.methods = Rates(before.methods, after.methods, between);
  for (const Rate& rate : sample.methods) sample.total_per_second += rate.per_second;
  sample.users =
      UserRates(before.users, after.users, HasStartedAgain(before.methods, after.methods),
                std::round(sample.total_per_second * Seconds(between)), between);
  return sample;
}

void PrintTop(const TopSample& sample, const std::string& namenode, size_t rows,
              std::ostream& out) {
  const ClusterFacts& c = sample.cluster;
  std::ostringstream text;
  text << namenode << "  up "
       << absl::FormatDuration(absl::Trunc(c.now - c.started, absl::Seconds(1)))
       << (c.safe_mode ? "  SAFE MODE" : "")
       << absl::StreamFormat("  %.1f operations/s\n", sample.total_per_second);
  text << "blocks: " << c.by_need[static_cast<size_t>(Need::kMissing)] << " missing, "
       << c.low_redundancy() - c.by_need[static_cast<size_t>(Need::kMissing)] << " lack replicas, "
       << c.by_need[static_cast<size_t>(Need::kBadlySpread)] << " badly spread, " << c.copies
       << " copies under way, " << c.pending_deletions << " replicas to delete"
       << (c.looking      ? " (still looking)"
           : c.overflowed ? " (or more)"
                          : "")
       << "\n\n";
  text << absl::StreamFormat("%9s  %-28s%9s  %s\n", "ops/s", "operation", "ops/s", "user");
  const size_t operations =
      std::min(kOperationRows, std::max(sample.methods.size(), sample.users.size()));
  for (size_t i = 0; i < operations; ++i) {
    const std::string left = RateText(sample.methods, i);
    text << absl::StreamFormat("%-39s%s\n", left, RateText(sample.users, i));
  }
  text << absl::StreamFormat("\n%-24s%-18s%-7s%10s%8s%10s%12s%8s\n", "datanode", "rack", "state",
                             "silent", "used", "left", "blocks", "busy");
  for (const NodeFacts* const node : InOrder(c.nodes)) {
    const Space space = SpaceOf(*node);
    text << absl::StreamFormat(
        "%-24s%-18s%-7s%10s%8s%10s%12d%8d%s\n", node->name(), node->rack,
        LivenessText(node->liveness),
        absl::FormatDuration(absl::Trunc(node->silent, absl::Milliseconds(100))), UsedText(space),
        HumanSize(space.remaining), space.blocks, node->transfers,
        space.failed > 0 ? absl::StrCat("  ", space.failed, " failed disks") : "");
  }
  std::istringstream lines(text.str());
  std::string line;
  for (size_t i = 0; (rows == 0 || i < rows) && std::getline(lines, line); ++i) out << line << "\n";
}

void WriteTop(const TopSample& sample, JsonWriter& json) {
  const ClusterFacts& c = sample.cluster;
  const auto rates = [&](const char* name, const std::vector<Rate>& list) {
    json.Key(name);
    json.BeginArray();
    for (const Rate& rate : list) {
      json.BeginObject();
      json.Field("name", rate.name);
      json.Field("per_second", rate.per_second);
      json.EndObject();
    }
    json.EndArray();
  };
  json.BeginObject();
  json.Field("uptime_s", absl::ToDoubleSeconds(c.now - c.started));
  json.Field("safe_mode", c.safe_mode);
  json.Field("operations_per_second", sample.total_per_second);
  rates("operations", sample.methods);
  rates("users", sample.users);
  json.Key("blocks");
  json.BeginObject();
  json.Field("missing", c.by_need[static_cast<size_t>(Need::kMissing)]);
  json.Field("low_redundancy", c.low_redundancy());
  json.Field("badly_spread", c.by_need[static_cast<size_t>(Need::kBadlySpread)]);
  json.Field("copies_under_way", c.copies);
  json.Field("replicas_to_delete", c.pending_deletions);
  json.Field("looking", c.looking);
  json.Field("overflowed", c.overflowed);
  json.EndObject();
  json.Key("datanodes");
  json.BeginArray();
  for (const NodeFacts* const node : InOrder(c.nodes)) {
    const Space space = SpaceOf(*node);
    json.BeginObject();
    json.Field("datanode", node->name());
    json.Field("host", node->host);
    json.Field("rack", node->rack);
    json.Field("state", LivenessText(node->liveness));
    json.Field("silent_s", absl::ToDoubleSeconds(node->silent));
    json.Field("capacity", space.capacity);
    json.Field("used", space.used);
    json.Field("remaining", space.remaining);
    json.Field("blocks", space.blocks);
    json.Field("transfers", node->transfers);
    json.Field("failed_storages", static_cast<uint64_t>(space.failed));
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();
}

}  // namespace cairn::tools
