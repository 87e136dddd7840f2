#include "namenode/cluster/placement.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/container/inlined_vector.h"
#include "absl/random/uniform_int_distribution.h"
#include "absl/strings/str_cat.h"
#include "common/fs_error.h"

namespace cairn::namenode {
namespace {

// In a pool up to this size every node is looked at; in a larger one, random ones are tried first.
constexpr size_t kSmallPool = 32;
constexpr int kProbes = 16;
// Two nodes whose free shares differ by less are equally full (HDFS's balanced-space tolerance).
constexpr double kFreeTolerance = 0.05;

size_t Below(Random random, size_t bound) {
  return absl::uniform_int_distribution<size_t>(0, bound - 1)(random);
}

template <typename Container>
void Shuffle(Container& items, Random random) {
  for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[Below(random, i)]);
}

double FreeShare(const DatanodeInfo& node) {
  uint64_t capacity = 0, remaining = 0;
  for (const StorageInfo& storage : node.storages) {
    if (storage.failed) continue;
    capacity += storage.capacity_bytes;
    remaining += storage.remaining_bytes;
  }
  return capacity == 0 ? 0 : static_cast<double>(remaining) / static_cast<double>(capacity);
}

// HDFS's getMaxNodesPerRack: so many that all replicas find a place, and so few that they never
// share one rack while there are two.
uint32_t MostPerRack(size_t replicas, int live_nodes, int live_racks) {
  replicas = std::min<size_t>(replicas, static_cast<size_t>(std::max(live_nodes, 1)));
  if (live_racks <= 1 || replicas <= 1) return static_cast<uint32_t>(std::max<size_t>(replicas, 1));
  const size_t most = (replicas - 1) / static_cast<size_t>(live_racks) + 2;
  return static_cast<uint32_t>(most == replicas ? most - 1 : most);
}

// What a try demands of a node.
struct Demands {
  bool spare = true;     // not busy, and room for the scheduled blocks too
  bool rack_cap = true;  // at most so many replicas in one rack
};

class Chooser {
 public:
  Chooser(const ClusterView& view, const PlacementRequest& request, Random random,
          bool avoid_writer, bool take_stale)
      : view_(view), request_(request), random_(random), take_stale_(take_stale) {
    excluded_.insert(request.excluded.begin(), request.excluded.end());
    FindWriter(avoid_writer);
    const StoragePolicy* policy = FindStoragePolicy(request.storage_policy);
    if (policy == nullptr) policy = FindStoragePolicy(kHotPolicy);
    fallback_ = request.new_block ? policy->creation_fallback : policy->replication_fallback;
    wanted_ = TypesFor(*policy, request.replicas + static_cast<uint32_t>(request.existing.size()));
    for (const uint32_t storage : request.existing) {
      const ClusterView::Node* const node = view.NodeOf(storage);
      if (node == nullptr) continue;
      Take(IndexOf(*node), view.Find(storage)->storage_type);
    }
    const size_t all = request.replicas + chain_.size();
    most_per_rack_ = request.erasure == nullptr
                         ? MostPerRack(all, view.live_nodes(), view.live_racks())
                         : MostUnitsPerRack(all, view.live_racks());
  }

  std::vector<uint32_t> Run() {
    const size_t goal = chain_.size() + request_.replicas;
    for (const std::string& address : request_.favored) {
      if (chain_.size() >= goal) break;
      const ClusterView::Node* const node = view_.FindByAddress(address);
      if (node == nullptr) continue;
      const uint32_t index = IndexOf(*node);
      TryPool(std::span(&index, 1), Demands{});
    }
    while (chain_.size() < goal && PlaceNext()) {
    }
    return Pipeline();
  }

 private:
  static constexpr uint32_t kNoRack = ~uint32_t{0};

  uint32_t IndexOf(const ClusterView::Node& node) const {
    return static_cast<uint32_t>(&node - view_.nodes().data());
  }
  uint32_t RackOf(uint32_t node) const { return view_.nodes()[node].rack; }

  void FindWriter(bool avoid_writer) {
    if (!request_.writer_ip.empty()) {
      const std::vector<uint32_t>& at = view_.FindByIp(request_.writer_ip);
      local_.assign(at.begin(), at.end());
    }
    if (avoid_writer) {
      for (const uint32_t node : local_) excluded_.insert(view_.nodes()[node].info->uuid);
    }
    if (avoid_writer || request_.ignore_locality) local_.clear();
  }

