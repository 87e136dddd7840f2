#include "namenode/blocks/balance_planner.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/strings/str_cat.h"

namespace cairn::namenode {
namespace {

// Nodes whose bucket is full again are forgotten when there are more than this.
constexpr size_t kManyNodes = 1000;
constexpr uint64_t kSecondsUnderWay = 2;

bool Names(const std::vector<std::string>& names, const DatanodeAddress& address) {
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    return name == address.ip || name == address.host_name ||
           name == absl::StrCat(address.ip, ":", address.transfer_port) ||
           name == absl::StrCat(address.host_name, ":", address.transfer_port);
  });
}

// A datanode's storages of one type.
struct Group {
  const ClusterView::Node* node;
  uint64_t capacity = 0, used = 0, remaining = 0;
  bool may_give = true;
  // Of the iteration: what it may still give, or take.
  uint64_t available = 0;

  double percent() const {
    return 100.0 * static_cast<double>(used) / static_cast<double>(capacity);
  }
};

uint64_t ShareOf(uint64_t capacity, double percent) {
  return static_cast<uint64_t>(static_cast<double>(capacity) * percent / 100.0);
}

class BalancePlanner {
 public:
  BalancePlanner(uint32_t type, std::vector<Group> groups, const BalanceRules& rules,
                 BalancePlan* plan)
      : type_(type), groups_(std::move(groups)), rules_(rules), plan_(*plan) {}

  void Run() {
    Classify();
    for (const bool same_rack : {true, false}) Match(over_, under_, same_rack);
    for (const bool same_rack : {true, false}) Match(over_, below_, same_rack);
    for (const bool same_rack : {true, false}) Match(above_, under_, same_rack);
  }

 private:
  void Classify() {
    double used = 0, capacity = 0;
    for (const Group& group : groups_) {
      used += static_cast<double>(group.used);
      capacity += static_cast<double>(group.capacity);
    }
    const double average = 100.0 * used / capacity;
    // The fullest gives first, the emptiest takes first.
    std::stable_sort(groups_.begin(), groups_.end(),
                     [](const Group& a, const Group& b) { return a.percent() > b.percent(); });
    double too_much = 0, too_little = 0;  // bytes
    for (Group& group : groups_) {
      const double apart = group.percent() - average;
      const double beyond = std::abs(apart) - rules_.threshold_percent;
      group.available = std::min(ShareOf(group.capacity, std::abs(apart)), rules_.most_bytes);
      const double bytes_beyond =
          beyond > 0 ? static_cast<double>(ShareOf(group.capacity, beyond)) : 0;
      if (apart > 0) {
        if (!group.may_give) continue;
        too_much += bytes_beyond;
        (beyond > 0 ? over_ : above_).push_back(&group);
      } else {
        group.available = std::min(group.available, group.remaining);
        too_little += bytes_beyond;
        auto& takers = beyond > 0 ? under_ : below_;
        takers.insert(takers.begin(), &group);
      }
    }
    plan_.bytes_left += static_cast<uint64_t>(std::max(too_much, too_little));
  }

  void Match(const std::vector<Group*>& givers, const std::vector<Group*>& takers, bool same_rack) {
    for (Group* const giver : givers) {
      for (Group* const taker : takers) {
        if (same_rack && giver->node->rack != taker->node->rack) continue;
        const uint64_t bytes = std::min(giver->available, taker->available);
        if (bytes == 0) continue;
        giver->available -= bytes;
        taker->available -= bytes;
        plan_.bytes_planned += bytes;
        plan_.pairs.push_back({.source = giver->node->info->uuid,
                               .target = taker->node->info->uuid,
                               .type = type_,
                               .bytes = bytes});
      }
    }
  }

  const uint32_t type_;
  std::vector<Group> groups_;
  const BalanceRules& rules_;
  BalancePlan& plan_;
  std::vector<Group*> over_, above_, below_, under_;
};

// Live and in service: what moves may use at all.
bool TakesPart(const DatanodeInfo& node) {
  return node.liveness == Liveness::kLive && node.admin_state == AdminState::kInService;
}

