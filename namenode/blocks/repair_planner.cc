#include "namenode/blocks/repair_planner.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"

namespace cairn::namenode {
namespace {

// Targets that turn out to be busy are drawn anew this often.
constexpr int kTargetTries = 4;

class Planner {
 public:
  Planner(const BlockFacts& facts, Need need, const RepairRules& rules, const ClusterView& view,
          const RepairBudget& budget, absl::Duration now, Random random)
      : facts_(facts),
        need_(need),
        rules_(rules),
        view_(view),
        budget_(budget),
        now_(now),
        random_(random) {}

  RepairPlan Run() {
    switch (need_) {
      case Need::kHighest:
      case Need::kVeryLow:
      case Need::kLow:
        if (facts_.group && facts_.counts.readable == 0) {
          PlanRebuild();
        } else {
          PlanCopies(Lacking());
        }
        break;
      case Need::kBadlySpread:
        PlanCopies(Repairing() == 0 ? 1 : 0);
        break;
      case Need::kMissing:
        Block(facts_.group                ? "too few other units of its group can be read"
              : facts_.counts.corrupt > 0 ? "every copy that is there is corrupt"
              : facts_.counts.awaited > 0 ? "the datanodes that have it have not registered yet"
              : facts_.counts.dead > 0    ? "the datanodes or disks that have it are lost"
                                          : "no datanode has it");
        break;
      case Need::kSurplus:
        PlanDeletions();
        break;
    }
    return std::move(plan_);
  }

 private:
  const DatanodeInfo& NodeOf(uint32_t storage) const { return *view_.NodeOf(storage)->info; }
  uint32_t Needed() const {
    return LiveNeeded(facts_.counts, facts_.wanted, rules_.min_maintenance);
  }
  // Copies under way to put something right.
  uint32_t Repairing() const {
    return static_cast<uint32_t>(facts_.arriving.size()) - facts_.moving;
  }
  uint32_t Lacking() const {
    const uint32_t there = facts_.counts.live + facts_.counts.awaited + Repairing();
    return Needed() > there ? Needed() - there : 0;
  }
  void Block(std::string why) {
    plan_.next = RepairPlan::Next::kBlocked;
    plan_.blocked_by = std::move(why);
  }
  void Busy(std::string why) {
    plan_.next = RepairPlan::Next::kBusy;
    plan_.blocked_by = std::move(why);
  }

  // ---- copies

  void PlanCopies(uint32_t lacking) {
    if (lacking == 0) return;  // all of it is under way
    if (!budget_.ClusterHasRoom(now_)) return Busy("the cluster's limit for repair is reached");
    const std::optional<uint32_t> source = ChooseSource();
    if (!source) return;
    std::vector<uint32_t> targets = ChooseCopyTargets(lacking);
    if (targets.empty()) return;
    plan_.copy = {*source, std::move(targets)};
  }

  // Smaller is better; nullopt: no source.
  static std::optional<int> SourceRank(Standing standing) {
    switch (standing) {
      case Standing::kDecommissioning:
      case Standing::kDecommissioned:
        return 0;
      case Standing::kLive:
      case Standing::kMaintenance:
        return 1;
      case Standing::kExcess:
        return 2;
      default:
        return std::nullopt;
    }
  }

  std::optional<uint32_t> ChooseSource() {
    struct Candidate {
      int rank;
      uint64_t load;
      uint32_t storage;
    };
    std::optional<Candidate> best;
    bool busy = false;
    for (const auto& [storage, standing] : facts_.replicas) {
      const std::optional<int> rank = SourceRank(standing);
      if (!rank || !view_.IsReadable(storage)) continue;
      const DatanodeInfo& node = NodeOf(storage);
      if (node.liveness != Liveness::kLive) continue;
      if (!budget_.CanSend(node.uuid, facts_.block.length, need_, now_)) {
        busy = true;
        continue;
      }
      const PendingCopies::Load& load = budget_.LoadOf(node.uuid);
      const Candidate candidate{
          *rank, load.copies_out + load.bytes_out / kLoadBytes + node.transfers / kTransfersPerCopy,
          storage};
      if (!best || std::tie(candidate.rank, candidate.load) < std::tie(best->rank, best->load)) {
        best = candidate;
      }
    }
    if (best) return best->storage;
    if (busy) {
      Busy("the datanodes that have it send as many copies as they may");
    } else {
      Block("the datanodes that have a good copy are silent");
    }
    return std::nullopt;
  }

