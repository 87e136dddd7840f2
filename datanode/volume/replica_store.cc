#include "datanode/volume/replica_store.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "datanode/volume/replica_loader.h"
#include "datanode/volume/volume_watch.h"

namespace cairn::datanode {

ReplicaStore::ReplicaStore(std::vector<std::unique_ptr<Volume>> volumes, StoreOptions options,
                           ReplicaEvents& events)
    : options_(options), events_(events), slots_(new std::atomic<Volume*>[kMaxVolumes]) {
  CHECK(!volumes.empty() && volumes.size() <= kMaxVolumes);
  WriterLock lock(mu_);
  owned_ = std::move(volumes);
  indexes_.resize(owned_.size());
  for (const auto& volume : owned_) {
    const int index = volume_count_.load();
    slots_[static_cast<size_t>(index)].store(volume.get(), std::memory_order_release);
    volume_count_.store(index + 1, std::memory_order_release);
    Watch(index);
  }
}

void ReplicaStore::Watch(int index) {
  VolumeAt(index).SetFailureListener([this, index] {
    DropReplicas(index);
    events_.VolumeFailed(VolumeAt(index));
  });
}

std::vector<Volume*> ReplicaStore::volumes() const {
  std::vector<Volume*> all;
  const int count = volume_count_.load(std::memory_order_acquire);
  for (int i = 0; i < count; ++i) all.push_back(&VolumeAt(i));
  return all;
}

ReplicaInfo ReplicaStore::InfoOf(BlockId block, const Entry& entry) {
  ReplicaInfo info{.block = block,
                   .stamp = entry.stamp,
                   .state = entry.state,
                   .length = entry.length,
                   .volume = entry.volume,
                   .in_rbw = entry.in_rbw};
  const bool open =
      entry.state == ReplicaState::kBeingWritten || entry.state == ReplicaState::kTemporary;
  if (open && entry.open != nullptr) info.length = entry.open->acked();
  return info;
}

bool ReplicaStore::IsTold(const Entry& entry) {
  return entry.state != ReplicaState::kTemporary && !entry.deleting;
}

// ---- Start ----

absl::Status ReplicaStore::Load(absl::Duration hang_limit) {
  using Found = absl::StatusOr<std::vector<ReplicaInfo>>;
  const std::vector<Volume*> all = volumes();
  std::vector<std::optional<Found>> found;
  if (all.size() == 1 && hang_limit == absl::InfiniteDuration()) {
    found.emplace_back(LoadReplicas(*all[0], 0));
  } else {
    found = loading_.Each<Found>(
        all.size(), [all](size_t i) { return LoadReplicas(*all[i], static_cast<int>(i)); },
        [&](size_t i) {
          JudgeHang(*all[i], hang_limit);
          return all[i]->failed();
        });
  }
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i]->failed()) continue;  // nothing of another volume may give way to it
    RETURN_IF_ERROR(found[i]->status());
    for (const ReplicaInfo& replica : **found[i]) Adopt(replica);
    LOG_INFO("volume {}: {} replicas, {} bytes", all[i]->path(), all[i]->blocks(),
             all[i]->used_bytes());
  }
  const bool all_failed =
      std::all_of(all.begin(), all.end(), [](const Volume* volume) { return volume->failed(); });
  if (all_failed) return absl::DataLossError("every volume failed while it was read at start");
  return absl::OkStatus();
}

void ReplicaStore::Adopt(const ReplicaInfo& found) {
  if (const auto other = Find(found.block)) {
    const bool keep_found = IsBetter(found, *other);
    const ReplicaInfo& worse = keep_found ? *other : found;
    const bool same_files = DirectoryOf(found) == DirectoryOf(*other);
    LOG_WARN("two replicas of one block: {} in {} and {} in {}; the second is {}",
             NameOf(keep_found ? found : *other), DirectoryOf(keep_found ? found : *other),
             NameOf(worse), DirectoryOf(worse), same_files ? "left alone" : "deleted");
    if (!same_files) DeleteFiles(worse);
    if (!keep_found) return;
    Erase(found.block);
  }
  Put(found, nullptr);
}

std::string ReplicaStore::DirectoryOf(const ReplicaInfo& replica) const {
  const Volume& volume = VolumeAt(replica.volume);
  return replica.in_rbw ? volume.RbwDirectory() : volume.DirectoryOf(replica.block, replica.state);
}

