#include "namenode/core/healer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/logging.h"
#include "namenode/core/balancer.h"
#include "namenode/core/departures.h"
#include "namenode/core/group_scan.h"
#include "namenode/namespace/units.h"

namespace cairn::namenode {
namespace {

// Of one round.
constexpr size_t kChecksPerRound = 128;
// Looked at under one lock: 3 microseconds each if they have ended.
constexpr size_t kCopiesSlice = 100;
// Lists of ids between events and judging; what does not fit is found by a walk over all blocks.
constexpr size_t kMostListed = 1'000'000;
constexpr size_t kMostFiles = 100'000;

}  // namespace

bool IsLost(const PendingCopies::Copy& copy, const ClusterView& view) {
  const auto in_session = [&](const std::string& uuid, uint64_t session) {
    const ClusterView::Node* const node = view.FindByUuid(uuid);
    return node != nullptr && node->info->liveness != Liveness::kDead &&
           node->info->session == session;
  };
  return !in_session(copy.source_node, copy.source_session) ||
         !in_session(copy.target_node, copy.target_session);
}

bool IsDetached(const Inode& inode) {
  const Inode* top = &inode;
  while (top->parent != nullptr) top = top->parent;
  return top->detached;
}

NamenodeImpl::Healer::Healer(NamenodeImpl& namenode, const HealingOptions& options)
    : namenode_(namenode),
      options_(options),
      rules_{.min_replication = namenode.options_.min_replication,
             .min_maintenance = options.min_maintenance},
      queue_(options.queue),
      budget_(options.budget, copies_),
      full_walk_rate_(options.check_rate, namenode.clock_.Monotonic()),
      departures_(std::make_unique<Departures>(namenode, *this, options.min_maintenance)),
      balancer_(std::make_unique<Balancer>(namenode, *this, options.balance)),
      group_scan_(std::make_unique<GroupScan>(namenode, *this, options.group_scan)) {}

NamenodeImpl::Healer::~Healer() = default;

std::vector<LeaveProgress> NamenodeImpl::Healer::Leaving() const { return departures_->Progress(); }

// ---- what happened

void NamenodeImpl::Healer::Check(BlockId block) {
  if (!started_) return;  // the first walk looks at all of them
  if (listed_.size() >= kMostListed) {
    walk_again_ = true;
    return;
  }
  listed_.push_back(block);
}

void NamenodeImpl::Healer::ReplicaAdded(const Inode& file, BlockId block, uint32_t storage,
                                        uint64_t session, std::span<const uint32_t> storages) {
  leaving_.Arrived(block, namenode_.blocks_->Find(block)->stamp(), storage, session);
  if (!started_) return;
  uint32_t target;
  copies_.Settle(block, storages, &target);
  balancer_->ReplicaAdded(block, storages);
  queue_.SetDue(block, namenode_.clock_.Monotonic());
  // The replicas of a block just written come here one by one: nothing to look at, unless
  // something was wrong or is now one too many.
  if (queue_.Find(block) == nullptr && namenode_.blocks_->CorruptReplicas(block).empty() &&
      namenode_.blocks_->LiveCount(block) <= file.file->replication) {
    return;
  }
  Check(block);
}

void NamenodeImpl::Healer::ReplicaLost(BlockId block, uint32_t storage,
                                       std::span<const uint32_t> storages) {
  leaving_.Remove(block, storage);
  uint32_t target;
  copies_.Settle(block, storages, &target);
  balancer_->ReplicaLost(block, storage, storages);
  group_scan_->ReplicaLost(block, storage);
  queue_.SetDue(block, namenode_.clock_.Monotonic());
  Check(block);
}

// An order to delete it is of the block, whatever disk it is on when its turn comes.
void NamenodeImpl::Healer::ReplicaMoved(BlockId block, uint32_t from, uint32_t to) {
  leaving_.Move(block, from, to);
  balancer_->ReplicaMoved(block, from, to);
}

void NamenodeImpl::Healer::BlockCommitted(BlockId block, std::span<const uint32_t> outdated) {
  // What was outdated at an earlier commit, and opened again before it was judged, still is.
  if (outdated.empty() && !outdated_.contains(block)) return;
  const bool full = written_.size() >= kMostListed;
  if (full && !outdated_.contains(block)) return;  // their next full reports tell of them
  Outdated& known = outdated_[block];
  known.due = namenode_.clock_.Monotonic() + options_.written_grace;
  for (const uint32_t storage : outdated) {
    if (std::find(known.storages.begin(), known.storages.end(), storage) == known.storages.end()) {
      known.storages.push_back(storage);
    }
  }
  if (!full) written_.push_back({known.due, block, 0});
}

void NamenodeImpl::Healer::ReplicaOutdated(BlockId block, uint32_t storage) {
  if (outdated_.size() >= kMostListed && !outdated_.contains(block)) return;
  auto& known = outdated_[block].storages;
  if (std::find(known.begin(), known.end(), storage) == known.end()) known.push_back(storage);
}

void NamenodeImpl::Healer::BlockWritten(BlockId block, uint32_t wanted) {
  // With more than one replica it is looked at for its racks as well.
  if (!started_ || (wanted == 1 && namenode_.blocks_->LiveCount(block) == 1)) return;
  if (written_.size() >= kMostListed) {
    walk_again_ = true;
    return;
  }
  written_.push_back({namenode_.clock_.Monotonic() + options_.written_grace, block, wanted});
}

std::vector<uint32_t> NamenodeImpl::Healer::BlockRemoved(BlockId block) {
  std::vector<uint32_t> outdated;
  if (const auto found = outdated_.find(block); found != outdated_.end()) {
    outdated.assign(found->second.storages.begin(), found->second.storages.end());
    outdated_.erase(found);
  }
  queue_.Remove(block);
  unread_blocks_.Forget(block);
  copies_.Forget(block);
  balancer_->BlockRemoved(block);
  if (IsGrouped(block)) group_scan_->BlockRemoved(block);
  leaving_.Forget(block);
  return outdated;
}

// The pause before the next try grows from failure to failure, as after a copy that did not arrive.
void NamenodeImpl::Healer::CopiesFailed(absl::string_view datanode_uuid, uint64_t session,
                                        std::span<const FailedCopy> failed) {
  balancer_->CopiesFailed(datanode_uuid, session, failed);
  for (const FailedCopy& told : failed) {
    const std::vector<PendingCopies::Copy> copies =
        copies_.TakeOf(told.block, [&](const PendingCopies::Copy& copy) {
          return copy.source_node == datanode_uuid && copy.source_session == session &&
                 std::find(told.target_uuids.begin(), told.target_uuids.end(), copy.target_node) !=
                     told.target_uuids.end();
        });
    if (copies.empty()) continue;  // arrived all the same, given up before, or the block is gone
    const std::string what = absl::StrCat("a copy from ", copies[0].source_address, " to ",
                                          copies[0].target_address, " failed: ", told.reason);
    LOG_EVERY_SECONDS(kWarn, 1, "blk_{}: {}", ToSigned(told.block), what);
    queue_.Failed(told.block, namenode_.clock_.Monotonic(), what);
    for (const PendingCopies::Copy& copy : copies) namenode_.cluster_.Unschedule(copy.target);
  }
}

void NamenodeImpl::Healer::GroupsVerified(absl::string_view datanode_uuid, uint64_t session,
                                          std::span<const GroupVerdict> verdicts) {
  group_scan_->Verified(datanode_uuid, session, verdicts);
}

void NamenodeImpl::Healer::FileChanged(InodeId file) {
  if (!started_) return;
  if (files_.size() >= kMostFiles) {
    walk_again_ = true;
    return;
  }
  files_.push_back(file);
}

void NamenodeImpl::Healer::CheckStorage(uint32_t storage) {
  if (started_ && in_storages_.insert(storage).second) storages_.push_back(storage);
}

// ---- reads

void NamenodeImpl::Healer::HideLeaving(BlockId block, const ClusterView& view,
                                       std::vector<uint32_t>* storages) const {
  if (!leaving_.Has(block)) return;
  const auto serves = [&](uint32_t storage) {
    return view.IsReadable(storage) && !leaving_.Contains(block, storage);
  };
  if (std::none_of(storages->begin(), storages->end(), serves)) return;
  std::erase_if(*storages, [&](uint32_t storage) { return leaving_.Contains(block, storage); });
}

std::optional<GroupFacts> NamenodeImpl::Healer::GroupFactsOf(const Inode& file,
                                                             const BlockVersion& unit,
                                                             const ClusterView& view) const {
  const std::optional<BlockVersion> group = FindBlock(file, unit.id);
  if (!group) return std::nullopt;
  GroupFacts facts{.group = *group, .policy = file.erasure, .needed = UnitsNeeded(file, *group)};
  ForEachUnit(file, *group, IsFinal(file, *group), [&](uint32_t number, const BlockVersion& other) {
    if (other.id == unit.id) return;
    const BlockMap::Entry* const entry = namenode_.blocks_->Find(other.id);
    if (entry == nullptr) {  // evicted since it was loaded: neither there nor lost
      facts.complete = false;
      return;
    }
    for (const PendingCopies::Copies* const copies :
         {copies_.Find(other.id), balancer_->FindCopies(other.id)}) {
      if (copies == nullptr) continue;
      for (const PendingCopies::Copy& copy : *copies) facts.arriving.push_back(copy.target);
    }
    const std::vector<uint32_t> bad = namenode_.blocks_->CorruptReplicas(other.id);
    facts.bad.insert(facts.bad.end(), bad.begin(), bad.end());
    bool readable = false, away = false;
    for (const uint32_t storage : entry->replicas()) {
      const ReplicaMark mark =
          leaving_.Contains(other.id, storage) ? ReplicaMark::kExcess : ReplicaMark::kNone;
      const Standing standing = StandingOf(storage, mark, view);
      facts.others.push_back({number, {storage, standing}});
      readable |= view.IsReadable(storage);
      away |= standing == Standing::kAwaited || standing == Standing::kMaintenance;
    }
    facts.readable += readable;
    if (!readable && !away && copies_.Find(other.id) == nullptr) facts.lost.push_back(number);
  });
  return facts;
}

BlockFacts NamenodeImpl::Healer::FactsOf(const Inode& file, const BlockVersion& version,
                                         const BlockMap::Entry& entry,
                                         const ClusterView& view) const {
  BlockFacts facts;
  facts.block = version;
  facts.wanted = file.file->replication;
  facts.storage_policy = EffectivePolicy(file);
  const auto add = [&](uint32_t storage, ReplicaMark mark) {
    facts.replicas.push_back({storage, StandingOf(storage, mark, view)});
  };
  for (const uint32_t storage : entry.replicas()) {
    add(storage,
        leaving_.Contains(version.id, storage) ? ReplicaMark::kExcess : ReplicaMark::kNone);
  }
  if (entry.state() == BlockMap::State::kUnderConstruction) {
    for (const uint32_t storage : entry.expected()) add(storage, ReplicaMark::kNone);
  } else {
    facts.writing.assign(entry.expected().begin(), entry.expected().end());
  }
  for (const uint32_t storage : namenode_.blocks_->CorruptReplicas(version.id)) {
    add(storage, ReplicaMark::kCorrupt);
  }
  if (const PendingCopies::Copies* const copies = copies_.Find(version.id)) {
    for (const PendingCopies::Copy& copy : *copies) facts.arriving.push_back(copy.target);
  }
  if (const PendingCopies::Copies* const copies = balancer_->FindCopies(version.id)) {
    for (const PendingCopies::Copy& copy : *copies) facts.arriving.push_back(copy.target);
    facts.moving = static_cast<uint32_t>(copies->size());
  }
  facts.move = balancer_->FindMove(version.id);
  facts.counts = CountReplicas(facts.replicas, view);
  if (IsGrouped(version.id)) facts.group = GroupFactsOf(file, version, view);
  return facts;
}

std::optional<Need> NamenodeImpl::Healer::NeedOf(const BlockFacts& facts,
                                                 const ClusterView& view) const {
  return namenode::NeedOf(facts, rules_.min_maintenance, view);
}

uint32_t NamenodeImpl::Healer::CountReadable(BlockId block) const {
  const BlockMap::Entry* const entry = namenode_.blocks_->Find(block);
  if (entry == nullptr) return 0;
  const std::shared_ptr<const ClusterView> view = namenode_.cluster_.View();
  return static_cast<uint32_t>(
      std::count_if(entry->replicas().begin(), entry->replicas().end(), [&](uint32_t storage) {
        return view->IsReadable(storage) && !leaving_.Contains(block, storage);
      }));
}

void NamenodeImpl::Healer::Describe(const BlockFacts& facts, BlockHealth* out) const {
  const absl::Duration now = namenode_.clock_.Monotonic();
  out->contradiction = group_scan_->Describe(facts.block);
  if (const RedundancyQueue::Entry* const entry = queue_.Find(facts.block.id)) {
    out->queued = BlockHealth::Queued{.need = entry->need,
                                      .since = now - entry->since,
                                      .again_in = entry->next_try - now,
                                      .failures = entry->failures,
                                      .blocked_by = entry->blocked_by};
  }
  for (const PendingCopies::Copies* const copies :
       {copies_.Find(facts.block.id), balancer_->FindCopies(facts.block.id)}) {
    if (copies == nullptr) continue;
    for (const PendingCopies::Copy& copy : *copies) {
      out->copies.push_back({copy.source, copy.target, now - copy.since, copy.deadline - now});
    }
  }
}

bool NamenodeImpl::Healer::IsAwaited(const Inode& file, const ClusterView& view) const {
  return departures_->IsAwaited(file, view);
}

std::vector<BlockId> NamenodeImpl::Healer::InNeed(Need need, BlockId after, size_t most) const {
  return queue_.List(need, after, most);
}

HealthTotals NamenodeImpl::Healer::Totals() const {
  HealthTotals totals;
  for (size_t need = 0; need < kNeeds; ++need) {
    totals.by_need[need] = queue_.count(static_cast<Need>(need));
    totals.groups.by_need[need] = queue_.groups().groups(static_cast<Need>(need));
    totals.groups.units_by_need[need] = queue_.groups().units(static_cast<Need>(need));
  }
  totals.missing_single = queue_.missing_single();
  const BlockMap::Stats blocks = namenode_.blocks_->stats();
  totals.corrupt_blocks = blocks.corrupt;
  totals.groups.corrupt_units = blocks.corrupt_units;
  totals.groups.corrupt = blocks.corrupt_groups;
  totals.groups.contradicting = group_scan_->contradicting();
  totals.copies = copies_.size();
  // Together: of orders that come and go, those of units are never more than all.
  const InvalidationQueue::Pendings pending = namenode_.invalidations_.pendings();
  totals.pending_deletions = pending.all;
  totals.groups.pending_deletions = pending.of_units;
  totals.overflowed = queue_.overflowed() || walk_again_;
  totals.looking = !started_ || !storages_.empty() || !unread_storages_.empty() || walking_;
  return totals;
}

// ---- one round

bool NamenodeImpl::Healer::Tick() {
  const bool leaving = departures_->Step();
  const Round round{namenode_.cluster_.View(), namenode_.clock_.Monotonic()};
  if (!IsReady(round)) return leaving;
  WatchStorages(round);
  EndCopies(round);
  bool more = false;
  const std::vector<BlockId> blocks = NextToCheck(round, kChecksPerRound, &more);
  Judge(round, blocks, /*act=*/false);
  const bool repairing = Repair(round);
  const bool balancing = balancer_->Step(round.view, round.now, deletions_from_);
  const bool verifying = group_scan_->Step(round.view, round.now);
  return repairing || more || leaving || balancing || verifying || !blocks.empty();
}

bool NamenodeImpl::Healer::IsReady(const Round& round) {
  {
    ReaderLock lock(namenode_.mu_);
    if (namenode_.journal_ == nullptr || namenode_.safe_mode_.on()) return false;
    if (started_) return true;
  }
  if (!waiting_since_) waiting_since_ = round.now;
  if (round.now - *waiting_since_ < options_.report_wait) {
    for (const ClusterView::Node& node : round.view->nodes()) {
      if (node.info->liveness == Liveness::kDead) continue;
      for (const StorageInfo& storage : node.info->storages) {
        if (!storage.failed && !storage.reported) return false;
      }
    }
  }
  WriterLock lock(namenode_.mu_);
  started_ = true;
  deletions_from_ = round.now + options_.deletion_delay;
  walking_ = true;
  return true;
}

void NamenodeImpl::Healer::EndCopies(const Round& round) {
  if (round.now < next_end_copies_) return;
  next_end_copies_ = round.now + kEndCopiesInterval;
  const auto is_late = [&](const PendingCopies::Copy& copy) { return copy.deadline <= round.now; };
  const auto has_ended = [&](const PendingCopies::Copy& copy) {
    return is_late(copy) || IsLost(copy, *round.view);
  };
  BlockId position{};
  for (bool more = true; more;) {
    std::vector<PendingCopies::Taken> ended;
    {
      WriterLock lock(namenode_.mu_);
      more = copies_.TakeSome(kCopiesSlice, has_ended, &position, &ended);
      for (const auto& [block, copy] : ended) {
        if (!is_late(copy)) {
          queue_.SetDue(block, round.now);
          continue;
        }
        queue_.Failed(
            block, round.now,
            absl::StrCat("a copy from ", copy.source_address, " to ", copy.target_address,
                         " did not arrive in ", absl::FormatDuration(copy.deadline - copy.since)));
      }
    }
    for (const auto& [block, copy] : ended) {
      if (is_late(copy)) {
        LOG_EVERY_SECONDS(kWarn, 1, "blk_{}: a copy from {} to {} did not arrive in time",
                          ToSigned(block), copy.source_address, copy.target_address);
      }
      namenode_.cluster_.Unschedule(copy.target);
    }
  }
  EndDeletions();
}

void NamenodeImpl::Healer::EndDeletions() {
  for (bool more = true; more;) {
    WriterLock lock(namenode_.mu_);
    const auto withdrawn = namenode_.invalidations_.TakeWithdrawn(kCopiesSlice);
    more = withdrawn.size() == kCopiesSlice;
    for (const auto& [storage, session, block] : withdrawn) {
      leaving_.Withdraw(block, storage, session);
      Check(block);
    }
  }
}

}  // namespace cairn::namenode