  // A replica is on `node`; the type that it was to have is no longer wanted.
  void Take(uint32_t node, uint32_t type) {
    chain_.push_back(node);
    auto wanted = std::find(wanted_.begin(), wanted_.end(), static_cast<StorageType>(type));
    if (wanted == wanted_.end()) wanted = wanted_.begin();
    if (wanted != wanted_.end()) wanted_.erase(wanted);
  }

  // The next replica by the rule for its place in the chain.
  bool PlaceNext() {
    for (const bool fall_back : {false, true}) {
      if (fall_back && fallback_.empty()) continue;
      using_fallback_ = fall_back;
      if (PlaceByRule()) return true;
    }
    return false;
  }

  bool PlaceByRule() {
    const Demands strict{}, lenient{.spare = false};
    const size_t place = chain_.size();
    if (place == 0) {
      if (TryPool(local_, strict) || TryAll(kNoRack, strict) || TryPool(local_, lenient)) {
        return true;
      }
    } else if (request_.erasure != nullptr) {
      // No rule but the limit per rack.
    } else if (place == 1 || (place == 2 && RackOf(chain_[0]) == RackOf(chain_[1]))) {
      const uint32_t avoid = RackOf(chain_[0]);
      if (view_.racks().size() > 1 && (TryAll(avoid, strict) || TryAll(avoid, lenient))) {
        return true;
      }
    } else if (place == 2) {
      const std::vector<uint32_t>& rack = view_.nodes_of_rack(RackOf(chain_[1]));
      if (TryPool(rack, strict) || TryPool(rack, lenient)) return true;
    }
    return TryAll(kNoRack, strict) || TryAll(kNoRack, lenient) ||
           TryAll(kNoRack, {.spare = false, .rack_cap = false});
  }

  bool TryPool(std::span<const uint32_t> pool, Demands demands) {
    return Draw(
        pool.size(), [&](size_t i) { return pool[i]; }, kNoRack, demands);
  }
  bool TryAll(uint32_t avoid_rack, Demands demands) {
    return Draw(
        view_.nodes().size(), [](size_t i) { return static_cast<uint32_t>(i); }, avoid_rack,
        demands);
  }

  // Takes the better one of two random nodes of the pool that qualify. False: none does.
  template <typename NodeAt>
  bool Draw(size_t size, NodeAt node_at, uint32_t avoid_rack, Demands demands) {
    if (size == 0) return false;
    absl::InlinedVector<uint32_t, kSmallPool> candidates;
    const auto consider = [&](uint32_t node) {
      if (RackOf(node) == avoid_rack || !Qualifies(node, demands)) return;
      if (std::find(candidates.begin(), candidates.end(), node) != candidates.end()) return;
      candidates.push_back(node);
    };
    if (size > kSmallPool) {
      for (int i = 0; i < kProbes && candidates.size() < 2; ++i) {
        consider(node_at(Below(random_, size)));
      }
    }
    if (candidates.size() < 2) {
      candidates.clear();
      for (size_t i = 0; i < size; ++i) {
        const uint32_t node = node_at(i);
        if (RackOf(node) != avoid_rack && Qualifies(node, demands)) candidates.push_back(node);
      }
    }
    if (candidates.empty()) return false;
    const size_t first = Below(random_, candidates.size());
    uint32_t best = candidates[first];
    if (candidates.size() > 1) {
      size_t second = Below(random_, candidates.size() - 1);
      if (second >= first) ++second;
      if (IsBetter(candidates[second], best)) best = candidates[second];
    }
    const StorageInfo& storage = PickStorage(best, demands);
    chosen_.push_back({best, storage.number});
    Take(best, storage.type);
    return true;
  }

  bool IsBetter(uint32_t a, uint32_t b) const {
    const uint64_t load_a = view_.nodes()[a].load(), load_b = view_.nodes()[b].load();
    if (load_a != load_b) return load_a < load_b;
    return FreeShare(*view_.nodes()[a].info) > FreeShare(*view_.nodes()[b].info) + kFreeTolerance;
  }

