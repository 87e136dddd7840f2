#include "datanode/volume/replica_store.h"

#include <algorithm>
#include <thread>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/check.h"
#include "common/crash_point.h"
#include "common/fs_error.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "wire/transfer/big_endian.h"
#include "wire/transfer/meta_file.h"

namespace cairn::datanode {
namespace {

using transfer::DataChecksum;
using transfer::MetaFileBytes;

// A size that a client announces is believed up to here.
constexpr uint64_t kMaxSizeHint = uint64_t{64} << 30;
constexpr int kOpenTries = 20;

std::string Name(BlockId block) { return absl::StrCat("block ", ToInt(block)); }
std::string Name(const ReplicaInfo& info) {
  return absl::StrCat("replica of block ", ToInt(info.block), " stamp ", ToInt(info.stamp), " (",
                      StateName(info.state), ", ", info.length, " bytes)");
}

absl::Status NotFound(BlockId block) {
  return MakeFsError(FsError::kReplicaNotFound,
                     absl::StrCat("Replica not found for ", Name(block)));
}

absl::Status Stale(const ReplicaInfo& info, absl::string_view what) {
  return absl::AbortedError(absl::StrCat(Name(info), ": ", what));
}

std::optional<BlockId> ParseTailName(absl::string_view name) {
  uint64_t id = 0;
  if (!absl::ConsumePrefix(&name, "blk_") || !absl::ConsumeSuffix(&name, ".tail") ||
      !absl::SimpleAtoi(name, &id)) {
    return std::nullopt;
  }
  return BlockId{id};
}

std::optional<BlockId> ParseDataName(absl::string_view name) {
  uint64_t id = 0;
  if (!absl::ConsumePrefix(&name, "blk_") || !absl::SimpleAtoi(name, &id)) return std::nullopt;
  return BlockId{id};
}

struct MetaName {
  BlockId block;
  GenerationStamp stamp;
};

std::optional<MetaName> ParseMetaName(absl::string_view name) {
  if (!absl::ConsumePrefix(&name, "blk_") || !absl::ConsumeSuffix(&name, ".meta")) {
    return std::nullopt;
  }
  const size_t underscore = name.find('_');
  uint64_t id = 0;
  uint64_t stamp = 0;
  if (underscore == absl::string_view::npos || !absl::SimpleAtoi(name.substr(0, underscore), &id) ||
      !absl::SimpleAtoi(name.substr(underscore + 1), &stamp)) {
    return std::nullopt;
  }
  return MetaName{BlockId{id}, GenerationStamp{stamp}};
}

// One directory's replicas.
struct Listing {
  absl::flat_hash_set<BlockId> data;
  absl::flat_hash_map<BlockId, GenerationStamp> meta;  // the newest of each
  std::vector<BlockId> tails;
};

absl::StatusOr<Listing> ListReplicas(FileSystem& fs, const std::string& directory) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, fs.List(directory));
  Listing listing;
  for (const std::string& name : names) {
    if (const auto block = ParseDataName(name)) listing.data.insert(*block);
    if (const auto block = ParseTailName(name)) listing.tails.push_back(*block);
    if (const auto meta = ParseMetaName(name)) {
      GenerationStamp& stamp = listing.meta[meta->block];
      stamp = std::max(stamp, meta->stamp);
    }
  }
  return listing;
}

bool IsBetter(const ReplicaInfo& a, const ReplicaInfo& b) {
  if (a.stamp != b.stamp) return a.stamp > b.stamp;
  const bool a_final = a.state == ReplicaState::kFinalized;
  const bool b_final = b.state == ReplicaState::kFinalized;
  if (a_final != b_final) return a_final;
  return a.length > b.length;
}

}  // namespace

ReplicaStore::ReplicaStore(std::vector<std::unique_ptr<Volume>> volumes, StoreOptions options,
                           ReplicaEvents& events)
    : volumes_(std::move(volumes)), options_(options), events_(events) {
  CHECK(!volumes_.empty());
}

ReplicaInfo ReplicaStore::InfoOf(BlockId block, const Entry& entry) {
  ReplicaInfo info{.block = block,
                   .stamp = entry.stamp,
                   .state = entry.state,
                   .length = entry.length,
                   .volume = entry.volume};
  const bool open =
      entry.state == ReplicaState::kBeingWritten || entry.state == ReplicaState::kTemporary;
  if (open && entry.open != nullptr) info.length = entry.open->acked();
  return info;
}