// As many live replicas as wanted, each known to be there, and nothing else of it anywhere.
bool IsInOrder(const BlockFacts& facts, const ClusterView& view) {
  if (facts.counts.live != facts.wanted || CountTrusted(facts.replicas, view) != facts.wanted ||
      !facts.arriving.empty() || !facts.writing.empty() ||
      IsBadlySpread(facts.counts, facts.wanted, view)) {
    return false;
  }
  return std::all_of(facts.replicas.begin(), facts.replicas.end(), [](const auto& replica) {
    return replica.standing == Standing::kLive || replica.standing == Standing::kDead;
  });
}

class BlockMovePlanner {
 public:
  BlockMovePlanner(const BlockFacts& facts, uint32_t from, const ClusterView& view,
                   const BalanceBudget& budget, absl::Duration now)
      : facts_(facts), from_(from), view_(view), budget_(budget), now_(now) {}

  BlockMovePlan Run(std::span<const BalanceTarget> targets) {
    BlockMovePlan plan;
    if (!IsInOrder(facts_, view_) || !HoldsGoodReplica(from_)) return plan;
    for (size_t i = 0; i < targets.size(); ++i) {
      if (facts_.block.length / 2 > targets[i].bytes_left || targets[i].bytes_left == 0) continue;
      const ClusterView::Node* const node = view_.FindByUuid(targets[i].node);
      if (node == nullptr || !TakesPart(*node->info) || HoldsAny(*node) || LosesRack(*node)) {
        continue;
      }
      const StorageInfo* const storage = PickStorage(*node->info);
      if (storage == nullptr) continue;
      plan.result = BlockMovePlan::Result::kBusy;
      if (!budget_.ClusterHasRoom() || !budget_.CanTake(node->info->uuid, now_)) continue;
      const std::optional<uint32_t> sender = ChooseSender(*node);
      if (!sender) continue;
      return {.result = BlockMovePlan::Result::kMove,
              .move = {.from = from_, .sender = *sender, .to = storage->number},
              .target = i};
    }
    return plan;
  }

 private:
  bool HoldsGoodReplica(uint32_t storage) const {
    return std::any_of(facts_.replicas.begin(), facts_.replicas.end(), [&](const auto& replica) {
      return replica.storage == storage && replica.standing == Standing::kLive;
    });
  }

  // Also one that is lost with its disk: the namenode may yet hear that it is back.
  bool HoldsAny(const ClusterView::Node& node) const {
    return std::any_of(facts_.replicas.begin(), facts_.replicas.end(),
                       [&](const auto& replica) { return view_.NodeOf(replica.storage) == &node; });
  }

  // Whether the block would stand in fewer racks than it does.
  bool LosesRack(const ClusterView::Node& to) const {
    const uint32_t from_rack = view_.NodeOf(from_)->rack;
    bool another_in_from = false, any_in_to = false;
    for (const auto& [storage, standing] : facts_.replicas) {
      if (standing != Standing::kLive || storage == from_) continue;
      const uint32_t rack = view_.NodeOf(storage)->rack;
      another_in_from |= rack == from_rack;
      any_in_to |= rack == to.rack;
    }
    return !another_in_from && any_in_to && to.rack != from_rack;
  }

  // Of the type of the replica that goes; the one with most room.
  const StorageInfo* PickStorage(const DatanodeInfo& node) const {
    const uint32_t type = view_.Find(from_)->storage_type;
    const StorageInfo* best = nullptr;
    for (const StorageInfo& storage : node.storages) {
      if (storage.failed || storage.type != type || storage.remaining_bytes < facts_.block.length) {
        continue;
      }
      if (best == nullptr || storage.remaining_bytes > best->remaining_bytes) best = &storage;
    }
    return best;
  }

