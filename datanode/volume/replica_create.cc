// ReplicaStore: new replicas.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/crash_point.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "datanode/volume/replica_store.h"

namespace cairn::datanode {

namespace {

// A size that a client announces is believed up to here.
constexpr uint64_t kMaxSizeHint = uint64_t{64} << 30;

// Files of a block that the map does not know: left alone at start, or of a removal that failed.
// They give way to a replica of which `ours` are to be the files, and do so for good: brought back
// by a power cut, data of the one and checksums of the other would look like a move that was
// interrupted.
absl::Status RemoveStrays(Volume& volume, BlockId block, const ReplicaPaths& ours) {
  FileSystem& fs = volume.fs();
  const ReplicaPaths open = PathsIn(volume.RbwDirectory(), block, GenerationStamp{0});
  bool removed = false;
  for (const std::string& path : {ours.data, ours.meta, open.data, open.tail}) {
    if (!fs.Exists(path)) continue;
    RETURN_IF_ERROR(fs.Remove(path));
    removed = true;
  }
  return removed ? fs.SyncDirectory(volume.RbwDirectory()) : absl::OkStatus();
}

absl::Status CheckOlder(const ReplicaInfo& old, GenerationStamp wanted) {
  if (old.stamp < wanted) return absl::OkStatus();
  return absl::AlreadyExistsError(
      absl::StrCat(NameOf(old), ": exists, cannot be created with stamp ", ToInt(wanted)));
}

}  // namespace

absl::StatusOr<int> ReplicaStore::ChooseVolume(const NewReplica& wanted) {
  const uint64_t room = std::max<uint64_t>(std::min(wanted.size_hint, kMaxSizeHint), 1);
  const auto count = static_cast<unsigned>(volume_count_.load(std::memory_order_acquire));
  const unsigned first = next_volume_.fetch_add(1, std::memory_order_relaxed);
  std::optional<int> of_type;
  std::optional<int> any;
  uint64_t most = 0;
  for (unsigned i = 0; i < count; ++i) {
    const int index = static_cast<int>((first + i) % count);
    const Volume& volume = VolumeAt(index);
    const uint64_t available = volume.Available();
    most = std::max(most, available);
    if (available < room) continue;
    if (!wanted.storage_uuid.empty() && volume.identity().storage_uuid == wanted.storage_uuid) {
      return index;
    }
    if (!of_type && wanted.type == volume.type()) of_type = index;
    if (!any) any = index;
  }
  if (of_type) return *of_type;
  if (any) return *any;
  const std::vector<Volume*> all = volumes();
  const bool all_failed =
      std::all_of(all.begin(), all.end(), [](const Volume* volume) { return volume->failed(); });
  if (all_failed) return absl::UnavailableError("every volume has failed");
  return absl::ResourceExhaustedError(absl::StrCat("no volume has room for ", NameOf(wanted.block),
                                                   ": it wants ", room,
                                                   " bytes, the most on any volume is ", most));
}

absl::StatusOr<std::unique_ptr<ReplicaWriter>> ReplicaStore::Create(const NewReplica& wanted) {
  if (const auto old = Find(wanted.block)) {
    RETURN_IF_ERROR(CheckOlder(*old, wanted.stamp));
    CRASH_POINT("datanode_create_before_claim");
    ASSIGN_OR_RETURN(const Claim claim, TakeReplica(wanted.block));
    // Whoever had the replica just now may have brought it to a newer stamp.
    absl::Status refused = CheckOlder(claim.info, wanted.stamp);
    refused.Update(CheckNoNewerRecovery(claim.info, wanted.stamp));
    if (!refused.ok()) {
      GiveBack(claim);
      return refused;
    }
    DeleteFiles(claim.info);
    Erase(wanted.block);
    claim.open->ReleaseWriter();
    events_.Changed(ReplicaEvents::Kind::kDeleted, VolumeAt(claim.info.volume), claim.info);
  }
  ASSIGN_OR_RETURN(const int index, ChooseVolume(wanted));
  Volume& volume = VolumeAt(index);
  const ReplicaState state =
      wanted.temporary ? ReplicaState::kTemporary : ReplicaState::kBeingWritten;
  auto open = std::make_shared<OpenReplica>(0);
  CHECK(open->TakeWriter());
  {
    WriterLock lock(mu_);
    const auto [entry, inserted] = replicas_.try_emplace(wanted.block);
    if (!inserted) {
      return absl::AlreadyExistsError(
          absl::StrCat(NameOf(InfoOf(wanted.block, entry->second)), ": was created meanwhile"));
    }
    entry->second = {.stamp = wanted.stamp,
                     .length = 0,
                     .volume = static_cast<uint16_t>(index),
                     .state = state,
                     .open = open};
    Index(wanted.block, entry->second);
    volume.AddUsed(0, 1);
  }
  std::unique_ptr<ReplicaWriter> writer(
      new ReplicaWriter(*this, volume, index, wanted.block, wanted.stamp, state, wanted.checksum,
                        open, std::min(wanted.size_hint, kMaxSizeHint)));
  absl::Status status =
      volume.Note(VolumeUse::kWrite, RemoveStrays(volume, wanted.block, writer->paths_));
  if (status.ok()) status = writer->OpenFiles(/*create=*/true);
  // Whoever dropped the replicas of a volume that failed just now may have come before this one.
  if (status.ok()) status = volume.CheckUsable();
  if (!status.ok()) {
    writer->Discard();
    return status;
  }
  if (!wanted.temporary) {
    events_.Changed(ReplicaEvents::Kind::kBeingWritten, volume,
                    {.block = wanted.block,
                     .stamp = wanted.stamp,
                     .state = state,
                     .length = 0,
                     .volume = index});
  }
  return writer;
}

}  // namespace cairn::datanode