// ---- Start ----

absl::Status ReplicaStore::Load() {
  std::vector<std::thread> threads;
  for (int i = 0; i < static_cast<int>(volumes_.size()); ++i) {
    threads.emplace_back([this, i] { LoadVolume(i); });
  }
  for (std::thread& thread : threads) thread.join();
  const bool all_failed = std::all_of(volumes_.begin(), volumes_.end(),
                                      [](const auto& volume) { return volume->failed(); });
  if (all_failed) return absl::DataLossError("every volume failed while it was read at start");
  return absl::OkStatus();
}

void ReplicaStore::LoadVolume(int index) {
  Volume& volume = *volumes_[static_cast<size_t>(index)];
  FileSystem& fs = volume.fs();
  if (const auto names = fs.List(volume.TmpDirectory()); names.ok()) {
    for (const std::string& name : *names) {
      fs.Remove(absl::StrCat(volume.TmpDirectory(), "/", name)).IgnoreError();  // next start again
    }
  } else {
    volume.MarkFailed(names.status());
    return;
  }
  CompleteInterruptedMoves(index);
  LoadFinalized(index);
  LoadRbw(index);
  LOG_INFO("volume {}: {} replicas, {} bytes", volume.path(), volume.blocks(), volume.used_bytes());
}

// A replica moves between rbw/ and finalized/ by two renames, meta first. Where data lie without
// their meta file, and the meta file is in the other place, the second rename is made up for.
void ReplicaStore::CompleteInterruptedMoves(int index) {
  Volume& volume = *volumes_[static_cast<size_t>(index)];
  FileSystem& fs = volume.fs();
  const auto rbw = ListReplicas(fs, volume.RbwDirectory());
  if (!rbw.ok()) return volume.MarkFailed(rbw.status());
  const auto move = [&](BlockId block, const std::string& from, const std::string& to) {
    const std::string name = "/" + DataFileName(block);
    const absl::Status status = fs.Rename(from + name, to + name);
    LOG_WARN("volume {}: {}: interrupted move to {} completed: {}", volume.path(), Name(block), to,
             status);
  };
  for (const BlockId block : rbw->data) {  // on its way to finalized/
    const std::string finalized = volume.FinalizedDirectory(block);
    if (rbw->meta.contains(block) || !fs.IsDirectory(finalized)) continue;
    const auto there = ListReplicas(fs, finalized);
    if (there.ok() && there->meta.contains(block) && !there->data.contains(block)) {
      move(block, volume.RbwDirectory(), finalized);
    }
  }
  for (const auto& [block, stamp] : rbw->meta) {  // on its way to rbw/
    const std::string finalized = volume.FinalizedDirectory(block);
    if (rbw->data.contains(block) || !fs.IsDirectory(finalized)) continue;
    const auto there = ListReplicas(fs, finalized);
    if (there.ok() && there->data.contains(block) && !there->meta.contains(block)) {
      move(block, finalized, volume.RbwDirectory());
    }
  }
}

void ReplicaStore::LoadFinalized(int index) {
  Volume& volume = *volumes_[static_cast<size_t>(index)];
  FileSystem& fs = volume.fs();
  const auto outer = fs.List(volume.FinalizedRoot());
  if (!outer.ok()) return volume.MarkFailed(outer.status());
  for (const std::string& x : *outer) {
    const std::string outer_path = absl::StrCat(volume.FinalizedRoot(), "/", x);
    if (!absl::StartsWith(x, "subdir") || !fs.IsDirectory(outer_path)) continue;
    const auto inner = fs.List(outer_path);
    if (!inner.ok()) return volume.MarkFailed(inner.status());
    for (const std::string& y : *inner) {
      const std::string directory = absl::StrCat(outer_path, "/", y);
      if (!absl::StartsWith(y, "subdir")) continue;
      const auto listing = ListReplicas(fs, directory);
      if (!listing.ok()) return volume.MarkFailed(listing.status());
      for (const BlockId block : listing->data) {
        const auto file = fs.Open(absl::StrCat(directory, "/", DataFileName(block)), {});
        const auto size = file.ok() ? (*file)->Size() : file.status();
        const auto meta = listing->meta.find(block);
        const bool usable = size.ok() && meta != listing->meta.end() &&
                            directory == volume.FinalizedDirectory(block);
        if (!usable) {
          LOG_ERROR("volume {}: {}: no meta file, unreadable or misplaced; kept aside as corrupt",
                    volume.path(), Name(block));
        }
        Adopt({.block = block,
               .stamp = meta != listing->meta.end() ? meta->second : GenerationStamp{0},
               .state = usable ? ReplicaState::kFinalized : ReplicaState::kCorrupt,
               .length = size.ok() ? *size : 0,
               .volume = index});
      }
    }
  }
}