void ReplicaStore::DeleteFiles(const ReplicaInfo& replica) {
  Volume& volume = VolumeAt(replica.volume);
  const ReplicaPaths paths = PathsIn(DirectoryOf(replica), replica.block, replica.stamp);
  for (const std::string& path : {paths.data, paths.meta, paths.tail}) {
    const absl::Status status = volume.fs().Remove(path);
    if (status.ok() || absl::IsNotFound(status)) continue;
    LOG_WARN("{}", volume.Note(VolumeUse::kWrite, status));
  }
}

void ReplicaStore::DropReplicas(int volume) {
  size_t dropped = 0;
  std::vector<BlockId> ids;
  BlockRange rest = kAllBlocks;
  for (bool more = true; more;) {
    {
      ReaderLock lock(mu_);
      more = NextIds(volume, &ReplicaIndex::AllIn, &rest, &ids);
    }
    for (const BlockId block : ids) DropReplica(block, volume);
    dropped += ids.size();
  }
  if (dropped > 0) {
    LOG_WARN("volume {}: {} replicas are gone with it", VolumeAt(volume).path(), dropped);
  }
}

void ReplicaStore::DropReplica(BlockId block, int volume) {
  std::shared_ptr<OpenReplica> open;
  {
    WriterLock lock(mu_);
    const auto found = replicas_.find(block);
    if (found == replicas_.end() || found->second.volume != volume) return;
    open = found->second.open;
    if (open == nullptr || !open->has_writer()) {
      events_.FilesChange(block);
      return EraseEntry(block);
    }
  }
  open->EndWriter([this, block, volume] { DropReplica(block, volume); });
}

// ---- Changing the volumes ----

absl::StatusOr<int> ReplicaStore::AddVolume(std::unique_ptr<Volume> volume,
                                            const std::vector<ReplicaInfo>& found) {
  RETURN_IF_ERROR(volume->CheckUsable());
  int index = 0;
  {
    WriterLock lock(mu_);
    index = volume_count_.load();
    if (owned_.size() == kMaxVolumes) {
      return absl::ResourceExhaustedError("too many volumes were added since the start");
    }
    slots_[static_cast<size_t>(index)].store(volume.get(), std::memory_order_release);
    owned_.push_back(std::move(volume));
    indexes_.emplace_back();
    Watch(index);
    volume_count_.store(index + 1, std::memory_order_release);
  }
  for (ReplicaInfo replica : found) {
    replica.volume = index;
    {
      WriterLock lock(mu_);
      const auto [entry, inserted] = replicas_.try_emplace(replica.block);
      if (inserted) {
        entry->second = {.stamp = replica.stamp,
                         .length = replica.length,
                         .volume = static_cast<uint16_t>(index),
                         .state = replica.state,
                         .in_rbw = replica.in_rbw};
        Index(replica.block, entry->second);
        VolumeAt(index).AddUsed(static_cast<int64_t>(replica.length), 1);
        continue;
      }
    }
    const auto ours = Find(replica.block);
    if (ours.has_value() && ours->volume != index && !IsBetter(replica, *ours)) {
      LOG_WARN("volume {}: {} is deleted, {} is on volume {}", VolumeAt(index).path(),
               NameOf(replica), NameOf(*ours), VolumeAt(ours->volume).path());
      DeleteFiles(replica);
    } else {
      LOG_WARN("volume {}: {} is left alone until the next start: there is another one",
               VolumeAt(index).path(), NameOf(replica));
    }
  }
  // One that failed meanwhile had its replicas dropped before the last ones came.
  if (VolumeAt(index).failed()) DropReplicas(index);
  LOG_INFO("volume {}: added, {} replicas, {} bytes", VolumeAt(index).path(),
           VolumeAt(index).blocks(), VolumeAt(index).used_bytes());
  return index;
}

size_t ReplicaStore::CountOn(int volume) const {
  ReaderLock lock(mu_);
  return indexes_[static_cast<size_t>(volume)].size();
}

absl::Status ReplicaStore::RemoveVolume(int index, absl::Duration limit) {
  Volume& volume = VolumeAt(index);
  volume.Retire();
  const absl::Duration give_up = SystemClock().Monotonic() + limit;
  while (CountOn(index) > 0 && SystemClock().Monotonic() < give_up) {
    absl::SleepFor(absl::Milliseconds(20));
  }
  const size_t left = CountOn(index);
  volume.LetGo();
  LOG_INFO("volume {}: removed", volume.path());
  if (left == 0) return absl::OkStatus();
  return absl::DeadlineExceededError(
      absl::StrCat(volume.path(), ": ", left, " writers have not ended"));
}

