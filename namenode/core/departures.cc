#include "namenode/core/departures.h"

#include <algorithm>
#include <span>

#include "absl/strings/str_cat.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "namenode/core/run.h"
#include "namenode/namespace/units.h"
#include "namenode/store/keys.h"

namespace cairn::namenode {
namespace {

constexpr size_t kJudgeSlice = 32;  // under one lock: some microseconds each
// Of one round: reads of LevelDB may take 0.1 ms for a block.
constexpr size_t kBlocksPerStep = 256;
constexpr size_t kFilesPerStep = 64;
// Between two rounds through a list, and two looks at what is in the way. Rounds through a long
// list take longer than this anyway.
constexpr absl::Duration kPause = absl::Seconds(1);
constexpr absl::Duration kReadAgainPause = absl::Seconds(10);
constexpr absl::Duration kLogInterval = absl::Seconds(30);

bool IsLeaving(AdminState state) {
  return state == AdminState::kDecommissioning || state == AdminState::kEnteringMaintenance;
}

// One line for the log.
std::string Text(const LeaveProgress& at) {
  return absl::StrCat(
      "datanode ", at.address.ip, ":", at.address.transfer_port, ": ", AdminStateText(at.state),
      ": ", at.blocks_left, " of ", at.blocks, " blocks (", at.bytes_left, " bytes) left, ",
      static_cast<uint64_t>(at.bytes_per_second), " bytes/s",
      at.ends_in ? absl::StrCat(", ends in ",
                                absl::FormatDuration(absl::Floor(*at.ends_in, absl::Seconds(1))))
                 : "",
      at.blocked_by.empty() ? "" : "; in the way: ", at.blocked_by);
}

bool Holds(std::span<const uint32_t> storages, uint32_t storage) {
  return std::find(storages.begin(), storages.end(), storage) != storages.end();
}

}  // namespace

bool NamenodeImpl::Healer::Departures::Step() {
  for (const ClusterState::AdminChange& change : namenode_.cluster_.TakeAdminChanges()) {
    LOG_INFO("datanode {} at {}:{}: {} -> {}", change.uuid, change.address.ip,
             change.address.transfer_port, AdminStateText(change.from), AdminStateText(change.to));
  }
  {
    // In safe mode what is not reported yet would look lost.
    ReaderLock lock(namenode_.mu_);
    if (namenode_.journal_ == nullptr || namenode_.safe_mode_.on()) return false;
  }
  const std::shared_ptr<const ClusterView> view = namenode_.cluster_.View();
  const absl::Duration now = namenode_.clock_.Monotonic();
  if (view != followed_) Follow(*view, now);
  followed_ = view;
  bool more = false;
  std::vector<LeaveProgress> progress;
  for (auto& [uuid, leaving] : leaving_) {
    const DatanodeInfo& node = *view->FindByUuid(uuid)->info;
    more |= StepOne(*view, node, now, &leaving);
    progress.push_back(Describe(node, leaving, now));
    if (now < leaving.next_log) continue;
    leaving.next_log = now + kLogInterval;
    LOG_INFO("{}", Text(progress.back()));
  }
  MutexLock lock(mu_);
  progress_ = std::move(progress);
  return more;
}

std::vector<LeaveProgress> NamenodeImpl::Healer::Departures::Progress() const {
  MutexLock lock(mu_);
  return progress_;
}

// Begins with those that are to leave now, and forgets those that are not. One that has registered
// again begins anew: it may have other storages, and other replicas on them.
void NamenodeImpl::Healer::Departures::Follow(const ClusterView& view, absl::Duration now) {
  absl::erase_if(leaving_, [&](const auto& entry) {
    const ClusterView::Node* const node = view.FindByUuid(entry.first);
    return node == nullptr || node->info->admin_state != entry.second.state;
  });
  for (const ClusterView::Node& node : view.nodes()) {
    const DatanodeInfo& info = *node.info;
    if (!IsLeaving(info.admin_state)) continue;
    const auto [it, added] = leaving_.try_emplace(info.uuid);
    Leaving& leaving = it->second;
    if (!added && leaving.session == info.session) continue;
    const absl::Duration since = added ? now : leaving.since;
    leaving = Leaving{.state = info.admin_state, .session = info.session, .since = since};
    for (const StorageInfo& storage : info.storages) leaving.storages.push_back(storage.number);
    ReaderLock lock(namenode_.mu_);
    leaving.begun_at = namenode_.last_txid_;
  }
}

bool NamenodeImpl::Healer::Departures::StepOne(const ClusterView& view, const DatanodeInfo& node,
                                               absl::Duration now, Leaving* leaving) {
  if (now < leaving->resume) return false;
  // What it holds is known when it has told; a dead one tells no more than the records.
  const auto untold = [](const StorageInfo& storage) {
    return !storage.failed && !storage.reported;
  };
  if (node.liveness != Liveness::kDead &&
      std::any_of(node.storages.begin(), node.storages.end(), untold)) {
    leaving->blocked_by = "it has not told yet which blocks it holds";
    leaving->resume = now + kPause;
    return false;
  }
  switch (leaving->phase) {
    case Leaving::Phase::kWalk:
      return Walk(view, node, now, leaving);
    case Leaving::Phase::kList:
      return GoThroughList(view, node, now, leaving);
    case Leaving::Phase::kOpenFiles:
      return LookAtOpenFiles(view, now, leaving);
  }
  return false;
}

bool NamenodeImpl::Healer::Departures::Walk(const ClusterView& view, const DatanodeInfo& node,
                                            absl::Duration now, Leaving* leaving) {
  std::vector<BlockId> blocks;
  const absl::Status status = NextBlocks(leaving, &blocks);
  if (!status.ok()) return Unreadable(status, now, leaving);
  const size_t before = leaving->unsafe.size();
  Judge(view, *leaving, blocks, &leaving->unsafe);
  for (size_t i = before; i < leaving->unsafe.size(); ++i) {
    leaving->bytes_left += leaving->unsafe[i].bytes;
    leaving->last_copies += leaving->unsafe[i].last_copy;
  }
  if (leaving->unsafe.size() > before) {
    leaving->found_some = true;
    // Repair knows most of them. One that was finished on this node just now looks well to it.
    WriterLock lock(namenode_.mu_);
    for (size_t i = before; i < leaving->unsafe.size(); ++i) {
      healer_.Check(leaving->unsafe[i].block);
    }
  }
  const bool at_end = leaving->IsAtEnd();
  if (!at_end && leaving->unsafe.size() < kMostListed) return true;
  if (!leaving->unsafe.empty()) {
    leaving->phase = Leaving::Phase::kList;
    leaving->at_unsafe = leaving->kept_unsafe = 0;
    leaving->estimate.Sample(now, leaving->done_bytes);
    return true;
  }
  if (!leaving->looked || leaving->found_some) {
    LookFromTheStart(leaving);
    return true;
  }
  leaving->blocked_by.clear();
  LookFromTheStart(leaving);
  leaving->resume = now + kPause;  // if it is in another state by now, the next view tells
  namenode_.cluster_.FinishLeaving(node.uuid, leaving->state);
  return true;
}

// Of the records first, then what the look has found on the node.
absl::Status NamenodeImpl::Healer::Departures::NextBlocks(Leaving* leaving,
                                                          std::vector<BlockId>* blocks) {
  if (leaving->at_storage < leaving->storages.size()) {
    const std::string prefix = keys::StorageBlockPrefix(leaving->storages[leaving->at_storage]);
    ASSIGN_OR_RETURN(const bool more,
                     healer_.ReadIds(prefix, kBlocksPerStep, &leaving->position, blocks));
    if (!more) {
      ++leaving->at_storage;
      leaving->position.clear();
    }
    leaving->walked += blocks->size();
    return absl::OkStatus();
  }
  std::vector<BlockId>& written = leaving->being_written;
  const size_t rest = written.size() - std::min(written.size(), kBlocksPerStep);
  blocks->assign(written.begin() + static_cast<std::ptrdiff_t>(rest), written.end());
  written.resize(rest);
  return absl::OkStatus();
}

void NamenodeImpl::Healer::Departures::LookFromTheStart(Leaving* leaving) {
  leaving->phase = Leaving::Phase::kOpenFiles;
  leaving->open_position.clear();
  leaving->being_written.clear();
}

bool NamenodeImpl::Healer::Departures::GoThroughList(const ClusterView& view,
                                                     const DatanodeInfo& node, absl::Duration now,
                                                     Leaving* leaving) {
  std::vector<Unsafe>& list = leaving->unsafe;
  const size_t end = std::min(list.size(), leaving->at_unsafe + kBlocksPerStep);
  std::vector<BlockId> blocks;
  uint64_t bytes = 0, kept_bytes = 0;
  for (size_t i = leaving->at_unsafe; i < end; ++i) {
    blocks.push_back(list[i].block);
    bytes += list[i].bytes;
    leaving->last_copies -= list[i].last_copy;
  }
  std::vector<Unsafe> still;
  Judge(view, *leaving, blocks, &still);
  for (const Unsafe& unsafe : still) {
    kept_bytes += unsafe.bytes;
    leaving->last_copies += unsafe.last_copy;
    list[leaving->kept_unsafe++] = unsafe;
  }
  leaving->bytes_left += kept_bytes - bytes;  // modulo 2^64: never below 0 in the end
  leaving->done_bytes += bytes - std::min(bytes, kept_bytes);
  leaving->at_unsafe = end;
  if (end < list.size()) return true;

  list.resize(leaving->kept_unsafe);
  leaving->at_unsafe = leaving->kept_unsafe = 0;
  leaving->estimate.Sample(now, leaving->done_bytes);
  leaving->blocked_by = WhatBlocks(node, *leaving);
  if (!list.empty()) {
    leaving->resume = now + kPause;
    return false;
  }
  // All that was found is safe: on with the walk if it waited, else once more through all files and
  // blocks, for those that have come since.
  if (leaving->IsAtEnd()) {
    LookFromTheStart(leaving);
  } else {
    leaving->phase = Leaving::Phase::kWalk;
  }
  return true;
}

// A block that is being written has no record. It may lose this node like any of its pipeline, if
// enough of the others stay. What is closed before the look comes to it has its record by then, and
// is met by the walk that follows.
bool NamenodeImpl::Healer::Departures::LookAtOpenFiles(const ClusterView& view, absl::Duration now,
                                                       Leaving* leaving) {
  if (namenode_.store_.applied() < leaving->begun_at) {
    leaving->resume = now + kPause;
    return false;
  }
  std::vector<BlockId> ids;  // of inodes, in truth
  const absl::StatusOr<bool> more = healer_.ReadIds(std::string(1, keys::kOpenFile), kFilesPerStep,
                                                    &leaving->open_position, &ids);
  if (!more.ok()) return Unreadable(more.status(), now, leaving);
  for (const BlockId number : ids) {
    const InodeId id{ToInt(number)};
    if (const absl::Status status = namenode_.LoadInode(id); !status.ok()) {
      if (absl::IsNotFound(status)) continue;  // closed and gone
      LookFromTheStart(leaving);
      return Unreadable(status, now, leaving);
    }
    const std::string needs = HowFileNeeds(view, id, leaving);
    if (needs.empty()) continue;
    LookFromTheStart(leaving);
    leaving->blocked_by = needs;
    leaving->resume = now + kPause;
    return false;
  }
  if (*more) return true;
  leaving->blocked_by.clear();
  leaving->phase = Leaving::Phase::kWalk;
  leaving->looked = true;
  leaving->found_some = leaving->first_walk = false;
  leaving->at_storage = 0;
  leaving->walked = 0;
  return true;
}

// Nobody leaves over records that nobody has seen.
bool NamenodeImpl::Healer::Departures::Unreadable(const absl::Status& status, absl::Duration now,
                                                  Leaving* leaving) {
  leaving->blocked_by =
      absl::StrCat("the namenode cannot read its records: ", std::string(status.message()));
  leaving->resume = now + kReadAgainPause;
  return false;
}

std::string NamenodeImpl::Healer::Departures::HowFileNeeds(const ClusterView& view, InodeId id,
                                                           Leaving* leaving) {
  const auto leave = [&](uint32_t storage) { return Holds(leaving->storages, storage); };
  ReaderLock lock(namenode_.mu_);
  const Inode* const file = namenode_.tree_->FindById(id);
  if (file == nullptr) return "";
  for (const BlockMap::Entry* const written : WrittenOn(*file, leave)) {
    leaving->being_written.push_back(written->id());
  }
  const std::optional<uint32_t> elsewhere = TooFewStay(*file, view, leave);
  if (!elsewhere) return "";
  return absl::StrCat(PathOf(*file), " is being written, and its last block is on ", *elsewhere,
                      " other datanodes that stay");
}

NamenodeImpl::Healer::Departures::Entries NamenodeImpl::Healer::Departures::WrittenOn(
    const Inode& file, const std::function<bool(uint32_t)>& leave) const {
  Entries entries;
  if (!file.is_open() || file.file->blocks.empty()) return entries;
  const BlockVersion& last = file.file->blocks.back();
  ForEachUnit(file, last, IsFinal(file, last), [&](uint32_t, const BlockVersion& unit) {
    const BlockMap::Entry* const entry = namenode_.blocks_->Find(unit.id);
    if (entry == nullptr) return;
    const std::span<const uint32_t> on = entry->expected();
    if (std::any_of(on.begin(), on.end(), leave)) entries.push_back(entry);
  });
  return entries;
}

std::optional<uint32_t> NamenodeImpl::Healer::Departures::TooFewStay(
    const Inode& file, const ClusterView& view, const std::function<bool(uint32_t)>& leave) const {
  for (const BlockMap::Entry* const entry : WrittenOn(file, leave)) {
    const uint32_t stay = CountStaying(*entry, view);
    if (stay < namenode_.blocks_->min_replication(entry->id())) return stay;
  }
  return std::nullopt;
}

bool NamenodeImpl::Healer::Departures::IsAwaited(const Inode& file, const ClusterView& view) const {
  namenode_.mu_.AssertReaderHeld();  // by name Clang takes it for another one than the healer's
  const auto leave = [&](uint32_t storage) {
    const ClusterView::Node* const node = view.NodeOf(storage);
    return node != nullptr && node->info->admin_state == AdminState::kDecommissioning;
  };
  return TooFewStay(file, view, leave).has_value();
}

uint32_t NamenodeImpl::Healer::Departures::CountStaying(const BlockMap::Entry& entry,
                                                        const ClusterView& view) {
  return static_cast<uint32_t>(
      std::count_if(entry.expected().begin(), entry.expected().end(), [&](uint32_t storage) {
        const ClusterView::Node* const node = view.NodeOf(storage);
        return node != nullptr && node->info->liveness != Liveness::kDead &&
               node->info->admin_state == AdminState::kInService;
      }));
}

void NamenodeImpl::Healer::Departures::Judge(const ClusterView& view, const Leaving& leaving,
                                             std::span<const BlockId> blocks,
                                             std::vector<Unsafe>* unsafe) {
  std::vector<std::pair<BlockId, InodeId>> loaded;
  for (size_t at = 0; at < blocks.size(); at += kJudgeSlice) {
    loaded.clear();
    for (const BlockId block : blocks.subspan(at, std::min(kJudgeSlice, blocks.size() - at))) {
      const absl::StatusOr<InodeId> owner = healer_.LoadOwner(block);
      if (owner.ok()) {
        if (*owner != kNoInode) loaded.emplace_back(block, *owner);
      } else {
        LOG_EVERY_SECONDS(kError, 1, "blk_{} cannot be judged: {}", ToSigned(block),
                          owner.status().ToString());
        unsafe->push_back({block, 0, false});
      }
    }
    ReaderLock lock(namenode_.mu_);
    for (const auto& [block, owner] : loaded) JudgeOne(view, leaving, block, owner, unsafe);
  }
}

void NamenodeImpl::Healer::Departures::JudgeOne(const ClusterView& view, const Leaving& leaving,
                                                BlockId block, InodeId owner,
                                                std::vector<Unsafe>* unsafe) const {
  const Inode* const file = namenode_.tree_->FindById(owner);
  const BlockMap::Entry* const entry = namenode_.blocks_->Find(block);
  if (file == nullptr || entry == nullptr) {
    unsafe->push_back({block, 0, false});  // evicted since it was loaded: looked at again
    return;
  }
  if (file->file == nullptr || IsDetached(*file)) return;
  const std::optional<BlockVersion> version = FindUnit(*file, block);
  if (!version) return;
  if (entry->state() == BlockMap::State::kUnderConstruction) {  // written to again
    if (CountStaying(*entry, view) < namenode_.blocks_->min_replication(block)) {
      unsafe->push_back({block, version->length, true});
    }
    return;
  }
  const BlockFacts facts = healer_.FactsOf(*file, *version, *entry, view);
  if (IsSafe(facts, leaving.state, view)) return;
  const bool others = std::any_of(
      facts.replicas.begin(), facts.replicas.end(), [&](const StandingReplica& replica) {
        return !Holds(leaving.storages, replica.storage) &&
               replica.standing != Standing::kCorrupt && view.IsReadable(replica.storage);
      });
  unsafe->push_back({block, facts.block.length, !others});
}

bool NamenodeImpl::Healer::Departures::IsSafe(const BlockFacts& facts, AdminState state,
                                              const ClusterView& view) const {
  const ReplicaCounts& counts = facts.counts;
  const uint32_t sure = CountTrusted(facts.replicas, view);
  if (state == AdminState::kEnteringMaintenance) {
    return sure >= std::min(min_maintenance_, facts.wanted);
  }
  return sure >= LiveNeeded(counts, facts.wanted, min_maintenance_) &&
         !IsBadlySpread(counts, facts.wanted, view);
}

// The first of the blocks that repair could not help will do as an example.
std::string NamenodeImpl::Healer::Departures::WhatBlocks(const DatanodeInfo& node,
                                                         const Leaving& leaving) {
  constexpr size_t kLookedAt = 100;
  const std::string dead = node.liveness == Liveness::kDead ? "the datanode is dead; " : "";
  ReaderLock lock(namenode_.mu_);
  for (size_t i = 0; i < std::min(leaving.unsafe.size(), kLookedAt); ++i) {
    BlockFacts facts;
    facts.block.id = leaving.unsafe[i].block;
    BlockHealth health;
    healer_.Describe(facts, &health);
    if (!health.queued || health.queued->blocked_by.empty() || !health.copies.empty()) continue;
    return absl::StrCat(dead, "blk_", ToSigned(facts.block.id), ": ", health.queued->blocked_by);
  }
  return dead.empty() || leaving.unsafe.empty() ? "" : dead + "its blocks are copied from others";
}

LeaveProgress NamenodeImpl::Healer::Departures::Describe(const DatanodeInfo& node,
                                                         const Leaving& leaving,
                                                         absl::Duration now) const {
  LeaveProgress out{.uuid = node.uuid,
                    .address = node.address,
                    .state = leaving.state,
                    .liveness = node.liveness,
                    .since = now - leaving.since};
  out.blocked_by = leaving.blocked_by;
  uint64_t used_bytes = 0;
  for (const StorageInfo& storage : node.storages) {
    out.blocks += storage.blocks;
    used_bytes += storage.used_bytes;
  }
  out.blocks_left = leaving.listed();
  out.bytes_left = leaving.bytes_left;
  out.last_copies = leaving.last_copies;
  out.looking = leaving.at_storage < leaving.storages.size();
  if (out.looking && leaving.first_walk && out.blocks > leaving.walked) {
    const uint64_t unseen = out.blocks - leaving.walked;
    out.blocks_left += unseen;
    out.bytes_left +=
        static_cast<uint64_t>(static_cast<double>(used_bytes) * static_cast<double>(unseen) /
                              static_cast<double>(out.blocks));
  }
  out.bytes_per_second = leaving.estimate.bytes_per_second();
  out.ends_in = leaving.estimate.EndsIn(out.bytes_left);
  return out;
}

}  // namespace cairn::namenode