  std::vector<uint32_t> ChooseCopyTargets(uint32_t lacking) {
    std::vector<uint32_t> existing;
    std::vector<std::string> excluded;
    for (const auto& [storage, standing] : facts_.replicas) {
      if (view_.NodeOf(storage) == nullptr) continue;
      const bool stays = standing == Standing::kLive || standing == Standing::kStale ||
                         standing == Standing::kMaintenance;
      if (stays) {
        existing.push_back(storage);
      } else {
        // Of a dead disk's node another disk may do; HDFS, too, puts it there.
        if (standing != Standing::kDead) excluded.push_back(NodeOf(storage).uuid);
      }
    }
    existing.insert(existing.end(), facts_.arriving.begin(), facts_.arriving.end());
    AddOthers(&existing, &excluded);

    const std::vector<std::string> avoided = ToAvoid();
    bool busy = false;
    std::vector<uint32_t> targets = TryTargets(lacking, existing, excluded, avoided, &busy);
    if (targets.empty() && !avoided.empty() && !busy) {
      // Of the block itself none of them has a bad replica; of other units that are lost they may.
      targets = TryTargets(facts_.group ? 1 : lacking, existing, excluded, {}, &busy);
    }
    if (need_ == Need::kBadlySpread && !targets.empty() && !IsInNewRack(targets.front())) {
      targets.clear();
    }
    if (!targets.empty()) return targets;
    if (busy) {
      Busy("the datanodes that could take a copy take as many as they may");
    } else if (facts_.counts.corrupt > 0 && CanMakeRoom()) {
      DeleteOne(Standing::kCorrupt);
    } else if (facts_.counts.excess > 0 && CanMakeRoom()) {
      DeleteOne(Standing::kExcess);  // ordered before, but the order may be lost
    } else if (need_ == Need::kBadlySpread) {
      Block("no datanode of another rack can take a copy");
    } else {
      Block(absl::StrCat("no datanode can take a copy: ", view_.live_nodes(), " are live, ",
                         existing.size(), " of them have one already"));
    }
    return {};
  }

  // Datanodes that are tried when there is no other: a replica that is open there and has not been
  // reported yet, or a bad one of another unit of the group, would have them refuse.
  std::vector<std::string> ToAvoid() const {
    std::vector<uint32_t> storages = facts_.writing;
    if (facts_.group) {
      storages.insert(storages.end(), facts_.group->bad.begin(), facts_.group->bad.end());
    }
    std::vector<std::string> nodes;
    for (const uint32_t storage : storages) {
      if (view_.NodeOf(storage) != nullptr) nodes.push_back(NodeOf(storage).uuid);
    }
    return nodes;
  }

  // Those that may be given a copy now. *busy: there are others, which take as many as they may.
  std::vector<uint32_t> TryTargets(uint32_t lacking, const std::vector<uint32_t>& existing,
                                   std::vector<std::string> excluded,
                                   const std::vector<std::string>& avoided, bool* busy) {
    excluded.insert(excluded.end(), avoided.begin(), avoided.end());
    PlacementRequest request;
    request.replicas = lacking;
    request.block_bytes = facts_.block.length;
    request.storage_policy = facts_.storage_policy;
    request.ignore_locality = true;
    request.new_block = false;
    if (facts_.group) request.erasure = facts_.group->policy;
    request.existing = existing;
    std::vector<uint32_t> targets;
    for (int tries = 0; tries < kTargetTries && targets.empty(); ++tries) {
      request.excluded = excluded;
      const auto chosen = ChooseTargets(view_, request, random_);
      if (!chosen.ok()) break;
      for (const uint32_t storage : *chosen) {
        const DatanodeInfo& node = NodeOf(storage);
        if (node.liveness == Liveness::kLive && node.admin_state == AdminState::kInService) {
          if (budget_.CanTake(node.uuid, facts_.block.length, need_, now_)) {
            targets.push_back(storage);
            continue;
          }
          *busy = true;
        }
        excluded.push_back(node.uuid);
      }
    }
    return targets;
  }

