// Closing an erasure-coded file whose writer is gone. Its last group's units end where their
// streams happened to be, so they are brought to one group in two steps:
//
//   1. every unit is finalized as it is, under one new stamp, and tells its length
//   2. what can be kept of them is planned (erasure/group_cut.h), and every unit that has its part
//      is cut to it, under another new stamp
//
// What they report under the second stamp closes the file. The others are of an old stamp then, and
// are rebuilt like any lost unit.
#include <algorithm>

#include "common/logging.h"
#include "erasure/group_cut.h"
#include "namenode/core/run.h"
#include "namenode/namespace/units.h"

namespace cairn::namenode {
namespace {

// A step that has not been carried out by all is gone on with by those that have, or begun anew.
constexpr absl::Duration kStepLimit = absl::Seconds(10);

erasure::Layout LayoutOf(const Inode& file) {
  return {file.erasure->schema, file.erasure->cell_bytes};
}

size_t CountTold(const std::vector<uint64_t>& unit_bytes) {
  return unit_bytes.size() - static_cast<size_t>(std::count(unit_bytes.begin(), unit_bytes.end(),
                                                            erasure::kMissingUnit));
}

}  // namespace

absl::StatusOr<bool> NamenodeImpl::StartGroupRecovery(Attempt& attempt, Inode& file) {
  mu_.AssertHeld();
  const BlockVersion last = file.file->blocks.back();
  bool anywhere = false;
  ForEachUnit(file, last, /*final=*/false, [&](uint32_t, const BlockVersion& unit) {
    mu_.AssertHeld();
    const BlockMap::Entry* const entry = blocks_->Find(unit.id);
    anywhere |= !entry->expected().empty() || !blocks_->CorruptReplicas(unit.id).empty() ||
                UntoldHolder(*entry).has_value();
  });
  if (!anywhere && last.length == 0 && !safe_mode_.on()) {
    edit::CloseFile& close = *attempt.NewEdit().mutable_close_file();
    close.set_inode(ToInt(file.id));
    close.set_drop_last_block(true);
    attempt.CommitAside();
    return true;
  }
  if (group_recoveries_.contains(last.id)) return false;
  // The old writer is shut out first: whatever it says from now on, it does not hold the lease.
  edit::ReassignLease& lease = *attempt.NewEdit().mutable_reassign_lease();
  lease.set_inode(ToInt(file.id));
  lease.set_lease_holder(std::string(kNamenodeHolder));
  attempt.CommitAside();
  GroupRecovery recovery{.file = file.id, .group = last, .before = last.stamp};
  BeginStep(file, recovery, /*cut_to=*/std::nullopt);
  group_recoveries_[last.id] = std::move(recovery);
  return false;
}

// `cut_to`: the group's bytes, once they are known.
void NamenodeImpl::BeginStep(const Inode& file, GroupRecovery& recovery,
                             std::optional<uint64_t> cut_to) {
  recovery.from = recovery.group.stamp;
  recovery.group.stamp = TakeStamp();
  recovery.group.length = cut_to.value_or(0);
  recovery.cutting = cut_to.has_value();
  recovery.unit_bytes.assign(UnitCount(file), erasure::kMissingUnit);
  recovery.ordered = 0;
  recovery.next_look = clock_.Monotonic();
  recovery.ticket = last_txid_;
}

void NamenodeImpl::SendGroupRecoveries() {
  const std::shared_ptr<const ClusterView> cluster = cluster_.View();
  const absl::Duration now = clock_.Monotonic();
  BlockId position{};
  for (bool more = true; more;) {
    WriterLock lock(mu_);
    // Nothing is ordered whose outcome could not be written down.
    if (!ReadyToWrite("recover blocks").ok()) return;
    const BlockId before = position;
    const auto at = group_recoveries_.upper_bound(position);
    more = at != group_recoveries_.end();
    if (!more) return;
    position = at->first;
    if (now < at->second.next_look || at->second.ticket > journal_->durable()) continue;
    const Inode* const file = tree_->FindById(at->second.file);  // open files are never evicted
    if (file == nullptr || !file->is_open() || file->file->blocks.empty() ||
        file->file->blocks.back().id != position) {
      group_recoveries_.erase(at);
    } else if (at->second.ordered == 0) {
      OrderStep(*file, at->second, *cluster, now);
    } else if (EndStep(*file, at->second)) {
      position = before;  // for the next step, if there is one
    } else {
      BeginStep(*file, at->second, std::nullopt);
      at->second.next_look = now + kStepLimit;
    }
  }
}

void NamenodeImpl::OrderStep(const Inode& file, GroupRecovery& recovery, const ClusterView& cluster,
                             absl::Duration now) {
  recovery.next_look = now + kStepLimit;
  bool all_taken = true;
  ForEachUnit(file, recovery.group, recovery.cutting, [&](uint32_t number, const BlockVersion& to) {
    mu_.AssertHeld();
    const BlockMap::Entry* const entry = blocks_->Find(to.id);
    if (entry == nullptr || (recovery.cutting && !recovery.keep[number])) return;
    const std::span<const uint32_t> expected = entry->expected();
    const std::vector<RecoveryCandidate> candidates = RecoveryCandidates(expected, cluster);
    if (candidates.empty()) return;
    ++recovery.ordered;
    const ReplicaTarget& replica = candidates.front().replica;
    if (recovery.cutting) {
      const BlockVersion from{to.id, recovery.from, recovery.found[number]};
      all_taken &= orders_.Add(replica.datanode_uuid, TruncateCommand{from, to.stamp, to.length});
      return;
    }
    // Where nobody has it, it is made, empty: only if nothing can have been in it.
    const bool all_asked = file.file->blocks.back().length == 0 && expected.size() == 1 &&
                           blocks_->CorruptReplicas(to.id).empty() && !UntoldHolder(*entry);
    const BlockVersion from{to.id, recovery.before, 0};
    all_taken &=
        orders_.Add(replica.datanode_uuid, RecoverCommand{from, to.stamp, {replica}, all_asked});
  });
  if (all_taken) return;
  recovery.ordered = 0;  // a datanode has too many orders: all of them again, soon
  recovery.next_look = now + absl::Seconds(1);
}

// Every unit has told, or nobody can have it.
bool NamenodeImpl::HaveAllTold(const Inode& file, const GroupRecovery& recovery) const {
  bool all = true;
  ForEachUnit(file, recovery.group, /*final=*/false,
              [&](uint32_t number, const BlockVersion& unit) {
                mu_.AssertHeld();
                if (recovery.unit_bytes[number] != erasure::kMissingUnit) return;
                const BlockMap::Entry* const entry = blocks_->Find(unit.id);
                all &= entry != nullptr && entry->expected().empty() &&
                       blocks_->CorruptReplicas(unit.id).empty() && !UntoldHolder(*entry);
              });
  return all;
}

// A datanode has finalized a unit under the stamp of a step.
void NamenodeImpl::UnitRecovered(const BlockVersion& unit) {
  const auto at = group_recoveries_.find(GroupOf(unit.id));
  if (at == group_recoveries_.end() || at->second.group.stamp != unit.stamp) return;
  GroupRecovery& recovery = at->second;
  const Inode* const file = tree_->FindById(recovery.file);
  const uint32_t number = UnitNumber(unit.id);
  if (file == nullptr || file->erasure == nullptr || number >= recovery.unit_bytes.size()) return;
  if (recovery.cutting && unit.length != LayoutOf(*file).UnitBytes(recovery.group.length, number)) {
    return;
  }
  recovery.unit_bytes[number] = unit.length;
  if (recovery.ordered == 0) return;
  const bool done =
      recovery.cutting
          ? CountTold(recovery.unit_bytes) ==
                static_cast<size_t>(std::count(recovery.keep.begin(), recovery.keep.end(), true))
          : HaveAllTold(*file, recovery);
  if (done) recovery.next_look = clock_.Monotonic();  // maintenance goes on with it
}

// False: too few units have told.
bool NamenodeImpl::EndStep(const Inode& file, GroupRecovery& recovery) {
  const BlockVersion group = recovery.group;
  if (!recovery.cutting) {
    std::vector<uint64_t> unit_bytes = recovery.unit_bytes;
    // What nobody can have holds nothing: if the others are too few, no more of them are to come.
    if (HaveAllTold(file, recovery)) {
      std::replace(unit_bytes.begin(), unit_bytes.end(), erasure::kMissingUnit, uint64_t{0});
    }
    absl::StatusOr<erasure::GroupCut> cut =
        erasure::PlanGroupCut(LayoutOf(file), unit_bytes, file.file->blocks.back().length);
    if (cut.ok() && cut->bytes > MaxBlockBytes(file)) {
      cut =
          absl::InternalError(absl::StrCat("its units are as long as for ", cut->bytes, " bytes"));
    }
    if (!cut.ok()) {
      LOG_EVERY_SECONDS(kWarn, 10, "{}: group {} of a dead writer: {}", PathOf(file),
                        BlockName(group), cut.status().ToString());
      return false;
    }
    if (cut->bytes == 0) {
      // Nothing of it was acknowledged, and those that are silent are not waited for; but those are
      // that have not told of anything since a start.
      bool untold = false;
      ForEachUnit(file, group, /*final=*/false, [&](uint32_t number, const BlockVersion& unit) {
        mu_.AssertHeld();
        const BlockMap::Entry* const entry = blocks_->Find(unit.id);
        untold |= recovery.unit_bytes[number] == erasure::kMissingUnit && entry != nullptr &&
                  UntoldHolder(*entry).has_value();
      });
      if (untold) return false;
      CloseGroup(file, std::nullopt);
      return true;
    }
    recovery.found = recovery.unit_bytes;
    recovery.keep = cut->keep;
    BeginStep(file, recovery, cut->bytes);
    return true;
  }
  if (CountTold(recovery.unit_bytes) < UnitsNeeded(file, group)) return false;
  CloseGroup(file, group);
  return true;
}

std::string NamenodeImpl::GroupRecoveryWaitsFor(BlockId unit) const {
  const auto at = group_recoveries_.find(GroupOf(unit));
  if (at == group_recoveries_.end()) return "";
  const GroupRecovery& recovery = at->second;
  return absl::StrCat(CountTold(recovery.unit_bytes), " of ", recovery.unit_bytes.size(),
                      " units have ",
                      recovery.cutting ? "been cut to one group" : "told how long they are");
}

// nullopt: nothing of the group is left. Ends the recovery.
void NamenodeImpl::CloseGroup(const Inode& file, const std::optional<BlockVersion>& group) {
  edit::Edit edit;
  edit.set_time_ms(NowMs());
  edit::CloseFile& close = *edit.mutable_close_file();
  close.set_inode(ToInt(file.id));
  if (group) {
    FillBlock(*group, close.mutable_commit_last());
  } else {
    close.set_drop_last_block(true);
  }
  const std::string path = PathOf(file);
  group_recoveries_.erase(file.file->blocks.back().id);
  AppendAndApply(edit);
  LOG_EVERY_SECONDS(kInfo, 1, "{}: recovered, its last group holds {} bytes", path,
                    group ? group->length : 0);
}

}  // namespace cairn::namenode