// ---- The map ----

void ReplicaStore::Put(const ReplicaInfo& info, std::shared_ptr<OpenReplica> open) {
  WriterLock lock(mu_);
  PutEntry(info, std::move(open));
}

void ReplicaStore::PutEntry(const ReplicaInfo& info, std::shared_ptr<OpenReplica> open) {
  const auto settled_bytes = [](ReplicaState state, uint64_t length) {
    const bool open_state =
        state == ReplicaState::kBeingWritten || state == ReplicaState::kTemporary;
    return open_state ? int64_t{0} : static_cast<int64_t>(length);
  };
  const auto [at, is_new] = replicas_.try_emplace(info.block);
  Entry& entry = at->second;
  if (!is_new) {
    Unindex(info.block, entry);
    VolumeAt(entry.volume).AddUsed(-settled_bytes(entry.state, entry.length), -1);
  }
  entry = {.stamp = info.stamp,
           .length = info.length,
           .volume = static_cast<uint16_t>(info.volume),
           .state = info.state,
           .in_rbw = info.in_rbw,
           .open = std::move(open)};
  Index(info.block, entry);
  VolumeAt(entry.volume).AddUsed(settled_bytes(entry.state, entry.length), 1);
  const auto recovery = recovering_.find(info.block);
  if (recovery != recovering_.end() && recovery->second <= info.stamp) recovering_.erase(recovery);
}

void ReplicaStore::Index(BlockId block, const Entry& entry) {
  if (entry.state == ReplicaState::kFinalized && IsTold(entry)) {
    indexes_[entry.volume].Add(block, entry.length);
  } else {
    indexes_[entry.volume].AddOther(block);
  }
}

void ReplicaStore::Unindex(BlockId block, const Entry& entry) {
  if (entry.state == ReplicaState::kFinalized && IsTold(entry)) {
    indexes_[entry.volume].Remove(block, entry.length);
  } else {
    indexes_[entry.volume].RemoveOther(block);
  }
}

void ReplicaStore::Erase(BlockId block) {
  WriterLock lock(mu_);
  EraseEntry(block);
}

void ReplicaStore::EraseEntry(BlockId block) {
  const auto found = replicas_.find(block);
  if (found == replicas_.end()) return;
  const Entry& entry = found->second;
  Unindex(block, entry);
  const bool open =
      entry.state == ReplicaState::kBeingWritten || entry.state == ReplicaState::kTemporary;
  VolumeAt(entry.volume).AddUsed(open ? 0 : -static_cast<int64_t>(entry.length), -1);
  replicas_.erase(found);
  recovering_.erase(block);
}

absl::StatusOr<ReplicaStore::Claim> ReplicaStore::TakeReplica(BlockId block) {
  WriterLock lock(mu_);
  const auto found = replicas_.find(block);
  if (found == replicas_.end()) return ReplicaNotFound(block);
  Entry& entry = found->second;
  if (entry.open == nullptr) entry.open = std::make_shared<OpenReplica>(entry.length);
  if (!entry.open->TakeWriter()) {
    return absl::UnavailableError(
        absl::StrCat(NameOf(InfoOf(block, entry)), ": another writer is at work"));
  }
  return Claim{.info = InfoOf(block, entry), .open = entry.open};
}

void ReplicaStore::GiveBack(const Claim& claim) {
  {
    WriterLock lock(mu_);
    const auto found = replicas_.find(claim.info.block);
    if (found != replicas_.end() && found->second.open == claim.open &&
        found->second.state != ReplicaState::kBeingWritten &&
        found->second.state != ReplicaState::kTemporary) {
      found->second.open = nullptr;
    }
  }
  claim.open->ReleaseWriter();
}

absl::Status ReplicaStore::CheckNoNewerRecovery(const ReplicaInfo& claimed,
                                                GenerationStamp stamp) const {
  ReaderLock lock(mu_);
  const auto known = recovering_.find(claimed.block);
  if (known == recovering_.end() || known->second <= stamp) return absl::OkStatus();
  return StaleReplica(claimed, absl::StrCat("stamp ", ToInt(stamp), " is older than recovery ",
                                            ToInt(known->second), ", which has begun"));
}

}  // namespace cairn::datanode
