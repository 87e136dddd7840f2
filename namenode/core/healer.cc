#include "namenode/core/healer.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "namenode/core/balancer.h"
#include "namenode/core/departures.h"
#include "namenode/core/run.h"
#include "namenode/store/keys.h"
#include "namenode/store/records.h"

namespace cairn::namenode {
namespace {

// Blocks judged, and acted on, under one lock: some microseconds each.
constexpr size_t kJudgeSlice = 32;
constexpr size_t kActSlice = 8;
// Of one round.
constexpr size_t kChecksPerRound = 128;
constexpr size_t kHurrySlice = 250;    // some 2 microseconds each, if it has failed
constexpr size_t kMostWritten = 1000;  // looked at under one lock, a fraction of a microsecond each
constexpr int kActRounds = 16;
// Looked at under one lock: copies, 3 microseconds each if they have ended, and what costs a
// fraction of one each.
constexpr size_t kCopiesSlice = 100;
constexpr size_t kMarksSlice = 500;
constexpr size_t kStoragesSlice = 500;
// Lists of ids between events and judging; what does not fit is found by a walk over all blocks.
constexpr size_t kMostListed = 1'000'000;
constexpr size_t kMostFiles = 100'000;

constexpr absl::Duration kWatchInterval = absl::Milliseconds(200);
constexpr absl::Duration kEndCopiesInterval = absl::Milliseconds(500);
// The pauses of a block that waits for its turn, and for a datanode to delete.
constexpr absl::Duration kBusyPause = absl::Milliseconds(100);
constexpr absl::Duration kDeletionPause = absl::Minutes(1);
// A deletion that has not left by then is judged anew.
constexpr absl::Duration kDeletionLimit = absl::Minutes(1);
constexpr absl::Duration kWaitPause = absl::Minutes(1);
constexpr absl::Duration kUnreadablePause = absl::Minutes(1);
// A copy has this long, and one second more for each of so many bytes.
constexpr absl::Duration kCopyStart = absl::Seconds(20);
constexpr double kCopyBytesPerSecond = 2 << 20;

// What makes no difference to the blocks there: a node that is silent for a moment, and one that
// has left after it was leaving.
Standing Coarse(Standing standing) {
  if (standing == Standing::kStale) return Standing::kLive;
  if (standing == Standing::kDecommissioned) return Standing::kDecommissioning;
  return standing;
}

}  // namespace

const BlockVersion* FindBlock(const Inode& file, BlockId block) {
  const std::vector<BlockVersion>& blocks = file.file->blocks;
  const auto found = std::find_if(blocks.rbegin(), blocks.rend(),
                                  [block](const BlockVersion& b) { return b.id == block; });
  return found == blocks.rend() ? nullptr : &*found;
}

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
      balancer_(std::make_unique<Balancer>(namenode, *this, options.balance)) {}

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
  leaving_.Arrived(block, storage, session);
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
  queue_.SetDue(block, namenode_.clock_.Monotonic());
  Check(block);
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

void NamenodeImpl::Healer::BlockRemoved(BlockId block) {
  queue_.Remove(block);
  copies_.Forget(block);
  balancer_->BlockRemoved(block);
  leaving_.Forget(block);
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
    LOG_EVERY_SECONDS(kWarn, 1, "blk_{}: {}", ToInt(told.block), what);
    queue_.Failed(told.block, namenode_.clock_.Monotonic(), what);
    for (const PendingCopies::Copy& copy : copies) namenode_.cluster_.Unschedule(copy.target);
  }
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
  return facts;
}

std::optional<Need> NamenodeImpl::Healer::NeedOf(const BlockFacts& facts,
                                                 const ClusterView& view) const {
  return namenode::NeedOf(facts.counts, facts.wanted, rules_.min_maintenance, view);
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
  }
  totals.missing_single = queue_.missing_single();
  totals.corrupt_blocks = namenode_.blocks_->stats().corrupt;
  totals.copies = copies_.size();
  totals.pending_deletions = namenode_.invalidations_.pending();
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
  return repairing || more || leaving || balancing || !blocks.empty();
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

