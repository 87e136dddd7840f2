// ReplicaStore: reading replicas, and what becomes of one that cannot be read.
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "datanode/volume/replica_store.h"
#include "wire/transfer/big_endian.h"
#include "wire/transfer/meta_file.h"

namespace cairn::datanode {

using transfer::MetaFileBytes;

namespace {

constexpr int kOpenTries = 20;

}  // namespace

absl::StatusOr<ReplicaReader> ReplicaStore::OpenForRead(BlockId block, GenerationStamp at_least,
                                                        ReadMode mode) {
  absl::Status last = absl::OkStatus();
  bool failed_before = false;
  for (int i = 0; i < kOpenTries; ++i) {
    ReplicaReader reader;
    {
      ReaderLock lock(mu_);
      const auto found = replicas_.find(block);
      if (found == replicas_.end() || !IsTold(found->second)) return ReplicaNotFound(block);
      reader.info = InfoOf(block, found->second);
      if (reader.info.state == ReplicaState::kBeingWritten) reader.open = found->second.open;
    }
    const ReplicaInfo info = reader.info;
    if (info.stamp < at_least) {
      return StaleReplica(info,
                          absl::StrCat("is older than the stamp asked for, ", ToInt(at_least)));
    }
    if (info.state == ReplicaState::kCorrupt) {
      return absl::DataLossError(absl::StrCat(NameOf(info), ": kept aside"));
    }
    Volume& volume = VolumeAt(info.volume);
    if (volume.failed()) return ReplicaNotFound(block);
    const auto fill = [&]() -> absl::Status {
      const ReplicaPaths paths = PathsIn(volume.DirectoryOf(block, info.state), block, info.stamp);
      // One that is just being finalized may be there before the map says so: for a sync's time.
      const ReplicaPaths next = PathsIn(volume.FinalizedDirectory(block), block, info.stamp);
      const auto open = [&](const std::string& path, const std::string& then,
                            const OpenOptions& options) {
        auto file = volume.fs().Open(path, options);
        if (reader.open == nullptr || !absl::IsNotFound(file.status())) return file;
        return volume.fs().Open(then, options);
      };
      ASSIGN_OR_RETURN(reader.data,
                       open(paths.data, next.data, {.direct = mode == ReadMode::kDirect}));
      ASSIGN_OR_RETURN(reader.meta, open(paths.meta, next.meta, {}));
      ASSIGN_OR_RETURN(reader.checksum, ReadMetaHeader(*reader.meta));
      if (reader.open != nullptr) return absl::OkStatus();
      ASSIGN_OR_RETURN(const uint64_t data_size, reader.data->Size());
      ASSIGN_OR_RETURN(const uint64_t meta_size, reader.meta->Size());
      const uint64_t meta_wanted = MetaFileBytes(reader.checksum, info.length);
      if (data_size != info.length || meta_size != meta_wanted) {
        return absl::DataLossError(absl::StrCat(NameOf(info), ": data file of ", data_size,
                                                " bytes, meta file of ", meta_size, ", expected ",
                                                info.length, " and ", meta_wanted));
      }
      const uint64_t chunk_start = reader.checksum.RoundDown(info.length);
      if (chunk_start != info.length && reader.checksum.checksum_size() != 0) {
        ASSIGN_OR_RETURN(const std::vector<std::byte> crc,
                         ReadChecksums(*reader.meta, reader.checksum, chunk_start, info.length));
        reader.tail_crc = transfer::LoadBig32(crc.data());
      }
      return absl::OkStatus();
    };
    last = fill();
    // Whoever changed the replica meanwhile changed its entry too.
    const auto now = Find(block);
    const bool unchanged = now.has_value() && now->stamp == info.stamp &&
                           now->state == info.state && now->volume == info.volume &&
                           (reader.open != nullptr || now->length == info.length);
    if (last.ok() && unchanged) return reader;
    const std::shared_ptr<OpenReplica> busy = FindOpen(block);
    // Once more before it is condemned: it may have been changed, and changed back.
    if (unchanged && (busy == nullptr || !busy->has_writer()) &&
        std::exchange(failed_before, true)) {
      ReadFailed(info, last);
      if (volume.failed()) return ReplicaNotFound(block);
      return absl::IsResourceExhausted(last) ? last : absl::DataLossError(last.message());
    }
    std::this_thread::sleep_for(std::chrono::microseconds(200));  // two renames take no longer
  }
  return absl::UnavailableError(absl::StrCat(NameOf(block), ": being changed: ", last.message()));
}

absl::Status ReplicaStore::Verify(BlockId block, GenerationStamp stamp) {
  ASSIGN_OR_RETURN(const ReplicaReader reader, OpenForRead(block, stamp));
  if (reader.open != nullptr) return absl::OkStatus();
  const uint64_t length = reader.info.length;
  const uint64_t tail = reader.checksum.RoundDown(length);
  const auto verify = [&]() -> absl::Status {
    RETURN_IF_ERROR(VerifyChunks(*reader.data, *reader.meta, reader.checksum, tail));
    if (!reader.tail_crc.has_value()) return absl::OkStatus();
    ASSIGN_OR_RETURN(const uint32_t crc, CrcOfRange(*reader.data, reader.checksum, tail, length));
    if (crc == *reader.tail_crc) return absl::OkStatus();
    return absl::DataLossError(
        absl::StrCat("the chunk at offset ", tail, " does not match its checksum"));
  };
  const absl::Status status = verify();
  if (!status.ok()) ReadFailed(reader.info, status);
  return status;
}

void ReplicaStore::ReadFailed(const ReplicaInfo& replica, const absl::Status& why) {
  Volume& volume = VolumeAt(replica.volume);
  LOG_ERROR("volume {}: {}: {}", volume.path(), NameOf(replica),
            volume.Note(VolumeUse::kRead, why));
  // No descriptors, no memory: the replica may be as good as any.
  if (volume.failed() || absl::IsResourceExhausted(why)) return;
  MarkCorrupt(replica.block, replica.stamp);
}

void ReplicaStore::MarkCorrupt(BlockId block, GenerationStamp stamp) {
  ReplicaInfo info;
  {
    WriterLock lock(mu_);
    const auto found = replicas_.find(block);
    if (found == replicas_.end()) return;
    const Entry& entry = found->second;
    if (entry.stamp != stamp || entry.state != ReplicaState::kFinalized) return;
    // Its files are being changed, which is all that the reader may have seen.
    if (entry.open != nullptr && entry.open->has_writer()) return;
    Unindex(block, entry);
    found->second.state = ReplicaState::kCorrupt;
    Index(block, entry);
    info = InfoOf(block, found->second);
  }
  events_.Changed(ReplicaEvents::Kind::kCorrupt, VolumeAt(info.volume), info);
}

bool ReplicaStore::AdoptFound(const ReplicaInfo& found) {
  const Volume& volume = VolumeAt(found.volume);
  const auto open = std::make_shared<OpenReplica>(found.length);
  CHECK(open->TakeWriter());
  {
    WriterLock lock(mu_);
    if (volume.failed()) return false;
    const auto [entry, inserted] = replicas_.try_emplace(found.block);
    if (!inserted) return false;
    // Nobody hears of it yet.
    entry->second = {.stamp = found.stamp,
                     .volume = static_cast<uint16_t>(found.volume),
                     .state = ReplicaState::kTemporary,
                     .open = open};
    Index(found.block, entry->second);
    VolumeAt(found.volume).AddUsed(0, 1);
  }
  // They may have been seen while they were being deleted. Whoever deletes a replica's files does
  // so before he erases its entry, which is ours now: what is here stays.
  const ReplicaPaths paths = PathsIn(DirectoryOf(found), found.block, found.stamp);
  if (!volume.fs().Exists(paths.data) || !volume.fs().Exists(paths.meta)) {
    Erase(found.block);
    open->ReleaseWriter();
    return false;
  }
  Put(found, open);
  LOG_WARN("volume {}: {} was found there; nobody had said so", volume.path(), NameOf(found));
  // Nobody else may change the replica before this has been announced.
  events_.Changed(ReplicaEvents::Kind::kFinalized, volume, found);
  GiveBack({.info = found, .open = open});
  return true;
}

bool ReplicaStore::ForgetVanished(const ReplicaInfo& gone) {
  Volume& volume = VolumeAt(gone.volume);
  const auto claim = TakeReplica(gone.block);
  if (!claim.ok()) return false;
  const ReplicaPaths paths = PathsIn(DirectoryOf(gone), gone.block, gone.stamp);
  if (claim->info != gone || volume.fs().Exists(paths.data)) {
    GiveBack(*claim);
    return false;
  }
  // A later replica of the block would find it beside its own.
  const absl::Status removed = volume.fs().Remove(paths.meta);
  if (!removed.ok() && !absl::IsNotFound(removed)) {
    LOG_WARN("{}", volume.Note(VolumeUse::kWrite, removed));
  }
  Erase(gone.block);
  claim->open->ReleaseWriter();
  LOG_ERROR("volume {}: the files of {} are gone", volume.path(), NameOf(gone));
  events_.Changed(ReplicaEvents::Kind::kDeleted, volume, gone);
  return true;
}

}  // namespace cairn::datanode