  // ---- units

  // A datanode with another unit of the group gets none.
  void AddOthers(std::vector<uint32_t>* existing, std::vector<std::string>* excluded) const {
    if (!facts_.group) return;
    for (const uint32_t storage : facts_.group->arriving) {
      if (view_.NodeOf(storage) != nullptr) existing->push_back(storage);
    }
    for (const GroupFacts::Unit& other : facts_.group->others) {
      if (view_.NodeOf(other.replica.storage) == nullptr) continue;
      if (other.replica.standing == Standing::kLive || other.replica.standing == Standing::kStale) {
        existing->push_back(other.replica.storage);
      } else if (other.replica.standing != Standing::kDead) {
        excluded->push_back(NodeOf(other.replica.storage).uuid);
      }
    }
  }

  void PlanRebuild() {
    if (Repairing() > 0) return;
    if (!budget_.ClusterHasRoom(now_)) return Busy("the cluster's limit for repair is reached");
    std::vector<RepairPlan::Rebuild::At> sources = ChooseUnits();
    if (sources.empty()) return;
    std::vector<uint32_t> units = {UnitNumber(facts_.block.id)};
    units.insert(units.end(), facts_.group->lost.begin(), facts_.group->lost.end());
    const std::vector<uint32_t> targets = ChooseCopyTargets(static_cast<uint32_t>(units.size()));
    if (targets.empty()) return;
    plan_.rebuild.emplace();
    plan_.rebuild->sources = std::move(sources);
    for (size_t i = 0; i < targets.size(); ++i) {
      plan_.rebuild->targets.push_back({units[i], targets[i]});
    }
  }

  // Of each unit the best replica. As many as are needed are read, and one more to compare with;
  // the others take the place of those that fail, at last those whose datanodes are busy. As long
  // as only a busy one could be compared with, it is waited for: there is a unit to spare then.
  std::vector<RepairPlan::Rebuild::At> ChooseUnits() {
    struct Candidate {
      bool busy;
      int rank;
      uint64_t load;
      RepairPlan::Rebuild::At at;
    };
    std::vector<Candidate> candidates;
    for (const GroupFacts::Unit& other : facts_.group->others) {
      const uint32_t storage = other.replica.storage;
      const std::optional<int> rank = SourceRank(other.replica.standing);
      if (!rank || !view_.IsReadable(storage)) continue;
      const DatanodeInfo& node = NodeOf(storage);
      if (node.liveness != Liveness::kLive) continue;
      candidates.push_back({!budget_.CanSend(node.uuid, facts_.block.length, need_, now_),
                            *rank,
                            budget_.LoadOf(node.uuid).copies_out + node.transfers,
                            {other.number, storage}});
    }
    std::stable_sort(candidates.begin(), candidates.end(), [](const auto& a, const auto& b) {
      return std::tie(a.busy, a.rank, a.load) < std::tie(b.busy, b.rank, b.load);
    });
    std::vector<RepairPlan::Rebuild::At> chosen;
    size_t idle = 0;  // of these, the first ones
    for (const Candidate& candidate : candidates) {
      const bool known = std::any_of(chosen.begin(), chosen.end(),
                                     [&](const auto& at) { return at.unit == candidate.at.unit; });
      if (known) continue;
      chosen.push_back(candidate.at);
      if (!candidate.busy) ++idle;
    }
    const size_t needed = facts_.group->needed;
    if (chosen.size() < needed) {
      Block("the datanodes that have its group's units are silent");
    } else if (idle <= needed && idle < chosen.size()) {
      Busy("the datanodes that have its group's units send as many copies as they may");
    } else {
      return chosen;
    }
    return {};
  }