  bool Qualifies(uint32_t index, Demands demands) const {
    const ClusterView::Node& node = view_.nodes()[index];
    const DatanodeInfo& info = *node.info;
    if (info.liveness == Liveness::kDead || info.admin_state != AdminState::kInService)
      return false;
    if (info.liveness == Liveness::kStale && !take_stale_) return false;
    if (std::find(chain_.begin(), chain_.end(), index) != chain_.end()) return false;
    if (!excluded_.empty() && excluded_.contains(info.uuid)) return false;
    if (demands.spare && info.transfers > kNegligibleTransfers &&
        info.transfers > kLoadFactor * view_.average_transfers()) {
      return false;
    }
    if (demands.rack_cap) {
      const auto in_rack = std::count_if(
          chain_.begin(), chain_.end(), [&](uint32_t other) { return RackOf(other) == node.rack; });
      if (in_rack >= most_per_rack_) return false;
    }
    for (const StorageType type : Types()) {
      if (HasRoom(node, type, demands)) return true;
    }
    return false;
  }

  std::span<const StorageType> Types() const {
    return using_fallback_ ? fallback_ : std::span<const StorageType>(wanted_);
  }

  bool Fits(const StorageInfo& storage, StorageType type) const {
    return !storage.failed && storage.type == static_cast<uint32_t>(type) &&
           storage.remaining_bytes >= request_.block_bytes;
  }

  bool HasRoom(const ClusterView::Node& node, StorageType type, Demands demands) const {
    uint64_t room = 0;  // in blocks: sums of bytes from the network could overflow
    const uint64_t block = std::max<uint64_t>(request_.block_bytes, 1);
    for (const StorageInfo& storage : node.info->storages) {
      if (Fits(storage, type)) room += storage.remaining_bytes / block;
    }
    return demands.spare ? room > node.scheduled->count() : room > 0;
  }

  // Of the first wanted type that has room there; needs Qualifies.
  const StorageInfo& PickStorage(uint32_t index, Demands demands) const {
    const ClusterView::Node& node = view_.nodes()[index];
    absl::InlinedVector<const StorageInfo*, 16> fitting;
    for (const StorageType type : Types()) {
      if (!HasRoom(node, type, demands)) continue;
      for (const StorageInfo& storage : node.info->storages) {
        if (Fits(storage, type)) fitting.push_back(&storage);
      }
      break;
    }
    return *fitting[Below(random_, fitting.size())];
  }

  // Each node the nearest one to its predecessor, as bytes pass from one to the next.
  std::vector<uint32_t> Pipeline() {
    std::vector<uint32_t> storages;
    if (chosen_.empty()) return storages;
    if (request_.erasure != nullptr) {  // no bytes pass from one to the next
      for (const Chosen& choice : chosen_) storages.push_back(choice.storage);
      return storages;
    }
    // The writer's own node comes first; of several at its address, the chosen one.
    uint32_t at = local_.empty() ? chosen_.front().node : local_.front();
    for (const Chosen& choice : chosen_) {
      if (std::find(local_.begin(), local_.end(), choice.node) != local_.end()) at = choice.node;
    }
    for (size_t i = 0; i < chosen_.size(); ++i) {
      const auto nearest = std::min_element(chosen_.begin() + i, chosen_.end(),
                                            [&](const Chosen& a, const Chosen& b) {
                                              return Distance(at, a.node) < Distance(at, b.node);
                                            });
      std::rotate(chosen_.begin() + i, nearest, nearest + 1);
      at = chosen_[i].node;
      storages.push_back(chosen_[i].storage);
    }
    return storages;
  }

  int Distance(uint32_t a, uint32_t b) const {
    if (a == b) return 0;
    return RackOf(a) == RackOf(b) ? 1 : 2;
  }

  struct Chosen {
    uint32_t node, storage;
  };

