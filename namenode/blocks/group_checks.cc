#include "namenode/blocks/group_checks.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/random/uniform_int_distribution.h"

namespace cairn::namenode {
namespace {

using VerdictResult = GroupVerdict::Result;

constexpr absl::Duration kPauseAfterFailure = absl::Minutes(1);

bool IsInSession(const ClusterView& view, const GroupChecks::Pending& order) {
  const ClusterView::Node* const node = view.FindByUuid(order.datanode);
  return node != nullptr && node->info->liveness != Liveness::kDead &&
         node->info->session == order.session;
}

GroupChecks::Told ToldBy(GroupChecks::Pending order, VerdictResult result,
                         GroupChecks::UnitAt wrong, std::string reason) {
  GroupChecks::Look look{.datanode = order.datanode,
                         .address = order.address,
                         .result = result,
                         .wrong = wrong,
                         .reason = std::move(reason)};
  return {std::move(order), std::move(look)};
}

}  // namespace

bool GroupChecks::IsVerifying(absl::string_view datanode) const {
  return std::any_of(pending_.begin(), pending_.end(),
                     [&](const auto& entry) { return entry.second.datanode == datanode; });
}

void GroupChecks::Ordered(Pending order) {
  const BlockId group = order.group.id;
  pending_[group] = std::move(order);
}

bool GroupChecks::TakeVerdict(absl::string_view datanode, uint64_t session,
                              const GroupVerdict& verdict) {
  const auto found = pending_.find(verdict.group);
  if (found == pending_.end()) return false;
  Pending& order = found->second;
  if (order.datanode != datanode || order.session != session || order.number != verdict.number ||
      order.group.stamp != verdict.stamp) {
    return false;
  }
  VerdictResult result = verdict.result;
  UnitAt wrong;
  if (result == VerdictResult::kOneIsWrong) {
    const auto unit = std::find_if(order.units.begin(), order.units.end(),
                                   [&](const UnitAt& at) { return at.unit == verdict.unit; });
    if (unit == order.units.end()) {
      result = VerdictResult::kCouldNot;  // there is no such unit: it says nothing
    } else {
      wrong = *unit;
    }
  }
  told_.push_back(ToldBy(std::move(order), result, wrong, verdict.reason));
  pending_.erase(found);
  return true;
}

std::vector<GroupChecks::Told> GroupChecks::TakeTold() { return std::exchange(told_, {}); }

std::vector<GroupChecks::Told> GroupChecks::TakeEnded(absl::Duration now, const ClusterView& view) {
  std::vector<Told> ended;
  for (auto it = pending_.begin(); it != pending_.end();) {
    const bool late = it->second.deadline <= now;
    if (!late && IsInSession(view, it->second)) {
      ++it;
      continue;
    }
    ended.push_back(ToldBy(std::move(it->second), VerdictResult::kCouldNot, {},
                           late ? "nothing was heard of it in time" : "its datanode has gone"));
    it = pending_.erase(it);
  }
  return ended;
}

absl::Duration GroupChecks::PauseAfter(int tries) {
  if (tries <= 0) return absl::ZeroDuration();
  return kPauseAfterFailure * (1 << std::min(tries - 1, kMostTries));
}

bool GroupChecks::LookAgain(Again again) {
  const bool is_new = !again_.contains(again.group);
  if (is_new && IsFull()) return false;
  const BlockId group = again.group;
  again_[group] = std::move(again);
  return true;
}

std::optional<GroupChecks::Again> GroupChecks::TakeDue(absl::Duration now) {
  for (auto it = again_.begin(); it != again_.end(); ++it) {
    if (it->second.due > now || pending_.contains(it->first)) continue;
    Again due = std::move(it->second);
    again_.erase(it);
    return due;
  }
  return std::nullopt;
}

void GroupChecks::Learn(BlockId group, Known known) {
  if (known_.size() >= kMostKnown && !known_.contains(group)) return;
  known_[group] = std::move(known);
}

const GroupChecks::Known* GroupChecks::Find(BlockId group) const {
  const auto found = known_.find(group);
  return found == known_.end() ? nullptr : &found->second;
}

void GroupChecks::Disturb(BlockId group) {
  if (const auto found = pending_.find(group); found != pending_.end()) {
    found->second.disturbed = true;
  }
  for (Told& told : told_) {
    if (told.order.group.id == group) told.order.disturbed = true;
  }
  if (const auto found = again_.find(group); found != again_.end()) found->second.before.reset();
}

void GroupChecks::Forget(BlockId group) {
  pending_.erase(group);
  again_.erase(group);
  known_.erase(group);
}

Conclusion Conclude(const std::optional<GroupChecks::Look>& before, const GroupChecks::Look& now) {
  if (now.result == VerdictResult::kCouldNot) {
    return before.has_value() ? Conclusion::kLookAgain : Conclusion::kSkip;
  }
  if (now.result == VerdictResult::kAgree) {
    return before.has_value() ? Conclusion::kDispute : Conclusion::kAgree;
  }
  if (!before.has_value()) return Conclusion::kLookAgain;
  const bool same = before->result == VerdictResult::kOneIsWrong &&
                    now.result == VerdictResult::kOneIsWrong && before->wrong == now.wrong;
  return same ? Conclusion::kOneIsWrong : Conclusion::kContradict;
}

VerifierChoice ChooseVerifier(const std::vector<GroupChecks::UnitAt>& units,
                              const GroupChecks::Again& group, const ClusterView& view,
                              const std::function<bool(const std::string& datanode)>& is_busy,
                              absl::BitGenRef random) {
  struct Rank {
    bool failed = false;
    uint64_t load = 0;
    uint32_t draw = 0;
    bool operator<(const Rank& other) const {
      return std::tie(failed, load, draw) < std::tie(other.failed, other.load, other.draw);
    }
  };
  VerifierChoice choice;
  Rank best;
  for (const auto& [unit, storage] : units) {
    const ClusterView::Node* const node = view.NodeOf(storage);
    if (node == nullptr || node->info->liveness != Liveness::kLive ||
        node->info->admin_state != AdminState::kInService) {
      continue;
    }
    const std::string& uuid = node->info->uuid;
    if (const std::optional<GroupChecks::Look>& before = group.before; before.has_value()) {
      const bool has_it =
          before->result == VerdictResult::kOneIsWrong && before->wrong.unit == unit;
      if (has_it || before->datanode == uuid) continue;
    }
    if (is_busy(uuid)) {
      choice.busy = true;
      continue;
    }
    const Rank rank{uuid == group.failed, node->load(),
                    absl::uniform_int_distribution<uint32_t>()(random)};
    if (choice.storage.has_value() && !(rank < best)) continue;
    choice.storage = storage;
    best = rank;
  }
  if (choice.storage.has_value()) choice.busy = false;
  return choice;
}

}  // namespace cairn::namenode
