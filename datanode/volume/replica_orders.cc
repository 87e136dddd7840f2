// ReplicaStore: the namenode's orders.
#include "absl/strings/str_cat.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "datanode/volume/replica_store.h"

namespace cairn::datanode {

// Whoever orders something of it believes that it is here, and waits to hear that it is not. Under
// the lock: of a copy that arrives now it is said afterwards that it is there.
void ReplicaStore::TellAbsent(BlockId block, GenerationStamp stamp) {
  WriterLock lock(mu_);
  const auto found = replicas_.find(block);
  const Volume* here = nullptr;
  if (found != replicas_.end() && found->second.state != ReplicaState::kTemporary) {
    here = &VolumeAt(found->second.volume);
  }
  for (const Volume* const volume : volumes()) {
    if (volume->failed() || volume == here) continue;
    events_.Changed(ReplicaEvents::Kind::kDeleted, *volume, {.block = block, .stamp = stamp});
  }
}

absl::Status ReplicaStore::Invalidate(BlockId block, GenerationStamp stamp,
                                      const std::function<bool()>& still_valid) {
  if (!still_valid()) return absl::OkStatus();
  const auto claim = TakeReplica(block);
  if (absl::IsNotFound(claim.status())) {
    TellAbsent(block, stamp);
    return absl::OkStatus();
  }
  if (absl::IsUnavailable(claim.status())) {
    const std::shared_ptr<OpenReplica> open = FindOpen(block);
    const auto info = Find(block);
    if (open == nullptr || !info || info->stamp > stamp) return absl::OkStatus();
    open->StopWriter([this, block, stamp, still_valid] {
      const absl::Status status = Invalidate(block, stamp, still_valid);
      if (!status.ok()) LOG_WARN("invalidating {}: {}", NameOf(block), status);
    });
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(claim.status());
  const ReplicaInfo info = claim->info;
  // Whoever wants an older version gone may not know of this one, as after a recovery of which he
  // lost the result: he is to hear of it before the next full report. Under the claim, so that
  // nothing is told of a later state before it.
  if (info.stamp > stamp && info.state == ReplicaState::kFinalized) {
    events_.Changed(ReplicaEvents::Kind::kFinalized, VolumeAt(info.volume), info);
  } else if (info.stamp > stamp && info.state == ReplicaState::kBeingWritten) {
    events_.Changed(ReplicaEvents::Kind::kBeingWritten, VolumeAt(info.volume), info);
  }
  if (info.stamp > stamp || !BeginDeletion(block, still_valid)) {
    GiveBack(*claim);
    return absl::OkStatus();
  }
  DeleteFiles(info);
  Erase(block);
  claim->open->ReleaseWriter();
  events_.Changed(ReplicaEvents::Kind::kDeleted, VolumeAt(info.volume), info);
  return absl::OkStatus();
}

bool ReplicaStore::BeginDeletion(BlockId claimed, const std::function<bool()>& still_valid) {
  WriterLock lock(mu_);
  const auto found = replicas_.find(claimed);
  if (found == replicas_.end() || !still_valid()) return false;
  Unindex(claimed, found->second);
  found->second.deleting = true;
  Index(claimed, found->second);
  return true;
}

absl::Status ReplicaStore::Truncate(BlockId block, GenerationStamp stamp, GenerationStamp new_stamp,
                                    uint64_t new_length) {
  ASSIGN_OR_RETURN(Claim claim, TakeReplica(block));
  const ReplicaInfo info = claim.info;
  const bool done = info.state == ReplicaState::kFinalized && info.stamp == new_stamp &&
                    info.length == new_length;
  absl::Status refused;
  if (info.stamp < stamp || info.stamp > new_stamp || info.length < new_length ||
      info.state == ReplicaState::kTemporary || info.state == ReplicaState::kCorrupt) {
    refused = StaleReplica(info, absl::StrCat("cannot be cut to ", new_length,
                                              " bytes under stamp ", ToInt(new_stamp)));
  } else {
    refused = CheckNoNewerRecovery(info, new_stamp);
  }
  if (done || !refused.ok()) {
    GiveBack(claim);
    return refused;
  }
  ASSIGN_OR_RETURN(const auto writer, Reopen(std::move(claim), new_stamp, new_length));
  return writer->Finalize();
}

absl::StatusOr<ReplicaInfo> ReplicaStore::InitRecovery(BlockId block,
                                                       GenerationStamp recovery_stamp) {
  ASSIGN_OR_RETURN(const Claim claim, TakeReplica(block));
  ReplicaInfo info = claim.info;
  // On disk, acknowledged or not: all nodes are asked, and the shortest of the best decides.
  if (info.state == ReplicaState::kBeingWritten) info.length = claim.open->received();
  absl::Status refused;
  if (info.state == ReplicaState::kCorrupt) {
    refused = absl::DataLossError(absl::StrCat(NameOf(info), ": kept aside"));
  } else if (info.state == ReplicaState::kTemporary) {
    refused = ReplicaNotFound(block);
  } else {
    WriterLock lock(mu_);
    const auto known = recovering_.find(block);
    // This recovery has finished here before, and is repeated because it did not elsewhere.
    const bool done = info.stamp == recovery_stamp && info.state == ReplicaState::kFinalized;
    const bool newer = known != recovering_.end() && known->second > recovery_stamp;
    if (newer || (info.stamp >= recovery_stamp && !done)) {
      refused =
          StaleReplica(info, absl::StrCat("recovery ", ToInt(recovery_stamp), " is out of date"));
    } else if (!done) {
      recovering_[block] = recovery_stamp;
    }
  }
  GiveBack(claim);
  RETURN_IF_ERROR(refused);
  return info;
}

absl::Status ReplicaStore::FinishRecovery(BlockId block, GenerationStamp recovery_stamp,
                                          uint64_t length) {
  ASSIGN_OR_RETURN(Claim claim, TakeReplica(block));
  const ReplicaInfo info = claim.info;
  const bool done = info.state == ReplicaState::kFinalized && info.stamp == recovery_stamp &&
                    info.length == length;
  absl::Status refused;
  {
    WriterLock lock(mu_);
    const auto known = recovering_.find(block);
    if (!done && (known == recovering_.end() || known->second != recovery_stamp)) {
      refused =
          StaleReplica(info, absl::StrCat("recovery ", ToInt(recovery_stamp), " is out of date"));
    }
  }
  if (done || !refused.ok()) {
    GiveBack(claim);
    return refused;
  }
  ASSIGN_OR_RETURN(const auto writer, Reopen(std::move(claim), recovery_stamp, length));
  return writer->Finalize();
}

}  // namespace cairn::datanode
