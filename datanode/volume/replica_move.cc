// ReplicaStore::Move: a finalized replica goes to another volume of this node.
//
//   copy to <to>/tmp, verified and synced     readers and writers go on; a change undoes the move
//   claim, rename into finalized/, sync       both volumes have the files
//   the map's entry names the new volume      announced; readers that open it from now on find it
//                                             there; undone if that volume has failed by now
//   delete the old files
//
// After a crash both volumes may have the replica; the next start keeps one (ReplicaStore::Adopt).
// A reader that has the old files open reads on.
#include <algorithm>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "common/crash_point.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "datanode/volume/replica_store.h"
#include "wire/transfer/meta_file.h"

namespace cairn::datanode {
namespace {

constexpr uint64_t kCopyBytes = uint64_t{1} << 20;

// Copies `size` bytes; `check` sees each piece with its offset.
absl::Status CopyFile(
    File& from, File& to, uint64_t size, uint64_t step, std::span<std::byte> buffer,
    const std::function<absl::Status(uint64_t, std::span<const std::byte>)>& check) {
  for (uint64_t offset = 0; offset < size; offset += step) {
    const auto piece = buffer.first(static_cast<size_t>(std::min(step, size - offset)));
    ASSIGN_OR_RETURN(const size_t count, from.ReadAt(offset, piece));
    if (count != piece.size()) {
      return absl::DataLossError(absl::StrCat("a file ends at ", offset + count));
    }
    RETURN_IF_ERROR(check(offset, piece));
    RETURN_IF_ERROR(to.WriteAt(offset, piece));
  }
  return to.SyncData();
}

// Compares whole chunks with the CRCs in the meta file, and the rest with the reader's tail.
absl::Status CheckPiece(const ReplicaReader& reader, uint64_t offset,
                        std::span<const std::byte> data) {
  const transfer::DataChecksum& checksum = reader.checksum;
  if (checksum.checksum_size() == 0) return absl::OkStatus();
  const uint64_t end = offset + data.size();
  const uint64_t full_end = std::min(end, checksum.RoundDown(reader.info.length));
  if (full_end > offset) {
    ASSIGN_OR_RETURN(const std::vector<std::byte> crcs,
                     ReadChecksums(*reader.meta, checksum, offset, full_end));
    if (const auto bad =
            checksum.FindMismatch(data.first(static_cast<size_t>(full_end - offset)), crcs)) {
      return absl::DataLossError(
          absl::StrCat("the chunk at offset ", offset + *bad, " does not match its checksum"));
    }
  }
  if (full_end < end && reader.tail_crc.has_value() &&
      checksum.Of(data.subspan(static_cast<size_t>(full_end - offset))) != *reader.tail_crc) {
    return absl::DataLossError(
        absl::StrCat("the chunk at offset ", full_end, " does not match its checksum"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ReplicaStore::Move(const ReplicaInfo& replica, int to_volume,
                                const std::function<bool(uint64_t bytes)>& pace) {
  Volume& to = VolumeAt(to_volume);
  FileSystem& fs = to.fs();
  RETURN_IF_ERROR(to.CheckUsable());
  ASSIGN_OR_RETURN(const ReplicaReader reader, OpenForRead(replica.block, replica.stamp));
  if (reader.info != replica) return absl::AbortedError("the replica has changed");
  if (to.Available() < replica.length) return absl::ResourceExhaustedError("no room for a move");
  const uint64_t chunk = reader.checksum.bytes_per_checksum();
  const uint64_t step = std::max<uint64_t>(kCopyBytes / chunk, 1) * chunk;
  const std::string name = absl::StrCat(to.TmpDirectory(), "/blk_", ToSigned(replica.block));
  const std::string data_path = name + ".moving";
  const std::string meta_path = name + ".moving.meta";
  absl::Cleanup remove_copy = [&] {
    fs.Remove(data_path).IgnoreError();  // the next start empties the directory
    fs.Remove(meta_path).IgnoreError();
  };
  bool from_failed = false;
  const auto copy = [&]() -> absl::Status {
    std::vector<std::byte> buffer(static_cast<size_t>(step));
    const OpenOptions fresh{.create = true, .write = true};
    for (const std::string& path : {data_path, meta_path}) {
      if (fs.Exists(path)) RETURN_IF_ERROR(fs.Remove(path));  // of a move that failed
    }
    ASSIGN_OR_RETURN(const auto data, fs.Open(data_path, fresh));
    ASSIGN_OR_RETURN(const auto meta, fs.Open(meta_path, fresh));
    const auto check = [&](uint64_t offset, std::span<const std::byte> piece) -> absl::Status {
      const absl::Status status = CheckPiece(reader, offset, piece);
      from_failed = !status.ok();
      if (status.ok() && !pace(piece.size())) return absl::CancelledError("the move was ended");
      return status;
    };
    RETURN_IF_ERROR(CopyFile(*reader.data, *data, replica.length, step, buffer, check));
    return CopyFile(*reader.meta, *meta, transfer::MetaFileBytes(reader.checksum, replica.length),
                    step, buffer,
                    [](uint64_t, std::span<const std::byte>) { return absl::OkStatus(); });
  };
  if (const absl::Status status = copy(); !status.ok()) {
    if (from_failed) {
      ReadFailed(replica, status);
    } else if (!absl::IsCancelled(status)) {
      to.Note(VolumeUse::kRead, status).IgnoreError();  // either disk's: it is looked at
      VolumeAt(replica.volume).Note(VolumeUse::kRead, status).IgnoreError();
    }
    return status;
  }
  return SwitchVolume(replica, to_volume, data_path, meta_path);
}

absl::Status ReplicaStore::SwitchVolume(const ReplicaInfo& replica, int to_volume,
                                        const std::string& data_path,
                                        const std::string& meta_path) {
  Volume& to = VolumeAt(to_volume);
  ASSIGN_OR_RETURN(const Claim claim, TakeReplica(replica.block));
  const absl::Cleanup give_back = [&] { GiveBack(claim); };
  if (claim.info != replica) return absl::AbortedError("the replica has changed");
  const std::string directory = to.FinalizedDirectory(replica.block);
  const ReplicaPaths paths = PathsIn(directory, replica.block, replica.stamp);
  const auto place = [&]() -> absl::Status {
    RETURN_IF_ERROR(to.CheckUsable());
    RETURN_IF_ERROR(to.MakeFinalizedDirectory(replica.block));
    // Meta first: data alone would be a corrupt replica after a crash.
    RETURN_IF_ERROR(to.fs().Rename(meta_path, paths.meta));
    CRASH_POINT("datanode_move_between_renames");
    RETURN_IF_ERROR(to.fs().Rename(data_path, paths.data));
    return to.fs().SyncDirectory(directory);
  };
  RETURN_IF_ERROR(to.Note(VolumeUse::kWrite, place()));
  CRASH_POINT("datanode_move_before_switch");
  Volume& from = VolumeAt(replica.volume);
  ReplicaInfo moved = replica;
  moved.volume = to_volume;
  {
    WriterLock lock(mu_);
    // Whoever drops the replicas of a volume that failed comes after this, or has come before.
    RETURN_IF_ERROR(to.CheckUsable());
    PutEntry(moved, claim.open);
    events_.Moved(from, replica, to, moved);
  }
  CRASH_POINT("datanode_move_before_deletion");
  if (to.failed()) {  // the old files are all there is
    WriterLock lock(mu_);
    if (!from.failed()) {
      PutEntry(replica, claim.open);
      events_.Moved(to, moved, from, replica);
    }
    return to.CheckUsable();
  }
  DeleteFiles(replica);
  return absl::OkStatus();
}

}  // namespace cairn::datanode
