// How the healer notices what becomes of storages: lost, back, leaving, or in another rack.
#include <algorithm>
#include <utility>

#include "namenode/core/healer.h"

namespace cairn::namenode {
namespace {

constexpr absl::Duration kWatchInterval = absl::Milliseconds(200);
// Looked at under one lock, a fraction of a microsecond each.
constexpr size_t kMarksSlice = 500;
constexpr size_t kStoragesSlice = 500;

// What makes no difference to the blocks there: a node that is silent for a moment, and one that
// has left after it was leaving.
Standing Coarse(Standing standing) {
  if (standing == Standing::kStale) return Standing::kLive;
  if (standing == Standing::kDecommissioned) return Standing::kDecommissioning;
  return standing;
}

// Of each storage of a datanode that is registered: it has not told of all that is on it.
std::vector<bool> Untold(const ClusterView& view) {
  std::vector<bool> untold(view.storage_limit());
  for (const ClusterView::Node& node : view.nodes()) {
    for (const StorageInfo& storage : node.info->storages) {
      untold[storage.number] = !storage.reported;
    }
  }
  return untold;
}

bool IsToTell(Standing standing, bool untold) {
  return standing == Standing::kAwaited || (standing != Standing::kDead && untold);
}

}  // namespace

// A storage that is lost, or back, and one whose node is to leave or to stay: what it holds counts
// differently now. One that is back is looked at when it has told what it still holds.
void NamenodeImpl::Healer::WatchStorages(const Round& round) {
  if (round.view == watched_ || round.now < next_watch_) return;
  const std::shared_ptr<const ClusterView> before = std::exchange(watched_, round.view);
  next_watch_ = round.now + kWatchInterval;
  if (before == nullptr) return BeginWatch(*round.view);
  bool gained = false;
  const std::vector<uint32_t> changed = UpdateStandings(round, &gained);
  CheckStorages(changed);
  for (const uint32_t storage : changed) {
    if (standing_[storage] == Standing::kDead) ForgetMarks(storage);
  }
  CheckRacks(*before, *round.view);
  if (!gained) return;
  hurry_walk_ = {};
  ReaderLock lock(namenode_.mu_);
  hurry_left_ = queue_.size();
}

// An old storage that the view lacks was given up before the start, perhaps: it is back like any
// other. And the process before this one may have known of one that is late what it does not tell.
void NamenodeImpl::Healer::BeginWatch(const ClusterView& view) {
  uint32_t old;
  {
    ReaderLock lock(namenode_.mu_);
    old = old_storages_;
  }
  standing_.resize(std::max(old, view.storage_limit()), Standing::kDead);
  doubted_until_.resize(standing_.size(), -absl::InfiniteDuration());
  const std::vector<bool> untold = Untold(view);
  for (uint32_t storage = 0; storage < view.storage_limit(); ++storage) {
    const Standing standing = Coarse(StandingOf(storage, ReplicaMark::kNone, view));
    const bool awaited = IsToTell(standing, untold[storage]);
    standing_[storage] = awaited ? Standing::kAwaited : standing;
    if (awaited && storage < old) doubted_until_[storage] = absl::InfiniteDuration();
  }
}

// Returns those whose blocks are to be looked at again; *gained: there is a new place for copies.
std::vector<uint32_t> NamenodeImpl::Healer::UpdateStandings(const Round& round, bool* gained) {
  const ClusterView& view = *round.view;
  const std::vector<bool> untold = Untold(view);
  const size_t known = standing_.size();
  std::vector<uint32_t> changed;
  standing_.resize(std::max<size_t>(known, view.storage_limit()), Standing::kDead);
  doubted_until_.resize(standing_.size(), -absl::InfiniteDuration());
  for (uint32_t storage = 0; storage < standing_.size(); ++storage) {
    const Standing standing = Coarse(StandingOf(storage, ReplicaMark::kNone, view));
    if (standing == standing_[storage]) continue;
    // Blocks are judged meanwhile as if it had what it had: that it has told is a change, and so is
    // that it is lost again before.
    const bool awaited = IsToTell(standing, storage < untold.size() && untold[storage]);
    if (standing_[storage] == Standing::kDead && storage < known) {
      doubted_until_[storage] = absl::InfiniteDuration();
    }
    if (!awaited && doubted_until_[storage] == absl::InfiniteDuration()) {
      doubted_until_[storage] = round.now + options_.deletion_delay;
    }
    standing_[storage] = awaited ? Standing::kAwaited : standing;
    if (!awaited) changed.push_back(storage);
    *gained |= standing == Standing::kLive && (!awaited || storage >= known);
  }
  return changed;
}

void NamenodeImpl::Healer::CheckStorages(std::span<const uint32_t> storages) {
  for (size_t at = 0; at < storages.size(); at += kStoragesSlice) {
    WriterLock lock(namenode_.mu_);
    for (const uint32_t storage :
         storages.subspan(at, std::min(kStoragesSlice, storages.size() - at))) {
      CheckStorage(storage);
    }
  }
}

// A second rack makes all blocks stand badly that had only one; a node in another rack, its own.
void NamenodeImpl::Healer::CheckRacks(const ClusterView& before, const ClusterView& view) {
  if (before.live_racks() < 2 && view.live_racks() >= 2) {
    WriterLock lock(namenode_.mu_);
    walk_again_ = true;
    return;
  }
  std::vector<uint32_t> moved;
  for (const ClusterView::Node& node : view.nodes()) {
    const ClusterView::Node* const old = before.FindByUuid(node.info->uuid);
    if (old == nullptr || old->info == node.info || old->info->rack == node.info->rack) continue;
    for (const StorageInfo& storage : node.info->storages) moved.push_back(storage.number);
  }
  CheckStorages(moved);
}

absl::Duration NamenodeImpl::Healer::DoubtedUntil(const Round& round,
                                                  const BlockFacts& facts) const {
  absl::Duration until = -absl::InfiniteDuration();
  const auto look = [&](const StandingReplica& replica) {
    const auto& [storage, standing] = replica;
    if (standing != Standing::kLive || storage >= standing_.size()) return;
    // This round may know that it is back, or that it has told, before the next look.
    const bool unseen = standing_[storage] == Standing::kDead ||
                        doubted_until_[storage] == absl::InfiniteDuration();
    until = std::max(until, unseen ? round.now + kWatchInterval : doubted_until_[storage]);
  };
  for (const StandingReplica& replica : facts.replicas) look(replica);
  // A unit may be deleted because the others of its group give it back.
  if (facts.group) {
    for (const GroupFacts::Unit& other : facts.group->others) look(other.replica);
  }
  return until;
}

// Of a storage that is back meanwhile the marks may be new.
void NamenodeImpl::Healer::ForgetMarks(uint32_t storage) {
  for (bool more = true; more;) {
    WriterLock lock(namenode_.mu_);
    const std::shared_ptr<const ClusterView> view = namenode_.cluster_.View();
    if (StandingOf(storage, ReplicaMark::kNone, *view) != Standing::kDead) return;
    more = namenode_.blocks_->ForgetMarks(storage, kMarksSlice);
  }
}

}  // namespace cairn::namenode
