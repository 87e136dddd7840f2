// Truncation inside a block group. Parity of the stripe in which the cut is changes with it, and
// datanodes do not overwrite; so what stays of the group is written anew:
//
//   Truncate     the file is open, keeps all blocks and its length, and knows how long it is to be
//   AddBlock     an empty group behind them; a datanode is told to read the units of the one to be
//                cut, compute those of its beginning, and send each to its target (RebuildCommand)
//   CloseFile    all targets have theirs: the new group is in the place of the old one and all
//                behind it, in one edit, and these are deleted
//
// Before the last edit nothing is given up, so whoever dies, the file is what it was, and after it
// what it is to be. A try that fails is abandoned, and the next one writes a group with another id:
// no unit of one try is ever taken for one of another. What a namenode had under way when it ended,
// the next one abandons.
#include <algorithm>
#include <iterator>
#include <utility>

#include "common/logging.h"
#include "namenode/cluster/placement.h"
#include "namenode/core/healer.h"
#include "namenode/core/run.h"
#include "namenode/namespace/units.h"

namespace cairn::namenode {
namespace {

// Between two tries, twice as much each time.
constexpr absl::Duration kFirstPause = absl::Seconds(1);
constexpr absl::Duration kMostPause = absl::Minutes(1);
// Between two looks whether one can begin at all, for want of units or datanodes.
constexpr absl::Duration kLookAgain = absl::Seconds(5);
// In a round of maintenance: looked at, each under a lock of its own, and gone over, under one.
constexpr size_t kLooksAtOnce = 32;
constexpr size_t kGoneOverAtOnce = 1000;
// A datanode computes so many groups at a time; clients decide how many are to be.
constexpr size_t kMostPerWorker = 2;

absl::Duration PauseAfter(int failures) {
  return std::min(kFirstPause * (1 << std::min(failures, 6)), kMostPause);
}

}  // namespace

absl::StatusOr<bool> NamenodeImpl::TruncateInGroup(Attempt& attempt, const Inode& file,
                                                   const BlockVersion& group, uint64_t new_length,
                                                   absl::string_view client_name) {
  mu_.AssertHeld();
  if (!IsResident(file, group, attempt)) return View::NotLoaded();
  uint32_t readable = 0;
  ForEachUnit(file, group, /*final=*/true, [&](uint32_t, const BlockVersion& unit) {
    mu_.AssertHeld();
    readable += healer_->CountReadable(unit.id) > 0;
  });
  if (const uint32_t needed = UnitsNeeded(file, group); readable < needed) {
    return MakeFsError(FsError::kIo,
                       absl::StrCat("Cannot truncate ", PathOf(file), " to ", new_length,
                                    " bytes, inside block group ", BlockName(group), ", of which ",
                                    readable, " units can be read and ", needed, " are needed"));
  }
  edit::Truncate& change = *attempt.NewEdit().mutable_truncate();
  change.set_inode(ToInt(file.id));
  change.set_new_length(new_length);
  change.set_lease_holder(std::string(client_name));
  change.set_rewrites_group(true);
  attempt.Commit(file.id);
  return false;
}

void NamenodeImpl::SendGroupTruncations() {
  const std::shared_ptr<const ClusterView> cluster = cluster_.View();
  const Caller nobody{.user = options_.identities.superuser};
  for (const InodeId id : DueTruncations(*cluster)) {
    const Outcome<Nothing> looked = Write<Nothing>(
        nobody, "truncate inside a block group", [&](Attempt& attempt) -> absl::StatusOr<Nothing> {
          RETURN_IF_ERROR(LookAtTruncation(attempt, id, *cluster));
          return Nothing{};
        });
    if (looked.value.ok()) continue;
    WriterLock lock(mu_);
    const auto at = group_truncations_.find(id);
    if (at == group_truncations_.end()) continue;
    GroupTruncation& truncation = at->second;
    truncation.why = std::string(looked.value.status().message());
    truncation.next_look = clock_.Monotonic() + kLookAgain;
    LOG_EVERY_SECONDS(kWarn, 10, "inode {} is not truncated yet: {}", ToInt(id), truncation.why);
  }
}

std::vector<InodeId> NamenodeImpl::DueTruncations(const ClusterView& cluster) {
  const absl::Duration now = clock_.Monotonic();
  const auto has_lost_worker = [&cluster](const GroupTruncation& truncation) {
    if (!truncation.group) return false;
    const ClusterView::Node* const node = cluster.FindByUuid(truncation.worker);
    return node == nullptr || node->info->liveness != Liveness::kLive ||
           node->info->session != truncation.session;
  };
  std::vector<InodeId> due;
  WriterLock lock(mu_);
  if (!ReadyToWrite("truncate").ok()) return due;
  const size_t most = std::min(group_truncations_.size(), kGoneOverAtOnce);
  for (size_t count = 0; count < most && due.size() < kLooksAtOnce; ++count) {
    auto at = group_truncations_.upper_bound(truncation_position_);
    if (at == group_truncations_.end()) at = group_truncations_.begin();
    truncation_position_ = at->first;
    if (now >= at->second.next_look || has_lost_worker(at->second)) due.push_back(at->first);
  }
  return due;
}

// The time of the next look has come: begins a try, in place of the one before if there was one.
absl::Status NamenodeImpl::LookAtTruncation(Attempt& attempt, InodeId id,
                                            const ClusterView& cluster) {
  mu_.AssertHeld();
  const auto at = group_truncations_.find(id);
  if (at == group_truncations_.end()) return absl::OkStatus();
  const Inode* const file = tree_->FindById(id);  // open files are never evicted
  if (file == nullptr || !file->is_open() || file->file->truncate_to == 0 || IsDetached(*file)) {
    group_truncations_.erase(at);
    return absl::OkStatus();
  }
  GroupTruncation& truncation = at->second;
  if (truncation.group && truncation.CountAwaited() == 0 && HasAllRewritten(*file, truncation)) {
    FinishTruncation(*file);
    return absl::OkStatus();
  }
  if (!file->file->last_committed) {
    const BlockVersion last = file->file->blocks.back();
    if (!IsResident(*file, last, attempt)) return View::NotLoaded();
    edit::AbandonBlock& change = *attempt.NewEdit().mutable_abandon_block();
    change.set_inode(ToInt(id));
    change.set_block_id(ToInt(last.id));
    attempt.CommitAside();
  }
  if (truncation.group) {
    // Where some have got their unit, those are to blame that have not. Where nobody has, it was
    // the one who computed, and the next one is another, or the sources.
    if (truncation.CountAwaited() < truncation.ordered) {
      std::copy_if(truncation.awaited.begin(), truncation.awaited.end(),
                   std::back_inserter(truncation.excluded),
                   [](const std::string& uuid) { return !uuid.empty(); });
    }
    if (truncation.why.empty()) {
      truncation.why = absl::StrCat("datanode ", truncation.worker, " did not get to the end");
    }
    truncation.group.reset();
    truncation.awaited.clear();
    ++truncation.failures;
  }
  return BeginRewriting(attempt, *file, cluster, &truncation);
}

absl::Status NamenodeImpl::BeginRewriting(Attempt& attempt, const Inode& file,
                                          const ClusterView& cluster, GroupTruncation* truncation) {
  mu_.AssertHeld();
  const FileData& data = *file.file;
  const auto [index, start] = PlaceOfByte(data, data.truncate_to);
  const BlockVersion from = data.blocks[index];
  if (!IsResident(file, from, attempt)) return View::NotLoaded();
  RebuildCommand order{.group = {from.id, from.stamp, data.truncate_to - start},
                       .schema = file.erasure->schema,
                       .cell_bytes = file.erasure->cell_bytes,
                       .sources = SourcesOf(file, from, cluster),
                       .targets = {},
                       .cut_from = from};
  if (const uint32_t needed = UnitsNeeded(file, from); order.sources.size() < needed) {
    return absl::UnavailableError(absl::StrCat("block group ", BlockName(from), ": ",
                                               order.sources.size(), " units can be read, and ",
                                               needed, " are needed"));
  }
  ASSIGN_OR_RETURN(std::vector<uint32_t> chosen,
                   ChooseForRewriting(file, order.group, cluster, truncation));
  // Data units come first: as many are chosen as there are of them, at least.
  std::vector<uint32_t> by_unit(UnitCount(file), kNoStorage);
  std::vector<std::string> awaited(UnitCount(file));
  ForEachUnit(file, order.group, /*final=*/true, [&](uint32_t number, const BlockVersion&) {
    if (order.targets.size() == chosen.size()) return;
    by_unit[number] = chosen[order.targets.size()];
    const StorageLocation& at = *cluster.Find(by_unit[number]);
    awaited[number] = at.node->uuid;
    order.targets.push_back(
        {number, {at.node->address, at.node->uuid, at.storage_uuid, at.storage_type}});
  });
  chosen.resize(order.targets.size());
  const auto turn = static_cast<size_t>(truncation->failures) % order.targets.size();
  const std::string worker = order.targets[turn].at.datanode_uuid;
  const absl::Duration now = clock_.Monotonic();
  if (CountRewriting(worker) >= kMostPerWorker) {
    truncation->next_look = now + kFirstPause;
    return absl::OkStatus();
  }
  RecordThere(chosen);
  order.group.id = TakeBlockId(file);
  order.group.stamp = TakeStamp();
  edit::AddBlock& add = *attempt.NewEdit().mutable_add_block();
  add.set_inode(ToInt(file.id));
  FillBlock({order.group.id, order.group.stamp, 0}, add.mutable_block());
  targets_ = by_unit;
  attempt.CommitAside();
  targets_.clear();
  cluster_.Schedule(chosen);
  rewriting_[order.group.id] = file.id;
  truncation->group = order.group;
  truncation->worker = worker;
  truncation->session = cluster.FindByUuid(worker)->info->session;
  truncation->ordered = chosen.size();
  truncation->awaited = std::move(awaited);
  // Longer each time: a cluster that is slow ends it at last.
  truncation->next_look =
      now + healer_->CopyTimeout(from.length) * (1 << std::min(truncation->failures, 4));
  if (!orders_.Add(worker, std::move(order))) truncation->next_look = now + kFirstPause;
  return absl::OkStatus();
}

// The group's units that can be read, one datanode for each, by number: who has data is read first.
std::vector<RebuildCommand::Source> NamenodeImpl::SourcesOf(const Inode& file,
                                                            const BlockVersion& group,
                                                            const ClusterView& cluster) {
  std::vector<RebuildCommand::Source> sources;
  ForEachUnit(file, group, /*final=*/true, [&](uint32_t number, const BlockVersion& unit) {
    mu_.AssertHeld();
    bool corrupt = false;
    std::vector<uint32_t> storages = blocks_->Locations(unit.id, &corrupt);
    if (corrupt) return;
    healer_->HideLeaving(unit.id, cluster, &storages);
    storages = OrderForReader(cluster, storages, /*reader_ip=*/"", RandomBits());
    if (storages.empty()) return;
    const DatanodeInfo& node = *cluster.NodeOf(storages.front())->info;
    sources.push_back({number, node.address, node.uuid});
  });
  return sources;
}

// `group`: of the length that the new one is to have.
absl::StatusOr<std::vector<uint32_t>> NamenodeImpl::ChooseForRewriting(
    const Inode& file, const BlockVersion& group, const ClusterView& cluster,
    GroupTruncation* truncation) {
  const std::string path = PathOf(file);
  PlacementRequest place;
  place.replicas = UnitCount(file);
  place.erasure = file.erasure;
  place.block_bytes = file.file->block_bytes;
  place.storage_policy = EffectivePolicy(file);
  place.excluded = truncation->excluded;
  place.path = path;
  place.min_replication = options_.min_replication;
  absl::StatusOr<std::vector<uint32_t>> chosen = ChooseTargets(cluster, place, RandomBits());
  // The old group goes when the new one is there. That one may do without those that failed before
  // as long as this costs it half of its parity at the most.
  size_t units = 0;
  ForEachUnit(file, group, /*final=*/true, [&](uint32_t, const BlockVersion&) { ++units; });
  const bool enough =
      chosen.ok() && chosen->size() + file.erasure->schema.parity_units / 2 >= units;
  if (enough || truncation->excluded.empty()) return chosen;
  truncation->excluded.clear();
  place.excluded = {};
  return ChooseTargets(cluster, place, RandomBits());
}

size_t NamenodeImpl::CountRewriting(absl::string_view datanode_uuid) const {
  return static_cast<size_t>(
      std::count_if(rewriting_.begin(), rewriting_.end(), [&](const auto& entry) {
        mu_.AssertReaderHeld();
        const auto at = group_truncations_.find(entry.second);
        return at != group_truncations_.end() && at->second.worker == datanode_uuid;
      }));
}

// What was ordered is there, and can be read: a unit that has been lost since it was reported, with
// its disk or datanode, is one that the old group may still have.
bool NamenodeImpl::HasAllRewritten(const Inode& file, const GroupTruncation& truncation) const {
  const std::shared_ptr<const ClusterView> cluster = cluster_.View();
  size_t there = 0;
  ForEachUnit(file, *truncation.group, /*final=*/true, [&](uint32_t, const BlockVersion& unit) {
    mu_.AssertReaderHeld();
    const std::vector<uint32_t> storages = blocks_->Matching(unit);
    there += std::any_of(storages.begin(), storages.end(),
                         [&](uint32_t storage) { return cluster->IsReadable(storage); });
  });
  return there >= truncation.ordered;
}

void NamenodeImpl::UnitRewritten(const Inode& file, const BlockVersion& unit) {
  const auto at = group_truncations_.find(file.id);
  if (at == group_truncations_.end() || !at->second.group) return;
  GroupTruncation& truncation = at->second;
  const BlockVersion group = *truncation.group;
  const uint32_t number = UnitNumber(unit.id);
  if (OwnedId(unit.id) != group.id || unit.stamp != group.stamp ||
      number >= truncation.awaited.size() ||
      unit.length != UnitVersion(file, group, number).length) {
    return;
  }
  truncation.awaited[number].clear();
  if (truncation.CountAwaited() == 0) FinishTruncation(file);
}

// The one who computes says so, at once or after some units have come.
void NamenodeImpl::UnitsNotRewritten(std::span<const FailedCopy> failed) {
  for (const FailedCopy& told : failed) {
    const auto group = rewriting_.find(OwnedId(told.block));
    if (group == rewriting_.end()) continue;
    const auto at = group_truncations_.find(group->second);
    if (at == group_truncations_.end()) continue;
    GroupTruncation& truncation = at->second;
    if (!truncation.group || truncation.group->stamp != told.stamp) continue;
    truncation.why = told.reason;
    truncation.next_look =
        std::min(truncation.next_look, clock_.Monotonic() + PauseAfter(truncation.failures));
    LOG_EVERY_SECONDS(kWarn, 10, "inode {} is not truncated yet: {}", ToInt(at->first),
                      told.reason);
  }
}

// All units of the new group have been reported.
void NamenodeImpl::FinishTruncation(const Inode& file) {
  GroupTruncation& truncation = group_truncations_.at(file.id);
  if (!ReadyToWrite("truncate").ok() || !HasAllRewritten(file, truncation)) {
    // Safe mode, or no room, or some of them have gone again: maintenance comes back to it.
    truncation.next_look = clock_.Monotonic();
    return;
  }
  const BlockVersion group = *truncation.group;  // the edit takes `truncation` away
  const uint64_t length = file.file->truncate_to;
  edit::Edit edit;
  edit.set_time_ms(NowMs());
  edit::CloseFile& close = *edit.mutable_close_file();
  close.set_inode(ToInt(file.id));
  FillBlock(group, close.mutable_commit_last());
  close.set_truncated_to(length);
  AppendAndApply(edit);
  // Under the lock, and clients decide how often it happens: not a line for each.
  LOG_EVERY_SECONDS(kInfo, 1, "{}: truncated to {} bytes, the last {} in new block group {}",
                    PathOf(file), length, group.length, BlockName(group));
}

std::string NamenodeImpl::TruncationWaitsFor(const Inode& file, BlockId block) const {
  if (file.file->truncate_to == 0) return "";
  const auto at = group_truncations_.find(file.id);
  if (at == group_truncations_.end() || at->second.why.empty()) return "";
  const size_t cut = PlaceOfByte(*file.file, file.file->truncate_to).index;
  if (file.file->blocks[cut].id != OwnedId(block)) return "";
  const GroupTruncation& truncation = at->second;
  std::string text =
      absl::StrCat("the truncation of its file to ", file.file->truncate_to, " bytes: ");
  if (truncation.group) {
    absl::StrAppend(&text, truncation.ordered - truncation.CountAwaited(), " of ",
                    truncation.ordered, " units of what stays have been written");
  } else {
    absl::StrAppend(&text, "nobody writes what stays");
  }
  absl::StrAppend(&text, "; before: ", truncation.why);
  return text;
}

}  // namespace cairn::namenode