void ReplicaStore::LoadRbw(int index) {
  Volume& volume = *volumes_[static_cast<size_t>(index)];
  FileSystem& fs = volume.fs();
  const auto listing = ListReplicas(fs, volume.RbwDirectory());
  if (!listing.ok()) return volume.MarkFailed(listing.status());
  for (const BlockId block : listing->tails) {
    if (listing->data.contains(block)) continue;
    // Its replica was finalized, or deleted, a moment before the end.
    fs.Remove(absl::StrCat(volume.RbwDirectory(), "/", TailFileName(block))).IgnoreError();
  }
  for (const BlockId block : listing->data) {
    const auto meta = listing->meta.find(block);
    if (meta == listing->meta.end()) {
      LOG_ERROR("volume {}: {}: was being written and has no meta file; left alone", volume.path(),
                Name(block));
      continue;
    }
    const auto length =
        RecoverPrefix(fs, PathsIn(volume.RbwDirectory(), block, meta->second), block);
    if (!length.ok()) {
      LOG_ERROR("volume {}: {}: cannot be recovered, left alone: {}", volume.path(), Name(block),
                length.status());
      continue;
    }
    LOG_INFO("volume {}: {} stamp {} was being written: {} bytes recovered", volume.path(),
             Name(block), ToInt(meta->second), *length);
    Adopt({.block = block,
           .stamp = meta->second,
           .state = ReplicaState::kWaitingRecovery,
           .length = *length,
           .volume = index});
  }
}

void ReplicaStore::Adopt(const ReplicaInfo& found) {
  if (const auto other = Find(found.block)) {
    const bool keep_found = IsBetter(found, *other);
    const ReplicaInfo& worse = keep_found ? *other : found;
    LOG_WARN("two replicas of one block: {} on {} and {} on {}; the second is deleted",
             Name(keep_found ? found : *other),
             volumes_[static_cast<size_t>((keep_found ? found : *other).volume)]->path(),
             Name(worse), volumes_[static_cast<size_t>(worse.volume)]->path());
    DeleteFiles(worse);
    if (!keep_found) return;
    Erase(found.block);
  }
  Put(found, nullptr);
}

void ReplicaStore::DeleteFiles(const ReplicaInfo& replica) {
  Volume& volume = *volumes_[static_cast<size_t>(replica.volume)];
  const ReplicaPaths paths =
      PathsIn(volume.DirectoryOf(replica.block, replica.state), replica.block, replica.stamp);
  for (const std::string& path : {paths.data, paths.meta, paths.tail}) {
    const absl::Status status = volume.fs().Remove(path);
    if (!status.ok() && !absl::IsNotFound(status)) LOG_WARN("{}", status);
  }
}

// ---- The map ----

void ReplicaStore::Put(const ReplicaInfo& info, std::shared_ptr<OpenReplica> open) {
  const auto settled_bytes = [](ReplicaState state, uint64_t length) {
    const bool open_state =
        state == ReplicaState::kBeingWritten || state == ReplicaState::kTemporary;
    return open_state ? int64_t{0} : static_cast<int64_t>(length);
  };
  WriterLock lock(mu_);
  Entry& entry = replicas_[info.block];
  const bool is_new = entry.stamp == GenerationStamp{0} && entry.length == 0 && !entry.open;
  if (!is_new) {
    volumes_[entry.volume]->AddUsed(-settled_bytes(entry.state, entry.length), -1);
  }
  entry = {.stamp = info.stamp,
           .length = info.length,
           .volume = static_cast<uint16_t>(info.volume),
           .state = info.state,
           .open = std::move(open)};
  volumes_[entry.volume]->AddUsed(settled_bytes(entry.state, entry.length), 1);
}