  // One in the target's rack rather than another, then the one that sends least; among equals the
  // replica that goes, since its node has more than its share in any case.
  std::optional<uint32_t> ChooseSender(const ClusterView::Node& to) const {
    const auto key = [&](uint32_t storage) {
      const ClusterView::Node& node = *view_.NodeOf(storage);
      return std::make_tuple(node.rack != to.rack, budget_.LoadOf(node.info->uuid).copies_out,
                             storage != from_);
    };
    std::optional<uint32_t> best;
    for (const auto& [storage, standing] : facts_.replicas) {
      if (standing != Standing::kLive || !view_.IsReadable(storage)) continue;
      if (!budget_.CanSend(view_.NodeOf(storage)->info->uuid, now_)) continue;
      if (!best || key(storage) < key(*best)) best = storage;
    }
    return best;
  }

  const BlockFacts& facts_;
  const uint32_t from_;
  const ClusterView& view_;
  const BalanceBudget& budget_;
  const absl::Duration now_;
};

}  // namespace

BalancePlan PlanBalance(const ClusterView& view, const BalanceRules& rules) {
  std::map<uint32_t, std::vector<Group>> by_type;
  for (const ClusterView::Node& node : view.nodes()) {
    const DatanodeInfo& info = *node.info;
    if (!TakesPart(info) || Names(rules.exclude, info.address)) continue;
    if (!rules.include.empty() && !Names(rules.include, info.address)) continue;
    std::map<uint32_t, Group> groups;
    for (const StorageInfo& storage : info.storages) {
      if (storage.failed) continue;
      Group& group = groups.try_emplace(storage.type, Group{.node = &node}).first->second;
      group.capacity += storage.capacity_bytes;
      group.used += storage.used_bytes;
      group.remaining += storage.remaining_bytes;
    }
    for (auto& [type, group] : groups) {
      if (group.capacity == 0) continue;
      group.may_give = rules.sources.empty() || Names(rules.sources, info.address);
      by_type[type].push_back(group);
    }
  }
  BalancePlan plan;
  for (auto& [type, groups] : by_type) {
    BalancePlanner(type, std::move(groups), rules, &plan).Run();
  }
  return plan;
}

void BalanceBudget::SetLimits(const Limits& limits) {
  if (limits.node_bandwidth != limits_.node_bandwidth) nodes_.clear();
  limits_ = limits;
  limits_.node_bandwidth = std::max<uint64_t>(limits_.node_bandwidth, 1);
}

// `copies`, `bytes`: under way in that direction.
bool BalanceBudget::HasRoom(absl::string_view node, uint32_t copies, uint64_t bytes,
                            absl::Duration now) const {
  const PendingCopies::Load& repair = repairs_.LoadOf(node);
  if (repair.copies_out > 0 || repair.copies_in > 0) return false;
  if (copies >= limits_.moves_per_node || bytes / kSecondsUnderWay >= limits_.node_bandwidth) {
    return false;
  }
  const auto found = nodes_.find(node);
  return found == nodes_.end() || found->second.HasAny(now);
}

bool BalanceBudget::CanSend(absl::string_view node, absl::Duration now) const {
  const PendingCopies::Load& load = moves_.LoadOf(node);
  return HasRoom(node, load.copies_out, load.bytes_out, now);
}

bool BalanceBudget::CanTake(absl::string_view node, absl::Duration now) const {
  const PendingCopies::Load& load = moves_.LoadOf(node);
  return HasRoom(node, load.copies_in, load.bytes_in, now);
}

void BalanceBudget::SpendOf(absl::string_view node, uint64_t bytes, absl::Duration now) {
  if (nodes_.size() > kManyNodes) {
    absl::erase_if(nodes_, [now](const auto& item) { return item.second.IsFull(now); });
  }
  nodes_.try_emplace(std::string(node), static_cast<double>(limits_.node_bandwidth), now)
      .first->second.Take(static_cast<double>(bytes), now);
}

void BalanceBudget::Spend(absl::string_view source, absl::string_view target, uint64_t bytes,
                          absl::Duration now) {
  SpendOf(source, bytes, now);
  SpendOf(target, bytes, now);
}

BlockMovePlan PlanBlockMove(const BlockFacts& facts, uint32_t from,
                            std::span<const BalanceTarget> targets, const ClusterView& view,
                            const BalanceBudget& budget, absl::Duration now) {
  return BlockMovePlanner(facts, from, view, budget, now).Run(targets);
}

}  // namespace cairn::namenode
