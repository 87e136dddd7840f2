// ReplicaStore: a replica goes on, for a writer, a recovery or a truncation.
//
//   verify the chunk that is kept in part, write again what a failed sync may have dropped
//   record how much is kept (tail_record.h)          of a finalized replica
//   rename to rbw/ under the new stamp, sync         the map still has the old state
//   cut to what is kept                              the map has it as being written
#include "absl/strings/str_cat.h"
#include "common/crash_point.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "datanode/volume/replica_store.h"
#include "datanode/volume/tail_file.h"
#include "wire/transfer/meta_file.h"

namespace cairn::datanode {

using transfer::DataChecksum;
using transfer::MetaFileBytes;

absl::StatusOr<ReplicaStore::CheckedFiles> ReplicaStore::CheckFiles(const ReplicaInfo& replica,
                                                                    const OpenReplica& open,
                                                                    const ReplicaPaths& paths,
                                                                    uint64_t keep_length) {
  FileSystem& fs = VolumeAt(replica.volume).fs();
  CheckedFiles files;
  ASSIGN_OR_RETURN(files.data, fs.Open(paths.data, {.write = true}));
  ASSIGN_OR_RETURN(files.meta, fs.Open(paths.meta, {.write = true}));
  ASSIGN_OR_RETURN(files.checksum, ReadMetaHeader(*files.meta));
  const bool written = replica.state == ReplicaState::kBeingWritten;
  const uint64_t have = written ? open.received() : replica.length;
  if (have < keep_length) {
    return absl::AbortedError(absl::StrCat("has no ", keep_length, " bytes to keep"));
  }
  ASSIGN_OR_RETURN(const uint64_t size, files.data->Size());
  ASSIGN_OR_RETURN(const uint64_t meta_size, files.meta->Size());
  const uint64_t meta_wanted = MetaFileBytes(files.checksum, have);
  if (size < have || meta_size < meta_wanted) {
    return absl::DataLossError(absl::StrCat("its data file has ", size, " bytes of ", have,
                                            ", its meta file ", meta_size, " of ", meta_wanted));
  }
  ASSIGN_OR_RETURN(files.tail_crc, VerifiedTailCrc(*files.data, *files.meta, files.checksum,
                                                   keep_length, have, /*interrupted=*/written));
  if (open.sync_failed()) {
    RETURN_IF_ERROR(RewriteFiles(*files.data, *files.meta, files.checksum, keep_length));
  }
  return files;
}

// A finalized replica is about to change: its partial last chunk in place. And once it lies in rbw/
// nothing else tells that these bytes were all there.
absl::Status ReplicaStore::RecordReopened(const CheckedFiles& files, FileSystem& fs, BlockId block,
                                          const std::string& tail_path, uint64_t length) {
  if (length == 0) return absl::OkStatus();
  if (!options_.sync_on_finalize) {
    RETURN_IF_ERROR(files.data->SyncData());
    RETURN_IF_ERROR(files.meta->SyncData());
  }
  uint64_t sequence = 0;
  RETURN_IF_ERROR(WriteTailRecord(fs, tail_path, block, files.checksum, length, files.tail_crc,
                                  &sequence, /*sync=*/true));
  return fs.SyncDirectory(ParentDirectory(tail_path));
}

absl::StatusOr<std::unique_ptr<ReplicaWriter>> ReplicaStore::Reopen(Claim claim,
                                                                    GenerationStamp new_stamp,
                                                                    uint64_t keep_length) {
  const ReplicaInfo& old = claim.info;
  Volume& volume = VolumeAt(old.volume);
  FileSystem& fs = volume.fs();
  const ReplicaPaths from = PathsIn(volume.DirectoryOf(old.block, old.state), old.block, old.stamp);
  const ReplicaPaths to = PathsIn(volume.RbwDirectory(), old.block, new_stamp);
  if (absl::Status status = volume.CheckUsable(); !status.ok()) {
    GiveBack(claim);
    return status;
  }
  const absl::StatusOr<CheckedFiles> files = CheckFiles(old, *claim.open, from, keep_length);
  if (!files.ok()) {
    GiveBack(claim);
    LOG_ERROR("{}: cannot be cut or written on: {}", NameOf(old), files.status());
    if (!absl::IsAborted(files.status())) ReadFailed(old, files.status());
    return absl::Status(files.status().code(),
                        absl::StrCat(NameOf(old), ": ", files.status().message()));
  }
  const DataChecksum& checksum = files->checksum;
  events_.FilesChange(old.block);
  bool moved = false;  // data or meta are no longer where they were
  const auto move = [&]() -> absl::Status {
    if (old.state == ReplicaState::kFinalized) {
      fs.Remove(to.tail).IgnoreError();  // of an earlier life
      RETURN_IF_ERROR(RecordReopened(*files, fs, old.block, to.tail, keep_length));
    }
    if (from.meta != to.meta) RETURN_IF_ERROR(fs.Rename(from.meta, to.meta));
    CRASH_POINT("datanode_reopen_between_renames");
    if (from.data != to.data) {
      if (const absl::Status status = fs.Rename(from.data, to.data); !status.ok()) {
        moved = !fs.Rename(to.meta, from.meta).ok();
        return status;
      }
    }
    moved = true;
    RETURN_IF_ERROR(fs.SyncDirectory(volume.RbwDirectory()));
    if (ParentDirectory(from.data) != volume.RbwDirectory()) {
      RETURN_IF_ERROR(fs.SyncDirectory(ParentDirectory(from.data)));
    }
    RETURN_IF_ERROR(
        ShortenTailRecords(fs, to.tail, old.block, checksum, keep_length, files->tail_crc));
    return CutFiles(*files->data, *files->meta, checksum, keep_length, files->tail_crc);
  };
  if (const absl::Status status = move(); !status.ok()) {
    volume.Note(VolumeUse::kWrite, status).IgnoreError();  // returned below
    if (moved) {
      AbandonReopen(claim, new_stamp, keep_length);
    } else {
      GiveBack(claim);
    }
    return status;
  }
  // What was promised of it before is not known.
  if (old.state != ReplicaState::kBeingWritten) claim.open->SetHsynced();
  claim.open->SetSyncFailed(false);  // what was not on the disk has been written again
  claim.open->SetAcked(keep_length);
  claim.open->SetReceived(keep_length);
  Put({.block = old.block,
       .stamp = new_stamp,
       .state = ReplicaState::kBeingWritten,
       .length = keep_length,
       .volume = old.volume},
      claim.open);
  events_.FilesChange(old.block);  // who came since then
  std::unique_ptr<ReplicaWriter> writer(new ReplicaWriter(*this, volume, old.volume, old.block,
                                                          new_stamp, ReplicaState::kBeingWritten,
                                                          checksum, claim.open, 0));
  RETURN_IF_ERROR(writer->Note(writer->OpenFiles(/*create=*/false)));
  return writer;
}

void ReplicaStore::AbandonReopen(const Claim& claim, GenerationStamp new_stamp,
                                 uint64_t keep_length) {
  Volume& volume = VolumeAt(claim.info.volume);
  const ReplicaPaths paths = PathsIn(volume.RbwDirectory(), claim.info.block, new_stamp);
  const auto found = RecoverPrefix(volume.fs(), paths, claim.info.block);
  const bool damaged = found.ok() && found->damaged;
  const ReplicaInfo left{.block = claim.info.block,
                         .stamp = new_stamp,
                         .state = damaged ? ReplicaState::kCorrupt : ReplicaState::kWaitingRecovery,
                         .length = found.ok() ? found->length : keep_length,
                         .volume = claim.info.volume,
                         .in_rbw = damaged};
  LOG_ERROR("{}: reopening failed half-way; now {}", NameOf(claim.info), NameOf(left));
  Put(left, nullptr);
  claim.open->ReleaseWriter();
}

absl::StatusOr<std::unique_ptr<ReplicaWriter>> ReplicaStore::OpenForAppend(
    BlockId block, GenerationStamp old_stamp, GenerationStamp new_stamp, uint64_t length,
    bool recovery) {
  ASSIGN_OR_RETURN(Claim claim, TakeReplica(block));
  const ReplicaInfo& info = claim.info;
  absl::Status refused;
  const uint64_t have =
      info.state == ReplicaState::kBeingWritten ? claim.open->received() : info.length;
  const bool open_state =
      info.state == ReplicaState::kBeingWritten || info.state == ReplicaState::kWaitingRecovery;
  if (info.state != ReplicaState::kFinalized && !(recovery && open_state)) {
    refused = StaleReplica(info, "cannot be appended to");
  } else if (info.stamp < old_stamp || info.stamp > new_stamp) {
    refused = StaleReplica(
        info, absl::StrCat("stamp is not in ", ToInt(old_stamp), "..", ToInt(new_stamp)));
  } else if (have != length) {
    refused =
        StaleReplica(info, absl::StrCat("append expects ", length, " bytes, there are ", have));
  } else {
    refused = CheckNoNewerRecovery(info, new_stamp);
  }
  if (!refused.ok()) {
    GiveBack(claim);
    return refused;
  }
  return Reopen(std::move(claim), new_stamp, length);
}

absl::StatusOr<std::unique_ptr<ReplicaWriter>> ReplicaStore::OpenForStreamingRecovery(
    BlockId block, GenerationStamp old_stamp, GenerationStamp new_stamp, uint64_t min_acked) {
  ASSIGN_OR_RETURN(Claim claim, TakeReplica(block));
  const ReplicaInfo& info = claim.info;
  const bool waiting = info.state == ReplicaState::kWaitingRecovery;
  const uint64_t acked = waiting ? std::min(info.length, min_acked) : claim.open->acked();
  absl::Status refused;
  if (info.state != ReplicaState::kBeingWritten && !waiting) {
    refused = StaleReplica(info, "is not being written");
  } else if (info.stamp < old_stamp || info.stamp > new_stamp) {
    refused = StaleReplica(
        info, absl::StrCat("stamp is not in ", ToInt(old_stamp), "..", ToInt(new_stamp)));
  } else if (acked < min_acked) {
    refused =
        StaleReplica(info, absl::StrCat("acknowledged ", acked, ", recovery expects ", min_acked));
  } else {
    refused = CheckNoNewerRecovery(info, new_stamp);
  }
  if (!refused.ok()) {
    GiveBack(claim);
    return refused;
  }
  return Reopen(std::move(claim), new_stamp, acked);
}

absl::Status ReplicaStore::RecoverClose(BlockId block, GenerationStamp old_stamp,
                                        GenerationStamp new_stamp, uint64_t length) {
  ASSIGN_OR_RETURN(const auto writer,
                   OpenForAppend(block, old_stamp, new_stamp, length, /*recovery=*/true));
  // The closing packet may have asked for it and have been lost.
  return writer->Finalize(/*sync=*/true);
}

}  // namespace cairn::datanode