void ReplicaStore::Erase(BlockId block) {
  WriterLock lock(mu_);
  const auto found = replicas_.find(block);
  if (found == replicas_.end()) return;
  const Entry& entry = found->second;
  const bool open =
      entry.state == ReplicaState::kBeingWritten || entry.state == ReplicaState::kTemporary;
  volumes_[entry.volume]->AddUsed(open ? 0 : -static_cast<int64_t>(entry.length), -1);
  replicas_.erase(found);
}

std::optional<ReplicaInfo> ReplicaStore::Find(BlockId block) const {
  ReaderLock lock(mu_);
  const auto found = replicas_.find(block);
  if (found == replicas_.end()) return std::nullopt;
  return InfoOf(block, found->second);
}

std::shared_ptr<OpenReplica> ReplicaStore::FindOpen(BlockId block) const {
  ReaderLock lock(mu_);
  const auto found = replicas_.find(block);
  return found == replicas_.end() ? nullptr : found->second.open;
}

std::vector<ReplicaInfo> ReplicaStore::List(int volume) const {
  std::vector<ReplicaInfo> list;
  {
    ReaderLock lock(mu_);
    for (const auto& [block, entry] : replicas_) {
      if (entry.volume == volume && entry.state != ReplicaState::kTemporary) {
        list.push_back(InfoOf(block, entry));
      }
    }
  }
  std::sort(list.begin(), list.end(),
            [](const ReplicaInfo& a, const ReplicaInfo& b) { return a.block < b.block; });
  return list;
}

size_t ReplicaStore::size() const {
  ReaderLock lock(mu_);
  return replicas_.size();
}