  const ClusterView& view_;
  const PlacementRequest& request_;
  mutable Random random_;
  const bool take_stale_;
  absl::flat_hash_set<absl::string_view> excluded_;
  std::vector<uint32_t> local_;  // the writer's node, or those at its address
  std::vector<StorageType> wanted_;
  std::span<const StorageType> fallback_;
  bool using_fallback_ = false;
  uint32_t most_per_rack_ = 1;
  absl::InlinedVector<uint32_t, 8> chain_;  // nodes that have a replica: existing, then chosen
  absl::InlinedVector<Chosen, 8> chosen_;
};

// On any of its storages, whatever their type.
bool HasRoomFor(const DatanodeInfo& node, const PlacementRequest& request) {
  return std::any_of(node.storages.begin(), node.storages.end(), [&](const StorageInfo& storage) {
    return !storage.failed && storage.remaining_bytes >= request.block_bytes;
  });
}

absl::Status NoTarget(const ClusterView& view, const PlacementRequest& request, size_t found) {
  const auto running = std::count_if(
      view.nodes().begin(), view.nodes().end(),
      [](const ClusterView::Node& node) { return node.info->liveness != Liveness::kDead; });
  const std::string needed = request.erasure == nullptr
                                 ? absl::StrCat(request.min_replication, " minReplication nodes.")
                                 : absl::StrCat(request.erasure->schema.data_units,
                                                " required nodes for ", request.erasure->name, ".");
  const std::string excluded =
      request.excluded.empty() ? "no" : absl::StrCat(request.excluded.size());
  // Ours; the rest is HDFS's text.
  const auto full =
      std::count_if(view.nodes().begin(), view.nodes().end(), [&](const ClusterView::Node& node) {
        return node.info->liveness != Liveness::kDead && !HasRoomFor(*node.info, request);
      });
  const std::string without_room =
      full == 0 ? ""
                : absl::StrCat(" ", full, " datanode(s) have no room for a block of ",
                               request.block_bytes, " bytes.");
  return MakeFsError(
      FsError::kIo,
      absl::StrCat("File ", request.path, " could only be written to ", found, " of the ", needed,
                   " There are ", running, " datanode(s) running and ", excluded,
                   " node(s) are excluded in this operation.", without_room));
}

}  // namespace

uint32_t MostUnitsPerRack(size_t units, int live_racks) {
  const auto racks = static_cast<size_t>(std::max(live_racks, 1));
  return static_cast<uint32_t>((units + racks - 1) / racks);
}

absl::StatusOr<std::vector<uint32_t>> ChooseTargets(const ClusterView& view,
                                                    const PlacementRequest& request,
                                                    Random random) {
  const bool group = request.erasure != nullptr && request.new_block;
  const size_t least = group ? request.erasure->schema.data_units : 1;
  std::vector<uint32_t> targets;
  if (request.no_local_write) {
    targets = Chooser(view, request, random, /*avoid_writer=*/true, /*take_stale=*/false).Run();
    if (targets.size() == request.replicas && !targets.empty()) return targets;
  }
  targets = Chooser(view, request, random, /*avoid_writer=*/false, /*take_stale=*/false).Run();
  if (targets.size() < least) {
    targets = Chooser(view, request, random, /*avoid_writer=*/false, /*take_stale=*/true).Run();
  }
  if (targets.size() < least) return NoTarget(view, request, targets.size());
  return targets;
}

uint32_t ReplicationForWriter(const ClusterView& view, uint32_t replication) {
  constexpr uint32_t kNeverReplaced = 2;
  const auto takes_blocks = [](const ClusterView::Node& node) {
    return node.info->liveness == Liveness::kLive &&
           node.info->admin_state == AdminState::kInService;
  };
  const auto nodes = std::count_if(view.nodes().begin(), view.nodes().end(), takes_blocks);
  const bool spare = static_cast<uint64_t>(nodes) > replication;
  return spare ? replication : std::min(replication, kNeverReplaced);
}

std::vector<uint32_t> OrderForReader(const ClusterView& view, std::span<const uint32_t> storages,
                                     absl::string_view reader_ip, Random random) {
  std::vector<uint32_t> order;
  order.reserve(storages.size());
  for (const uint32_t storage : storages) {
    if (view.IsReadable(storage)) order.push_back(storage);
  }
  const auto in_maintenance = [&](uint32_t storage) {
    return view.NodeOf(storage)->info->admin_state == AdminState::kInMaintenance;
  };
  if (!std::all_of(order.begin(), order.end(), in_maintenance)) {
    std::erase_if(order, in_maintenance);
  }
  if (order.size() < 2) return order;
  Shuffle(order, random);
  const std::vector<uint32_t>& at = view.FindByIp(reader_ip);
  const std::string& rack =
      at.empty() ? view.RackOfHost(reader_ip) : view.nodes()[at.front()].info->rack;
  const auto distance = [&](uint32_t storage) {
    const DatanodeInfo& node = *view.NodeOf(storage)->info;
    const int far = (node.liveness == Liveness::kStale ? 6 : 0) +
                    (node.admin_state != AdminState::kInService ? 3 : 0);
    if (node.address.ip == reader_ip) return far;
    return far + (node.rack == rack ? 1 : 2);
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](uint32_t a, uint32_t b) { return distance(a) < distance(b); });
  return order;
}

}  // namespace cairn::namenode