// A storage that is lost, or back, and one whose node is to leave or to stay: what it holds counts
// differently now. One that is back is looked at when it has told what it still holds.
void NamenodeImpl::Healer::WatchStorages(const Round& round) {
  if (round.view == watched_ || round.now < next_watch_) return;
  const bool first = watched_ == nullptr;
  watched_ = round.view;
  next_watch_ = round.now + kWatchInterval;
  const ClusterView& view = *round.view;
  std::vector<bool> untold(view.storage_limit());
  for (const ClusterView::Node& node : view.nodes()) {
    for (const StorageInfo& storage : node.info->storages) {
      untold[storage.number] = !storage.reported;
    }
  }
  const size_t known = standing_.size();
  std::vector<uint32_t> changed;
  bool gained = false;  // a place for copies
  standing_.resize(std::max<size_t>(known, view.storage_limit()), Standing::kDead);
  for (uint32_t storage = 0; storage < standing_.size(); ++storage) {
    const Standing standing = Coarse(StandingOf(storage, ReplicaMark::kNone, view));
    const bool is_new = first || storage >= known;
    if (standing == standing_[storage] && !is_new) continue;
    if (!is_new && standing != Standing::kDead && untold[storage]) continue;
    standing_[storage] = standing;
    if (!is_new) changed.push_back(storage);
    gained |= standing == Standing::kLive;
  }
  for (size_t at = 0; at < changed.size(); at += kStoragesSlice) {
    const std::span<const uint32_t> all(changed);
    WriterLock lock(namenode_.mu_);
    for (const uint32_t storage : all.subspan(at, std::min(kStoragesSlice, all.size() - at))) {
      CheckStorage(storage);
    }
  }
  for (const uint32_t storage : changed) {
    if (standing_[storage] == Standing::kDead) ForgetMarks(storage);
  }
  if (!gained) return;
  hurry_walk_ = {};
  ReaderLock lock(namenode_.mu_);
  hurry_left_ = queue_.size();
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
                          ToInt(block), copy.source_address, copy.target_address);
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

// ---- finding blocks

std::vector<BlockId> NamenodeImpl::Healer::NextToCheck(const Round& round, size_t most,
                                                       bool* more) {
  std::vector<BlockId> blocks;
  *more = TakeListed(round, most, &blocks);
  {
    WriterLock lock(namenode_.mu_);
    if (queue_.IsFull()) return blocks;  // the walks wait
    if (queue_.TakeOverflow()) walk_again_ = true;
    if (!file_walk_ && !files_.empty()) {
      file_walk_ = FileWalk{files_.front()};
      files_.pop_front();
    }
    if (!unread_storages_.empty() && round.now >= next_unread_) {
      for (const uint32_t storage : std::exchange(unread_storages_, {})) CheckStorage(storage);
    }
    if (!storage_walk_ && !storages_.empty()) {
      storage_walk_ = StorageWalk{storages_.front(), ""};
      in_storages_.erase(storages_.front());
      storages_.pop_front();
    }
    if (!full_walk_ && (walk_again_ || round.now >= next_full_walk_)) {
      full_walk_ = "";
      walk_again_ = false;
    }
    walking_ = full_walk_.has_value() || storage_walk_.has_value();
  }
  if (file_walk_ && blocks.size() < most) WalkFile(most - blocks.size(), &blocks);
  if (storage_walk_ && blocks.size() < most) WalkStorage(round, most - blocks.size(), &blocks);
  if (full_walk_ && blocks.size() < most) WalkAll(round, most - blocks.size(), &blocks);
  return blocks;
}

// True: there is more.
bool NamenodeImpl::Healer::TakeListed(const Round& round, size_t most, std::vector<BlockId>* out) {
  WriterLock lock(namenode_.mu_);
  for (; !listed_.empty() && out->size() < most; listed_.pop_front()) {
    out->push_back(listed_.front());
  }
  for (size_t looks = 0; !written_.empty() && written_.front().due <= round.now &&
                         out->size() < most && looks < kMostWritten;
       written_.pop_front(), ++looks) {
    if (!IsWellWritten(written_.front(), *round.view)) out->push_back(written_.front().block);
  }
  return !listed_.empty() || (!written_.empty() && written_.front().due <= round.now);
}