absl::StatusOr<ReplicaStore::Claim> ReplicaStore::TakeReplica(BlockId block) {
  WriterLock lock(mu_);
  const auto found = replicas_.find(block);
  if (found == replicas_.end()) return NotFound(block);
  Entry& entry = found->second;
  if (entry.open == nullptr) entry.open = std::make_shared<OpenReplica>(entry.length);
  if (!entry.open->TakeWriter()) {
    return absl::UnavailableError(
        absl::StrCat(Name(InfoOf(block, entry)), ": another writer is at work"));
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

// ---- Reading ----

absl::StatusOr<ReplicaReader> ReplicaStore::OpenForRead(BlockId block, GenerationStamp at_least) {
  absl::Status last = absl::OkStatus();
  for (int i = 0; i < kOpenTries; ++i) {
    ReplicaReader reader;
    {
      ReaderLock lock(mu_);
      const auto found = replicas_.find(block);
      if (found == replicas_.end() || found->second.state == ReplicaState::kTemporary) {
        return NotFound(block);
      }
      reader.info = InfoOf(block, found->second);
      if (reader.info.state == ReplicaState::kBeingWritten) reader.open = found->second.open;
    }
    const ReplicaInfo info = reader.info;
    if (info.stamp < at_least) {
      return Stale(info, absl::StrCat("is older than the stamp asked for, ", ToInt(at_least)));
    }
    if (info.state == ReplicaState::kCorrupt) {
      return absl::DataLossError(absl::StrCat(Name(info), ": kept aside"));
    }
    const Volume& volume = *volumes_[static_cast<size_t>(info.volume)];
    const auto fill = [&]() -> absl::Status {
      const ReplicaPaths paths = PathsIn(volume.DirectoryOf(block, info.state), block, info.stamp);
      ASSIGN_OR_RETURN(reader.data, volume.fs().Open(paths.data, {}));
      ASSIGN_OR_RETURN(reader.meta, volume.fs().Open(paths.meta, {}));
      ASSIGN_OR_RETURN(reader.checksum, ReadMetaHeader(*reader.meta));
      if (reader.open != nullptr) return absl::OkStatus();
      ASSIGN_OR_RETURN(const uint64_t data_size, reader.data->Size());
      ASSIGN_OR_RETURN(const uint64_t meta_size, reader.meta->Size());
      const uint64_t meta_wanted = MetaFileBytes(reader.checksum, info.length);
      if (data_size != info.length || meta_size != meta_wanted) {
        return absl::DataLossError(absl::StrCat(Name(info), ": data file of ", data_size,
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
                           now->state == info.state &&
                           (reader.open != nullptr || now->length == info.length);
    if (last.ok() && unchanged) return reader;
    const std::shared_ptr<OpenReplica> busy = FindOpen(block);
    if (unchanged && (busy == nullptr || !busy->has_writer())) {
      if (absl::IsDataLoss(last) || absl::IsNotFound(last) || absl::IsUnimplemented(last)) {
        LOG_ERROR("{}: {}", Name(info), last);
        MarkCorrupt(block, info.stamp);
        return absl::DataLossError(last.message());
      }
      return last;
    }
    std::this_thread::sleep_for(std::chrono::microseconds(200));  // two renames take no longer
  }
  return absl::UnavailableError(absl::StrCat(Name(block), ": being changed: ", last.message()));
}

void ReplicaStore::MarkCorrupt(BlockId block, GenerationStamp stamp) {
  ReplicaInfo info;
  {
    WriterLock lock(mu_);
    const auto found = replicas_.find(block);
    if (found == replicas_.end() || found->second.stamp != stamp ||
        found->second.state != ReplicaState::kFinalized) {
      return;
    }
    found->second.state = ReplicaState::kCorrupt;
    info = InfoOf(block, found->second);
  }
  events_.Changed(ReplicaEvents::Kind::kCorrupt, *volumes_[static_cast<size_t>(info.volume)], info);
}

// ---- Writing ----

absl::StatusOr<int> ReplicaStore::ChooseVolume(const NewReplica& wanted) {
  const uint64_t room = std::max<uint64_t>(std::min(wanted.size_hint, kMaxSizeHint), 1);
  const auto count = static_cast<unsigned>(volumes_.size());
  const unsigned first = next_volume_.fetch_add(1, std::memory_order_relaxed);
  std::optional<int> of_type;
  std::optional<int> any;
  uint64_t most = 0;
  for (unsigned i = 0; i < count; ++i) {
    const int index = static_cast<int>((first + i) % count);
    const Volume& volume = *volumes_[static_cast<size_t>(index)];
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
  return absl::ResourceExhaustedError(absl::StrCat("no volume has room for ", Name(wanted.block),
                                                   ": it wants ", room,
                                                   " bytes, the most on any volume is ", most));
}

absl::StatusOr<std::unique_ptr<ReplicaWriter>> ReplicaStore::Create(const NewReplica& wanted) {
  if (const auto old = Find(wanted.block)) {
    if (old->stamp >= wanted.stamp) {
      return absl::AlreadyExistsError(
          absl::StrCat(Name(*old), ": exists, cannot be created with stamp ", ToInt(wanted.stamp)));
    }
    ASSIGN_OR_RETURN(const Claim claim, TakeReplica(wanted.block));
    DeleteFiles(claim.info);
    Erase(wanted.block);
    claim.open->ReleaseWriter();
    events_.Changed(ReplicaEvents::Kind::kDeleted,
                    *volumes_[static_cast<size_t>(claim.info.volume)], claim.info);
  }
  ASSIGN_OR_RETURN(const int index, ChooseVolume(wanted));
  Volume& volume = *volumes_[static_cast<size_t>(index)];
  const ReplicaState state =
      wanted.temporary ? ReplicaState::kTemporary : ReplicaState::kBeingWritten;
  auto open = std::make_shared<OpenReplica>(0);
  CHECK(open->TakeWriter());
  {
    WriterLock lock(mu_);
    const auto [entry, inserted] = replicas_.try_emplace(wanted.block);
    if (!inserted) {
      return absl::AlreadyExistsError(
          absl::StrCat(Name(InfoOf(wanted.block, entry->second)), ": was created meanwhile"));
    }
    entry->second = {.stamp = wanted.stamp,
                     .length = 0,
                     .volume = static_cast<uint16_t>(index),
                     .state = state,
                     .open = open};
    volume.AddUsed(0, 1);
  }
  std::unique_ptr<ReplicaWriter> writer(
      new ReplicaWriter(*this, volume, index, wanted.block, wanted.stamp, state, wanted.checksum,
                        open, std::min(wanted.size_hint, kMaxSizeHint)));
  // Files under these names that the map does not know were left alone at start: they are rubbish.
  for (const std::string& path : {writer->paths_.data, writer->paths_.meta, writer->paths_.tail}) {
    if (volume.fs().Exists(path)) volume.fs().Remove(path).IgnoreError();  // the open will tell
  }
  if (const absl::Status status = writer->OpenFiles(/*create=*/true); !status.ok()) {
    volume.fs().Remove(writer->paths_.data).IgnoreError();
    volume.fs().Remove(writer->paths_.meta).IgnoreError();
    Erase(wanted.block);
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

absl::StatusOr<std::unique_ptr<ReplicaWriter>> ReplicaStore::Reopen(Claim claim,
                                                                    GenerationStamp new_stamp,
                                                                    uint64_t keep_length) {
  const ReplicaInfo& old = claim.info;
  Volume& volume = *volumes_[static_cast<size_t>(old.volume)];
  FileSystem& fs = volume.fs();
  const ReplicaPaths from = PathsIn(volume.DirectoryOf(old.block, old.state), old.block, old.stamp);
  const ReplicaPaths to = PathsIn(volume.RbwDirectory(), old.block, new_stamp);
  DataChecksum checksum;
  uint64_t tail_sequence = 0;
  const auto move = [&]() -> absl::Status {
    ASSIGN_OR_RETURN(const std::unique_ptr<File> data, fs.Open(from.data, {.write = true}));
    ASSIGN_OR_RETURN(const std::unique_ptr<File> meta, fs.Open(from.meta, {.write = true}));
    ASSIGN_OR_RETURN(checksum, ReadMetaHeader(*meta));
    ASSIGN_OR_RETURN(const uint64_t size, data->Size());
    if (size < keep_length) {
      return absl::DataLossError(absl::StrCat(Name(old), ": its data file has ", size, " bytes"));
    }
    if (old.state == ReplicaState::kFinalized) {
      // The partial chunk is about to change in place: keep what it was.
      fs.Remove(to.tail).IgnoreError();  // of an earlier life
      const uint64_t chunk_start = checksum.RoundDown(keep_length);
      ASSIGN_OR_RETURN(const uint32_t crc, CrcOfRange(*data, checksum, chunk_start, keep_length));
      RETURN_IF_ERROR(
          WriteTailRecord(fs, to.tail, old.block, checksum, keep_length, crc, &tail_sequence));
    }
    if (from.meta != to.meta) RETURN_IF_ERROR(fs.Rename(from.meta, to.meta));
    CRASH_POINT("datanode_reopen_between_renames");
    if (from.data != to.data) RETURN_IF_ERROR(fs.Rename(from.data, to.data));
    RETURN_IF_ERROR(fs.SyncDirectory(volume.RbwDirectory()));
    if (ParentDirectory(from.data) != volume.RbwDirectory()) {
      RETURN_IF_ERROR(fs.SyncDirectory(ParentDirectory(from.data)));
    }
    return CutFiles(*data, *meta, checksum, keep_length);
  };
  if (const absl::Status status = move(); !status.ok()) {
    GiveBack(claim);
    return status;
  }
  claim.open->SetAcked(keep_length);
  claim.open->SetReceived(keep_length);
  Put({.block = old.block,
       .stamp = new_stamp,
       .state = ReplicaState::kBeingWritten,
       .length = keep_length,
       .volume = old.volume},
      claim.open);
  std::unique_ptr<ReplicaWriter> writer(new ReplicaWriter(*this, volume, old.volume, old.block,
                                                          new_stamp, ReplicaState::kBeingWritten,
                                                          checksum, claim.open, 0));
  RETURN_IF_ERROR(writer->OpenFiles(/*create=*/false));
  return writer;
}

absl::StatusOr<std::unique_ptr<ReplicaWriter>> ReplicaStore::OpenForAppend(
    BlockId block, GenerationStamp old_stamp, GenerationStamp new_stamp, uint64_t length,
    bool recovery) {
  ASSIGN_OR_RETURN(Claim claim, TakeReplica(block));
  const ReplicaInfo& info = claim.info;
  absl::Status refused;
  const uint64_t have =
      info.state == ReplicaState::kBeingWritten ? claim.open->received() : info.length;
  if (info.state != ReplicaState::kFinalized &&
      !(recovery && info.state == ReplicaState::kBeingWritten)) {
    refused = Stale(info, "cannot be appended to");
  } else if (info.stamp < old_stamp || info.stamp > new_stamp) {
    refused =
        Stale(info, absl::StrCat("stamp is not in ", ToInt(old_stamp), "..", ToInt(new_stamp)));
  } else if (have != length) {
    refused = Stale(info, absl::StrCat("append expects ", length, " bytes, there are ", have));
  }
  if (!refused.ok()) {
    GiveBack(claim);
    return refused;
  }
  return Reopen(std::move(claim), new_stamp, length);
}

absl::StatusOr<std::unique_ptr<ReplicaWriter>> ReplicaStore::OpenForStreamingRecovery(
    BlockId block, GenerationStamp old_stamp, GenerationStamp new_stamp, uint64_t min_acked,
    uint64_t max_received) {
  ASSIGN_OR_RETURN(Claim claim, TakeReplica(block));
  const ReplicaInfo& info = claim.info;
  const uint64_t acked = claim.open->acked();
  const uint64_t received = claim.open->received();
  absl::Status refused;
  if (info.state != ReplicaState::kBeingWritten) {
    refused = Stale(info, "is not being written");
  } else if (info.stamp < old_stamp || info.stamp > new_stamp) {
    refused =
        Stale(info, absl::StrCat("stamp is not in ", ToInt(old_stamp), "..", ToInt(new_stamp)));
  } else if (acked < min_acked || received > max_received) {
    refused = Stale(info, absl::StrCat("acknowledged ", acked, ", received ", received,
                                       "; recovery expects ", min_acked, "..", max_received));
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
  return writer->Finalize();
}

// ---- Orders ----

absl::Status ReplicaStore::Invalidate(BlockId block, GenerationStamp stamp) {
  const auto claim = TakeReplica(block);
  if (absl::IsNotFound(claim.status())) return absl::OkStatus();
  if (absl::IsUnavailable(claim.status())) {
    const std::shared_ptr<OpenReplica> open = FindOpen(block);
    const auto info = Find(block);
    if (open == nullptr || !info || info->stamp > stamp) return absl::OkStatus();
    open->StopWriter([this, block, stamp] {
      const absl::Status status = Invalidate(block, stamp);
      if (!status.ok()) LOG_WARN("invalidating {}: {}", Name(block), status);
    });
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(claim.status());
  if (claim->info.stamp > stamp) {
    GiveBack(*claim);
    return absl::OkStatus();
  }
  DeleteFiles(claim->info);
  Erase(block);
  claim->open->ReleaseWriter();
  events_.Changed(ReplicaEvents::Kind::kDeleted, *volumes_[static_cast<size_t>(claim->info.volume)],
                  claim->info);
  return absl::OkStatus();
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
    refused = Stale(info, absl::StrCat("cannot be cut to ", new_length, " bytes under stamp ",
                                       ToInt(new_stamp)));
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
  {
    WriterLock lock(mu_);
    const auto known = recovering_.find(block);
    // This recovery has finished here before, and is repeated because it did not elsewhere.
    const bool done = info.stamp == recovery_stamp && info.state == ReplicaState::kFinalized;
    const bool newer = known != recovering_.end() && known->second > recovery_stamp;
    if (newer || (info.stamp >= recovery_stamp && !done)) {
      refused = Stale(info, absl::StrCat("recovery ", ToInt(recovery_stamp), " is out of date"));
    } else if (!done) {
      recovering_[block] = recovery_stamp;
    }
  }
  GiveBack(claim);
  RETURN_IF_ERROR(refused);
  if (info.state == ReplicaState::kTemporary || info.state == ReplicaState::kCorrupt) {
    return NotFound(block);
  }
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
      refused = Stale(info, absl::StrCat("recovery ", ToInt(recovery_stamp), " is out of date"));
    } else if (known != recovering_.end()) {
      recovering_.erase(known);
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