  bool IsInNewRack(uint32_t target) const {
    const uint32_t rack = view_.NodeOf(target)->rack;
    return std::none_of(facts_.replicas.begin(), facts_.replicas.end(), [&](const auto& replica) {
      return (replica.standing == Standing::kLive || replica.standing == Standing::kStale) &&
             view_.NodeOf(replica.storage)->rack == rack;
    });
  }

  // What stands where a replica that counts could go is not needed: a good one is left.
  bool CanMakeRoom() const {
    if (!DoubtAboutMoves().empty()) return false;
    if (facts_.group && TrustedOthers() >= facts_.group->needed) return true;
    return Trusted() >= MinReplication();
  }

  uint32_t MinReplication() const {
    return facts_.group ? 1 : std::max(1u, rules_.min_replication);
  }

  // Other units of the group that are surely there.
  uint32_t TrustedOthers() const {
    std::set<uint32_t> units;
    for (const auto& [number, replica] : facts_.group->others) {
      if (replica.standing == Standing::kLive && IsReported(replica.storage, view_)) {
        units.insert(number);
      }
    }
    return static_cast<uint32_t>(units.size());
  }

  // ---- deletions

  uint32_t Trusted() const { return CountTrusted(facts_.replicas, view_); }

  // What keeps replicas from being deleted; empty: nothing.
  std::string Doubt() const {
    for (const auto& [storage, standing] : facts_.replicas) {
      if (standing == Standing::kDead) continue;
      if (standing == Standing::kAwaited) {
        return "a datanode that has a copy has not registered yet";
      }
      const DatanodeInfo& node = NodeOf(storage);
      if (node.liveness == Liveness::kDead) continue;  // in maintenance
      if (node.liveness == Liveness::kStale) {
        return absl::StrCat("datanode ", AddressOf(node), " is silent");
      }
      if (!IsReported(storage, view_)) {
        return absl::StrCat("the full report of datanode ", AddressOf(node), " has not come yet");
      }
    }
    if (!facts_.arriving.empty()) return "a copy is still under way";
    return DoubtAboutMoves();
  }

  // A datanode has one replica of a block. Where it shows two it is moving it from one disk to
  // another, or has just done so: an order to delete one would meet the other.
  std::string DoubtAboutMoves() const {
    for (const auto& [storage, standing] : facts_.replicas) {
      if (view_.NodeOf(storage) == nullptr) continue;
      for (const auto& [other, other_standing] : facts_.replicas) {
        if (other == storage || view_.NodeOf(other) != view_.NodeOf(storage)) continue;
        if (standing == Standing::kDead || other_standing == Standing::kDead) continue;
        return absl::StrCat("datanode ", AddressOf(NodeOf(storage)), " shows it on two disks");
      }
    }
    return "";
  }

  // One at a time: as long as replicas lack, the others may be better than nothing.
  void DeleteOne(Standing which) {
    DeleteThose(which);
    if (plan_.deletions.size() > 1) plan_.deletions.resize(1);
  }

  void DeleteThose(Standing which) {
    for (const auto& [storage, standing] : facts_.replicas) {
      if (standing == which) plan_.deletions.push_back(storage);
    }
  }

  void PlanDeletions() {
    if (std::string doubt = Doubt(); !doubt.empty()) return Block(std::move(doubt));
    if (Trusted() < Needed() || Trusted() == 0) return;
    DeleteThose(Standing::kExcess);  // ordered before
    DeleteThose(Standing::kCorrupt);
    if (facts_.counts.live > facts_.wanted) DeleteExcess(facts_.counts.live - facts_.wanted);
  }

  void DeleteExcess(uint32_t count) {
    std::vector<uint32_t> kept;
    for (const auto& [storage, standing] : facts_.replicas) {
      if (standing == Standing::kLive) kept.push_back(storage);
    }
    for (; count > 0 && kept.size() > 1; --count) {
      const auto moved = FindMoved(kept);
      const auto worst = moved == kept.end() ? ChooseExcess(kept) : moved;
      plan_.deletions.push_back(*worst);
      kept.erase(worst);
    }
  }