// Nearly all blocks are, and are in memory still: they cost no look at their file.
bool NamenodeImpl::Healer::IsWellWritten(const Written& written, const ClusterView& view) const {
  const BlockMap::Entry* const entry = namenode_.blocks_->Find(written.block);
  if (entry == nullptr || entry->state() == BlockMap::State::kUnderConstruction ||
      entry->replicas().size() != written.wanted || leaving_.Has(written.block) ||
      !namenode_.blocks_->CorruptReplicas(written.block).empty()) {
    return false;
  }
  absl::InlinedVector<StandingReplica, 4> replicas;
  for (const uint32_t storage : entry->replicas()) {
    replicas.push_back({storage, StandingOf(storage, ReplicaMark::kNone, view)});
  }
  return !namenode::NeedOf(CountReplicas(replicas, view), written.wanted, rules_.min_maintenance,
                           view);
}

void NamenodeImpl::Healer::WalkFile(size_t most, std::vector<BlockId>* out) {
  const absl::Status status = namenode_.LoadInode(file_walk_->file);
  ReaderLock lock(namenode_.mu_);
  const Inode* const file = namenode_.tree_->FindById(file_walk_->file);
  if (!status.ok() || file == nullptr || file->file == nullptr) {
    file_walk_.reset();  // deleted meanwhile
    return;
  }
  const std::vector<BlockVersion>& blocks = file->file->blocks;
  for (; most > 0 && file_walk_->next < blocks.size(); --most) {
    out->push_back(blocks[file_walk_->next++].id);
  }
  if (file_walk_->next >= blocks.size()) file_walk_.reset();
}

absl::StatusOr<bool> NamenodeImpl::Healer::ReadIds(const std::string& prefix, size_t most,
                                                   std::string* position,
                                                   std::vector<BlockId>* out) {
  std::unique_ptr<Store::Range> range;
  {
    ReaderLock lock(namenode_.mu_);
    range = namenode_.store_.Scan(prefix, *position, most);
  }
  const size_t before = out->size();
  for (; range->Valid(); range->Next()) {
    uint64_t id;
    if (keys::ParseTrailingId(range->key(), &id)) out->push_back(BlockId{id});
  }
  if (!range->status().ok()) {
    out->resize(before);
    return range->status();
  }
  if (!range->more()) return false;
  *position = std::string(range->resume_after());
  return true;
}

void NamenodeImpl::Healer::WalkStorage(const Round& round, size_t most, std::vector<BlockId>* out) {
  const uint32_t storage = storage_walk_->storage;
  const absl::StatusOr<bool> more =
      ReadIds(keys::StorageBlockPrefix(storage), most, &storage_walk_->position, out);
  if (more.ok() && *more) return;
  storage_walk_.reset();
  if (more.ok()) return;
  LOG_ERROR("looking for blocks of storage {}: {}; again in {}", storage, more.status().ToString(),
            absl::FormatDuration(kUnreadablePause));
  WriterLock lock(namenode_.mu_);
  unread_storages_.push_back(storage);
  next_unread_ = round.now + kUnreadablePause;
}

void NamenodeImpl::Healer::WalkAll(const Round& round, size_t most, std::vector<BlockId>* out) {
  if (!full_walk_rate_.HasAny(round.now)) return;
  const size_t before = out->size();
  const absl::StatusOr<bool> more =
      ReadIds(std::string(1, keys::kBlockOwner), most, &*full_walk_, out);
  if (!more.ok()) {
    LOG_ERROR("looking for blocks to repair: {}; again in {}", more.status().ToString(),
              absl::FormatDuration(kUnreadablePause));
  }
  if (!more.ok() || !*more) {
    full_walk_.reset();
    next_full_walk_ = round.now + (more.ok() ? options_.check_interval : kUnreadablePause);
  }
  full_walk_rate_.Take(static_cast<double>(out->size() - before), round.now);
}

