// How the healer judges blocks, and orders copies and deletions of their replicas.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "namenode/core/healer.h"
#include "namenode/namespace/units.h"
#include "namenode/store/keys.h"
#include "namenode/store/records.h"

namespace cairn::namenode {
namespace {

// Blocks judged, and acted on, under one lock: some microseconds each.
constexpr size_t kLookSlice = 32;
constexpr size_t kActSlice = 8;
// Of one round.
constexpr size_t kHurrySlice = 250;  // some 2 microseconds each, if it has failed
constexpr int kActRounds = 16;
// The pauses of a block that waits for its turn, and for a datanode to delete.
constexpr absl::Duration kBusyPause = absl::Milliseconds(100);
constexpr absl::Duration kDeletionPause = absl::Minutes(1);
// A deletion that has not left by then is judged anew.
constexpr absl::Duration kDeletionLimit = absl::Minutes(1);
constexpr absl::Duration kWaitPause = absl::Minutes(1);
// A copy has this long, and one second more for each of so many bytes.
constexpr absl::Duration kRepairStart = absl::Seconds(20);
constexpr double kCopyBytesPerSecond = 2 << 20;

// What is remembered of a copy to `target`, which the datanode of `source` was ordered to make.
PendingCopies::Copy CopyTo(uint32_t source, uint32_t target, uint64_t bytes,
                           const ClusterView& view, absl::Duration now, absl::Duration deadline) {
  const DatanodeInfo& from = *view.NodeOf(source)->info;
  const DatanodeInfo& to = *view.NodeOf(target)->info;
  return {.source = source,
          .target = target,
          .source_node = from.uuid,
          .target_node = to.uuid,
          .source_session = from.session,
          .target_session = to.session,
          .source_address = AddressOf(from),
          .target_address = AddressOf(to),
          .bytes = bytes,
          .since = now,
          .deadline = deadline};
}

}  // namespace

// The owner as far as memory knows; nullopt: LevelDB must be asked.
absl::StatusOr<std::optional<InodeId>> NamenodeImpl::Healer::PeekOwner(BlockId block) {
  const std::string key = keys::BlockOwner(OwnedId(block));
  ReaderLock lock(namenode_.mu_);
  absl::string_view value;
  switch (namenode_.store_.Peek(key, &value)) {
    case Store::Found::kValue: {
      ASSIGN_OR_RETURN(const store::BlockOwner owner, ParseBlockOwner(key, value));
      return InodeId{owner.inode()};
    }
    case Store::Found::kDeleted:
      return kNoInode;
    case Store::Found::kUnknown:
      break;
  }
  return std::nullopt;
}

// Brings the block and its file into memory; kNoInode: no file has it. What is read here may be out
// of date when it is judged: then the file turns out not to have the block.
absl::StatusOr<InodeId> NamenodeImpl::Healer::LoadOwner(BlockId block) {
  const std::string key = keys::BlockOwner(OwnedId(block));
  ASSIGN_OR_RETURN(std::optional<InodeId> owner, PeekOwner(block));
  if (!owner) {
    ASSIGN_OR_RETURN(const std::optional<std::string> record, namenode_.store_.Load(key));
    if (!record) return kNoInode;
    ASSIGN_OR_RETURN(const store::BlockOwner parsed, ParseBlockOwner(key, *record));
    owner = InodeId{parsed.inode()};
  }
  if (*owner == kNoInode) return kNoInode;
  RETURN_IF_ERROR(namenode_.LoadBlock(block));
  const absl::Status status = namenode_.LoadInode(*owner);
  if (GetFsError(status) == FsError::kFileNotFound) return kNoInode;
  RETURN_IF_ERROR(status);
  if (IsGrouped(block)) RETURN_IF_ERROR(LoadUnits(block, *owner));
  return *owner;
}

// What the group has lost, the others tell.
absl::Status NamenodeImpl::Healer::LoadUnits(BlockId unit, InodeId owner) {
  std::vector<BlockId> missing;
  {
    ReaderLock lock(namenode_.mu_);
    const Inode* const file = namenode_.tree_->FindById(owner);
    if (file == nullptr || file->file == nullptr) return absl::OkStatus();
    const std::optional<BlockVersion> group = FindBlock(*file, unit);
    if (!group) return absl::OkStatus();
    ForEachUnit(*file, *group, IsFinal(*file, *group), [&](uint32_t, const BlockVersion& other) {
      if (namenode_.blocks_->Find(other.id) == nullptr) missing.push_back(other.id);
    });
  }
  for (const BlockId block : missing) RETURN_IF_ERROR(namenode_.LoadBlock(block));
  return absl::OkStatus();
}

size_t NamenodeImpl::Healer::Judge(const Round& round, std::span<const BlockId> blocks, bool act) {
  const size_t slice = act ? kActSlice : kLookSlice;
  size_t orders = 0;
  for (size_t at = 0; at < blocks.size(); at += slice) {
    const auto part = blocks.subspan(at, std::min(slice, blocks.size() - at));
    for (const BlockId block : JudgeSlice(round, part, act, &orders)) {
      // Evicted while the others were loaded: by itself it will do.
      for (const BlockId again : JudgeSlice(round, std::span(&block, 1), act, &orders)) {
        WriterLock lock(namenode_.mu_);
        queue_.Defer(again, round.now + kBusyPause);
        Check(again);
      }
    }
  }
  return orders;
}

// Returns those that were not in memory any more when it came to judging.
std::vector<BlockId> NamenodeImpl::Healer::JudgeSlice(const Round& round,
                                                      std::span<const BlockId> blocks, bool act,
                                                      size_t* orders) {
  std::vector<std::pair<BlockId, InodeId>> loaded;
  std::vector<BlockId> unreadable, evicted;
  for (const BlockId block : blocks) {
    const absl::StatusOr<InodeId> owner = LoadOwner(block);
    if (owner.ok()) {
      loaded.emplace_back(block, *owner);
      continue;
    }
    LOG_EVERY_SECONDS(kError, 1, "blk_{} cannot be judged: {}", ToSigned(block),
                      owner.status().ToString());
    unreadable.push_back(block);
  }
  WriterLock lock(namenode_.mu_);
  if (namenode_.safe_mode_.on()) return {};
  for (const auto& [block, owner] : loaded) {
    unread_blocks_.Forget(block);
    if (owner == kNoInode || IsThere(owner, block)) {
      *orders += JudgeOne(round, block, owner, act);
    } else {
      evicted.push_back(block);
    }
  }
  for (const BlockId block : unreadable) {
    queue_.Defer(block, unread_blocks_.Failed(block, round.now), "its records cannot be read");
  }
  namenode_.tree_->Trim(static_cast<int>(blocks.size()));
  return evicted;
}

// In memory, with its file and the other units of its group.
bool NamenodeImpl::Healer::IsThere(InodeId owner, BlockId block) const {
  const Inode* const file = namenode_.tree_->FindById(owner);
  if (file == nullptr || namenode_.blocks_->Find(block) == nullptr) return false;
  if (!IsGrouped(block) || file->file == nullptr) return true;
  const std::optional<BlockVersion> group = FindBlock(*file, block);
  bool all = true;
  if (group) {
    ForEachUnit(*file, *group, IsFinal(*file, *group), [&](uint32_t, const BlockVersion& unit) {
      all &= namenode_.blocks_->Find(unit.id) != nullptr;
    });
  }
  return all;
}

// The block and its file are in memory, or no file has it. True: something was ordered.
bool NamenodeImpl::Healer::JudgeOne(const Round& round, BlockId block, InodeId owner, bool act) {
  const Inode* const file = owner == kNoInode ? nullptr : namenode_.tree_->FindById(owner);
  const BlockMap::Entry* const entry = namenode_.blocks_->Find(block);
  std::optional<BlockVersion> version;
  if (file != nullptr && file->file != nullptr) version = FindUnit(*file, block);
  if (!version || entry->state() == BlockMap::State::kUnderConstruction) {
    // Deleted, moved to another file by concat, or written to again: its close comes here.
    queue_.Remove(block);
    return false;
  }
  MarkOutdated(round, *entry);
  ForgetLostMarks(block, *round.view);
  BlockFacts facts = FactsOf(*file, *version, *entry, *round.view);
  std::optional<Need> need = NeedOf(facts, *round.view);
  // Where nothing is lacking the lost orders are given again.
  if (need && need != Need::kSurplus && CountLostDeletions(round, facts)) {
    facts = FactsOf(*file, *version, *entry, *round.view);
    need = NeedOf(facts, *round.view);
  }
  if (!need || IsDetached(*file)) {
    queue_.Remove(block);
    return false;
  }
  if (!queue_.Put(block, *need, facts.wanted, round.now)) return false;
  return act && Act(round, facts, *need);
}

// Who has told of everything in its session and not of this version has the older one still: after
// a restart of the namenode it may have told of that before the commit, or with nothing but a
// digest, and would say no more. Who is still telling is waited for; who is to register will tell
// anew.
void NamenodeImpl::Healer::MarkOutdated(const Round& round, const BlockMap::Entry& entry) {
  const auto found = outdated_.find(entry.id());
  if (found == outdated_.end() || round.now < found->second.due) return;
  Outdated later{.due = round.now + options_.written_grace, .storages = {}};
  const std::span<const uint32_t> good = entry.replicas();
  const std::vector<uint32_t> bad = namenode_.blocks_->CorruptReplicas(entry.id());
  for (const uint32_t storage : found->second.storages) {
    if (std::find(good.begin(), good.end(), storage) != good.end()) continue;
    if (std::find(bad.begin(), bad.end(), storage) != bad.end()) continue;  // it has told of more
    const ClusterView::Node* const node = round.view->NodeOf(storage);
    if (IsReported(storage, *round.view)) {
      namenode_.blocks_->MarkStale(storage, entry.id());
    } else if (node != nullptr && node->info->liveness != Liveness::kDead) {
      later.storages.push_back(storage);
    }
  }
  if (later.storages.empty()) {
    outdated_.erase(found);
  } else {
    written_.push_back({later.due, entry.id(), 0});
    found->second = std::move(later);
  }
}

// A commit marks the replicas of an older version, also those on storages that were lost before it.
void NamenodeImpl::Healer::ForgetLostMarks(BlockId block, const ClusterView& view) {
  for (const uint32_t storage : namenode_.blocks_->CorruptReplicas(block)) {
    if (StandingOf(storage, ReplicaMark::kCorrupt, view) != Standing::kDead) continue;
    namenode_.blocks_->ReplicaGone(storage, block);
  }
}

// Replicas whose deletion was ordered, and the order lost, count again. True: there were some.
bool NamenodeImpl::Healer::CountLostDeletions(const Round& round, const BlockFacts& facts) {
  bool any = false;
  for (const auto& [storage, standing] : facts.replicas) {
    if (standing != Standing::kExcess || !IsReported(storage, *round.view)) continue;
    const uint64_t session = round.view->NodeOf(storage)->info->session;
    if (!leaving_.IsLost(facts.block.id, storage, session, round.now)) continue;
    leaving_.Remove(facts.block.id, storage);
    any = true;
  }
  return any;
}

// ---- acting

bool NamenodeImpl::Healer::Repair(const Round& round) {
  if (hurry_left_ > 0) {
    const size_t most = std::min(hurry_left_, kHurrySlice);
    WriterLock lock(namenode_.mu_);
    const size_t looked = queue_.HurryUp(round.now, most, &hurry_walk_);
    hurry_left_ = looked < most ? 0 : hurry_left_ - looked;
  }
  size_t orders = 0;
  for (int i = 0; i < kActRounds; ++i) {
    std::vector<BlockId> due;
    {
      ReaderLock lock(namenode_.mu_);
      due = queue_.Due(round.now, kActSlice);
    }
    if (due.empty()) return hurry_left_ > 0;
    orders += Judge(round, due, /*act=*/true);
  }
  return orders > 0 || hurry_left_ > 0;
}

bool NamenodeImpl::Healer::Act(const Round& round, const BlockFacts& facts, Need need) {
  const BlockId block = facts.block.id;
  const RepairPlan plan =
      PlanRepair(facts, need, rules_, *round.view, budget_, round.now, namenode_.RandomBits());
  bool ordered = false;
  if (plan.copy) ordered = OrderCopies(round, facts, *plan.copy);
  if (plan.rebuild) ordered = OrderRebuild(round, facts, *plan.rebuild);
  if (!plan.deletions.empty()) ordered |= OrderDeletions(round, facts, plan.deletions);
  if (ordered || plan.copy || plan.rebuild || !plan.deletions.empty()) return ordered;
  switch (plan.next) {
    case RepairPlan::Next::kBusy:
      queue_.Defer(block, round.now + kBusyPause, plan.blocked_by);
      break;
    case RepairPlan::Next::kBlocked:
      queue_.Failed(block, round.now, plan.blocked_by);
      break;
    case RepairPlan::Next::kWait:
      queue_.Defer(block, round.now + kWaitPause);
      break;
  }
  return false;
}

absl::Duration NamenodeImpl::Healer::CopyTimeout(uint64_t bytes) const {
  const absl::Duration needed =
      kRepairStart + absl::Seconds(static_cast<double>(bytes) / kCopyBytesPerSecond);
  return std::min(needed, options_.copy_timeout);
}

bool NamenodeImpl::Healer::OrderCopies(const Round& round, const BlockFacts& facts,
                                       const RepairPlan::Copy& copy) {
  const ClusterView& view = *round.view;
  const BlockId block = facts.block.id;
  const DatanodeInfo& source = *view.NodeOf(copy.source)->info;
  ReplicateCommand order{.block = facts.block, .targets = {}};
  std::vector<std::string> target_nodes;
  for (const uint32_t target : copy.targets) {
    const StorageLocation& at = *view.Find(target);
    order.targets.push_back({at.node->address, at.node->uuid, at.storage_uuid, at.storage_type});
    target_nodes.push_back(at.node->uuid);
  }
  if (!namenode_.orders_.Add(source.uuid, std::move(order))) {
    queue_.Defer(block, round.now + absl::Seconds(1),
                 absl::StrCat("too many orders wait for datanode ", AddressOf(source)));
    return false;
  }
  const absl::Duration deadline = round.now + CopyTimeout(facts.block.length);
  for (const uint32_t target : copy.targets) {
    copies_.Add(block, CopyTo(copy.source, target, facts.block.length, view, round.now, deadline));
  }
  namenode_.cluster_.Schedule(copy.targets);
  budget_.Spend(source.uuid, target_nodes, facts.block.length, round.now);
  queue_.Defer(block, deadline + kEndCopiesInterval);  // before that, the copies' end makes it due
  return true;
}

bool NamenodeImpl::Healer::OrderRebuild(const Round& round, const BlockFacts& facts,
                                        const RepairPlan::Rebuild& rebuild) {
  const ClusterView& view = *round.view;
  const GroupFacts& group = *facts.group;
  const RepairPlan::Rebuild::At& first = rebuild.targets.front();
  const DatanodeInfo& worker = *view.NodeOf(first.storage)->info;
  RebuildCommand order{.group = group.group,
                       .schema = group.policy->schema,
                       .cell_bytes = group.policy->cell_bytes,
                       .sources = {},
                       .targets = {}};
  for (const auto& [unit, storage] : rebuild.sources) {
    const DatanodeInfo& node = *view.NodeOf(storage)->info;
    order.sources.push_back({unit, node.address, node.uuid});
  }
  // The first ones are read, and one more.
  const size_t read = std::min<size_t>(rebuild.sources.size(), group.needed + 1);
  for (const auto& [unit, storage] : rebuild.targets) {
    const StorageLocation& at = *view.Find(storage);
    order.targets.push_back(
        {unit, {at.node->address, at.node->uuid, at.storage_uuid, at.storage_type}});
  }
  if (!namenode_.orders_.Add(worker.uuid, std::move(order))) {
    queue_.Defer(facts.block.id, round.now + absl::Seconds(1),
                 absl::StrCat("too many orders wait for datanode ", AddressOf(worker)));
    return false;
  }
  for (size_t i = 0; i < read; ++i) {
    const std::string& node = view.NodeOf(rebuild.sources[i].storage)->info->uuid;
    budget_.Spend(node, {}, facts.block.length, round.now);
  }
  // All units are read from start to end, whatever is lost.
  const absl::Duration deadline = round.now + CopyTimeout(group.group.length);
  for (const auto& [unit, storage] : rebuild.targets) {
    const DatanodeInfo& node = *view.NodeOf(storage)->info;
    const BlockId lost = UnitOf(group.group.id, unit);
    copies_.Add(lost,
                CopyTo(first.storage, storage, facts.block.length, view, round.now, deadline));
    namenode_.cluster_.Schedule(std::span(&storage, 1));
    budget_.Spend(worker.uuid, std::span(&node.uuid, 1), facts.block.length, round.now);
    queue_.Defer(lost, deadline + kEndCopiesInterval);
  }
  return true;
}

// False: all of it was ordered before, or nothing can be ordered now.
bool NamenodeImpl::Healer::OrderDeletions(const Round& round, const BlockFacts& facts,
                                          std::span<const uint32_t> storages) {
  const BlockVersion& block = facts.block;
  if (round.now < deletions_from_) {
    queue_.Defer(block.id, deletions_from_, "nothing is deleted so soon after a start");
    return false;
  }
  if (const absl::Duration until = DoubtedUntil(round, facts); round.now < until) {
    queue_.Defer(block.id, until,
                 "a datanode that was away is back, and may find its copy corrupt");
    return false;
  }
  if (namenode_.invalidations_.IsFull()) {
    queue_.Defer(block.id, round.now + absl::Seconds(1), "too many deletions are queued");
    return false;
  }
  bool ordered = false;
  for (const uint32_t storage : storages) {
    const uint64_t session = round.view->NodeOf(storage)->info->session;
    if (!leaving_.IsDue(block.id, storage, session, round.now)) continue;
    // A recovery or a cut that ends late brings an older one to the block's stamp: then it is good.
    const bool older = namenode_.blocks_->IsOlder(block.id, storage);
    const GenerationStamp stamp{ToInt(block.stamp) - (older ? 1 : 0)};
    if (!namenode_.invalidations_.AddUntil(round.now + kDeletionLimit, storage, session,
                                           {block.id, stamp}, namenode_.last_txid_)) {
      continue;  // it has just died, or registered anew
    }
    leaving_.Add(block.id, stamp, storage, session, round.now);
    ordered = true;
  }
  queue_.Defer(block.id, round.now + kDeletionPause, "waits for the datanodes to delete");
  return ordered;
}

}  // namespace cairn::namenode