  // The replica that a move has put elsewhere, if no rack is lost without it.
  std::vector<uint32_t>::const_iterator FindMoved(const std::vector<uint32_t>& kept) const {
    if (!facts_.move) return kept.end();
    const auto from = std::find(kept.begin(), kept.end(), facts_.move->from);
    // The target may have put it on another of its disks.
    const auto to = std::find_if(kept.begin(), kept.end(), [&](uint32_t storage) {
      return view_.NodeOf(storage) == view_.NodeOf(facts_.move->to);
    });
    if (from == kept.end() || to == kept.end() || from == to) return kept.end();
    const bool rack_stays = InRackOf(kept, *from) > 1;
    const bool rack_is_new = InRackOf(kept, *to) == 1;
    return rack_stays || rack_is_new ? from : kept.end();
  }

  size_t InRackOf(const std::vector<uint32_t>& storages, uint32_t storage) const {
    const uint32_t rack = view_.NodeOf(storage)->rack;
    return static_cast<size_t>(std::count_if(storages.begin(), storages.end(), [&](uint32_t other) {
      return view_.NodeOf(other)->rack == rack;
    }));
  }

  // From the fullest rack, then from the fullest node: as long as a rack has two, no rack is lost.
  std::vector<uint32_t>::const_iterator ChooseExcess(const std::vector<uint32_t>& kept) const {
    const auto key = [&](uint32_t storage) {
      return std::make_tuple(InRackOf(kept, storage) > 1, -FreeShareOf(storage));
    };
    return std::max_element(kept.begin(), kept.end(),
                            [&](uint32_t a, uint32_t b) { return key(a) < key(b); });
  }

  double FreeShareOf(uint32_t storage) const {
    uint64_t capacity = 0, remaining = 0;
    for (const StorageInfo& info : NodeOf(storage).storages) {
      if (info.failed) continue;
      capacity += info.capacity_bytes;
      remaining += info.remaining_bytes;
    }
    return capacity == 0 ? 0 : static_cast<double>(remaining) / static_cast<double>(capacity);
  }

  // A source's load: what it sends for repair weighs more than a reader.
  static constexpr uint64_t kLoadBytes = 8 << 20;
  static constexpr uint64_t kTransfersPerCopy = 4;

  const BlockFacts& facts_;
  const Need need_;
  const RepairRules& rules_;
  const ClusterView& view_;
  const RepairBudget& budget_;
  const absl::Duration now_;
  Random random_;
  RepairPlan plan_;
};

}  // namespace

std::optional<Need> NeedOf(const BlockFacts& facts, uint32_t min_maintenance,
                           const ClusterView& view) {
  const std::optional<Need> need = NeedOf(facts.counts, facts.wanted, min_maintenance, view);
  if (!facts.group || !need || *need == Need::kSurplus || *need == Need::kBadlySpread) return need;
  const bool has_it = facts.counts.readable > 0;
  const uint32_t there = facts.group->readable + (has_it ? 1 : 0);
  if (there < facts.group->needed) return has_it ? Need::kHighest : Need::kMissing;
  // Its datanode is away for a known time, or may still come after a start.
  if (!has_it && (facts.counts.awaited > 0 || facts.counts.maintenance > 0)) return std::nullopt;
  switch (there - facts.group->needed) {
    case 0:
      return Need::kHighest;
    case 1:
      return Need::kVeryLow;
    default:
      return Need::kLow;
  }
}

RepairPlan PlanRepair(const BlockFacts& facts, Need need, const RepairRules& rules,
                      const ClusterView& view, const RepairBudget& budget, absl::Duration now,
                      Random random) {
  return Planner(facts, need, rules, view, budget, now, random).Run();
}

std::string AddressOf(const DatanodeInfo& node) {
  return absl::StrCat(node.address.ip, ":", node.address.transfer_port);
}

}  // namespace cairn::namenode