// ---- judging

// The owner as far as memory knows; nullopt: LevelDB must be asked.
absl::StatusOr<std::optional<InodeId>> NamenodeImpl::Healer::PeekOwner(BlockId block) {
  const std::string key = keys::BlockOwner(block);
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
  const std::string key = keys::BlockOwner(block);
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
  return *owner;
}

size_t NamenodeImpl::Healer::Judge(const Round& round, std::span<const BlockId> blocks, bool act) {
  const size_t slice = act ? kActSlice : kJudgeSlice;
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
    LOG_EVERY_SECONDS(kError, 1, "blk_{} cannot be judged: {}", ToInt(block),
                      owner.status().ToString());
    unreadable.push_back(block);
  }
  WriterLock lock(namenode_.mu_);
  if (namenode_.safe_mode_.on()) return {};
  for (const auto& [block, owner] : loaded) {
    const bool is_there = owner == kNoInode || (namenode_.tree_->FindById(owner) != nullptr &&
                                                namenode_.blocks_->Find(block) != nullptr);
    if (is_there) {
      *orders += JudgeOne(round, block, owner, act);
    } else {
      evicted.push_back(block);
    }
  }
  for (const BlockId block : unreadable) {
    queue_.Defer(block, round.now + kUnreadablePause, "its records cannot be read");
  }
  namenode_.tree_->Trim(static_cast<int>(blocks.size()));
  return evicted;
}

// The block and its file are in memory, or no file has it. True: something was ordered.
bool NamenodeImpl::Healer::JudgeOne(const Round& round, BlockId block, InodeId owner, bool act) {
  const Inode* const file = owner == kNoInode ? nullptr : namenode_.tree_->FindById(owner);
  const BlockMap::Entry* const entry = namenode_.blocks_->Find(block);
  const BlockVersion* const version =
      file == nullptr || file->file == nullptr ? nullptr : FindBlock(*file, block);
  if (version == nullptr || entry->state() == BlockMap::State::kUnderConstruction) {
    // Deleted, moved to another file by concat, or written to again: its close comes here.
    queue_.Remove(block);
    return false;
  }
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
  if (!plan.deletions.empty()) ordered |= OrderDeletions(round, facts, plan.deletions);
  if (ordered || plan.copy || !plan.deletions.empty()) return ordered;
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
      kCopyStart + absl::Seconds(static_cast<double>(bytes) / kCopyBytesPerSecond);
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
    const DatanodeInfo& node = *view.NodeOf(target)->info;
    copies_.Add(block, {.source = copy.source,
                        .target = target,
                        .source_node = source.uuid,
                        .target_node = node.uuid,
                        .source_session = source.session,
                        .target_session = node.session,
                        .source_address = AddressOf(source),
                        .target_address = AddressOf(node),
                        .bytes = facts.block.length,
                        .since = round.now,
                        .deadline = deadline});
  }
  namenode_.cluster_.Schedule(copy.targets);
  budget_.Spend(source.uuid, target_nodes, facts.block.length, round.now);
  queue_.Defer(block, deadline + kEndCopiesInterval);  // before that, the copies' end makes it due
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
  if (namenode_.invalidations_.IsFull()) {
    queue_.Defer(block.id, round.now + absl::Seconds(1), "too many deletions are queued");
    return false;
  }
  bool ordered = false;
  for (const uint32_t storage : storages) {
    const uint64_t session = round.view->NodeOf(storage)->info->session;
    if (!leaving_.IsDue(block.id, storage, session, round.now)) continue;
    if (!namenode_.invalidations_.AddUntil(round.now + kDeletionLimit, storage, session,
                                           {block.id, block.stamp}, namenode_.last_txid_)) {
      continue;  // it has just died, or registered anew
    }
    leaving_.Add(block.id, storage, session, round.now);
    ordered = true;
  }
  queue_.Defer(block.id, round.now + kDeletionPause, "waits for the datanodes to delete");
  return ordered;
}

}  // namespace cairn::namenode
