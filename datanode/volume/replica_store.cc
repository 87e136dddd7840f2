#include "datanode/volume/replica_store.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/crash_point.h"
#include "common/fs_error.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "datanode/volume/replica_loader.h"
#include "datanode/volume/tail_file.h"
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

}  // namespace

ReplicaStore::ReplicaStore(std::vector<std::unique_ptr<Volume>> volumes, StoreOptions options,
                           ReplicaEvents& events)
    : options_(options), events_(events), slots_(new std::atomic<Volume*>[kMaxVolumes]) {
  CHECK(!volumes.empty() && volumes.size() <= kMaxVolumes);
  WriterLock lock(mu_);
  owned_ = std::move(volumes);
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

absl::Status ReplicaStore::Load() {
  const std::vector<Volume*> all = volumes();
  std::vector<std::vector<ReplicaInfo>> found(all.size());
  std::vector<std::thread> threads;
  if (all.size() == 1) found[0] = LoadReplicas(*all[0], 0);
  for (size_t i = 0; all.size() > 1 && i < all.size(); ++i) {
    threads.emplace_back(
        [&all, &found, i] { found[i] = LoadReplicas(*all[i], static_cast<int>(i)); });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i]->failed()) continue;  // nothing of another volume may give way to it
    for (const ReplicaInfo& replica : found[i]) Adopt(replica);
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
             Name(keep_found ? found : *other), DirectoryOf(keep_found ? found : *other),
             Name(worse), DirectoryOf(worse), same_files ? "left alone" : "deleted");
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
  std::vector<BlockId> blocks;
  {
    ReaderLock lock(mu_);
    for (const auto& [block, entry] : replicas_) {
      if (entry.volume == volume) blocks.push_back(block);
    }
  }
  std::sort(blocks.begin(), blocks.end());  // the same order each time, for simulations
  for (const BlockId block : blocks) DropReplica(block, volume);
  if (!blocks.empty()) {
    LOG_WARN("volume {}: {} replicas are gone with it", VolumeAt(volume).path(), blocks.size());
  }
}

void ReplicaStore::DropReplica(BlockId block, int volume) {
  std::shared_ptr<OpenReplica> open;
  {
    WriterLock lock(mu_);
    const auto found = replicas_.find(block);
    if (found == replicas_.end() || found->second.volume != volume) return;
    open = found->second.open;
    if (open == nullptr || !open->has_writer()) return EraseEntry(block);
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
        VolumeAt(index).AddUsed(static_cast<int64_t>(replica.length), 1);
        continue;
      }
    }
    const auto ours = Find(replica.block);
    if (ours.has_value() && ours->volume != index && !IsBetter(replica, *ours)) {
      LOG_WARN("volume {}: {} is deleted, {} is on volume {}", VolumeAt(index).path(),
               Name(replica), Name(*ours), VolumeAt(ours->volume).path());
      DeleteFiles(replica);
    } else {
      LOG_WARN("volume {}: {} is left alone until the next start: there is another one",
               VolumeAt(index).path(), Name(replica));
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
  return static_cast<size_t>(
      std::count_if(replicas_.begin(), replicas_.end(),
                    [volume](const auto& entry) { return entry.second.volume == volume; }));
}

absl::Status ReplicaStore::RemoveVolume(int index, absl::Duration limit) {
  Volume& volume = VolumeAt(index);
  volume.Retire();
  const absl::Duration give_up = SystemClock().Monotonic() + limit;
  while (CountOn(index) > 0 && SystemClock().Monotonic() < give_up) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
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
  Entry& entry = replicas_[info.block];
  const bool is_new = entry.stamp == GenerationStamp{0} && entry.length == 0 && !entry.open;
  if (!is_new) {
    VolumeAt(entry.volume).AddUsed(-settled_bytes(entry.state, entry.length), -1);
  }
  entry = {.stamp = info.stamp,
           .length = info.length,
           .volume = static_cast<uint16_t>(info.volume),
           .state = info.state,
           .in_rbw = info.in_rbw,
           .open = std::move(open)};
  VolumeAt(entry.volume).AddUsed(settled_bytes(entry.state, entry.length), 1);
  const auto recovery = recovering_.find(info.block);
  if (recovery != recovering_.end() && recovery->second <= info.stamp) recovering_.erase(recovery);
}

void ReplicaStore::Erase(BlockId block) {
  WriterLock lock(mu_);
  EraseEntry(block);
}

void ReplicaStore::EraseEntry(BlockId block) {
  const auto found = replicas_.find(block);
  if (found == replicas_.end()) return;
  const Entry& entry = found->second;
  const bool open =
      entry.state == ReplicaState::kBeingWritten || entry.state == ReplicaState::kTemporary;
  VolumeAt(entry.volume).AddUsed(open ? 0 : -static_cast<int64_t>(entry.length), -1);
  replicas_.erase(found);
  recovering_.erase(block);
}

std::optional<ReplicaInfo> ReplicaStore::Find(BlockId block) const {
  ReaderLock lock(mu_);
  const auto found = replicas_.find(block);
  if (found == replicas_.end() || found->second.deleting) return std::nullopt;
  return InfoOf(block, found->second);
}

std::shared_ptr<OpenReplica> ReplicaStore::FindOpen(BlockId block) const {
  ReaderLock lock(mu_);
  const auto found = replicas_.find(block);
  return found == replicas_.end() ? nullptr : found->second.open;
}

std::vector<ReplicaInfo> ReplicaStore::List(int volume) const {
  const BlockRange all{BlockId{0}, BlockId{std::numeric_limits<uint64_t>::max()}};
  return List(volume, std::span(&all, 1));
}

std::vector<ReplicaInfo> ReplicaStore::List(int volume, std::span<const BlockRange> ranges) const {
  const auto listed = [ranges](BlockId block) {
    const auto after =
        std::upper_bound(ranges.begin(), ranges.end(), block,
                         [](BlockId id, const BlockRange& range) { return id < range.first; });
    return after != ranges.begin() && block <= std::prev(after)->last;
  };
  std::vector<ReplicaInfo> list;
  if (VolumeAt(volume).failed()) return list;
  {
    ReaderLock lock(mu_);
    for (const auto& [block, entry] : replicas_) {
      if (entry.volume == volume && IsTold(entry) && listed(block)) {
        list.push_back(InfoOf(block, entry));
      }
    }
  }
  std::sort(list.begin(), list.end(),
            [](const ReplicaInfo& a, const ReplicaInfo& b) { return a.block < b.block; });
  return list;
}

std::vector<BlockId> ReplicaStore::CorruptReplicas(int volume, size_t limit) const {
  std::vector<BlockId> blocks;
  ReaderLock lock(mu_);
  for (const auto& [block, entry] : replicas_) {
    if (entry.volume != volume || entry.state != ReplicaState::kCorrupt || !IsTold(entry)) continue;
    blocks.push_back(block);
    if (blocks.size() == limit) break;
  }
  return blocks;
}

ReplicaStore::Slice ReplicaStore::ListAfter(int volume, BlockId after, size_t limit) const {
  Slice slice;
  std::vector<ReplicaInfo>& least = slice.replicas;  // a heap, the greatest id on top
  const auto by_id = [](const ReplicaInfo& a, const ReplicaInfo& b) { return a.block < b.block; };
  {
    ReaderLock lock(mu_);
    for (const auto& [block, entry] : replicas_) {
      const bool finalized = entry.state == ReplicaState::kFinalized && IsTold(entry);
      if (entry.volume != volume || !finalized || block <= after) continue;
      slice.bytes += entry.length;
      if (least.size() == limit) {
        if (block >= least.front().block) continue;
        std::pop_heap(least.begin(), least.end(), by_id);
        least.pop_back();
      }
      least.push_back(InfoOf(block, entry));
      std::push_heap(least.begin(), least.end(), by_id);
    }
  }
  std::sort_heap(least.begin(), least.end(), by_id);
  return slice;
}

ReplicaStore::Summary ReplicaStore::Summarize(int volume, uint32_t shift) const {
  Summary summary;
  absl::flat_hash_map<uint64_t, ReplicaDigest> buckets;
  {
    ReaderLock lock(mu_);
    for (const auto& [block, entry] : replicas_) {
      if (entry.volume != volume || !IsTold(entry)) continue;
      if (entry.state == ReplicaState::kFinalized) {
        buckets[DigestBucket(block, shift)] += ReplicaDigest::Of(block, entry.stamp, entry.length);
      } else {
        summary.others.push_back(InfoOf(block, entry));
      }
    }
  }
  summary.buckets.assign(buckets.begin(), buckets.end());
  std::sort(summary.buckets.begin(), summary.buckets.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  return summary;
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

absl::Status ReplicaStore::CheckNoNewerRecovery(const ReplicaInfo& claimed,
                                                GenerationStamp stamp) const {
  ReaderLock lock(mu_);
  const auto known = recovering_.find(claimed.block);
  if (known == recovering_.end() || known->second <= stamp) return absl::OkStatus();
  return Stale(claimed, absl::StrCat("stamp ", ToInt(stamp), " is older than recovery ",
                                     ToInt(known->second), ", which has begun"));
}

// ---- Reading ----

absl::StatusOr<ReplicaReader> ReplicaStore::OpenForRead(BlockId block, GenerationStamp at_least,
                                                        ReadMode mode) {
  absl::Status last = absl::OkStatus();
  bool failed_before = false;
  for (int i = 0; i < kOpenTries; ++i) {
    ReplicaReader reader;
    {
      ReaderLock lock(mu_);
      const auto found = replicas_.find(block);
      if (found == replicas_.end() || !IsTold(found->second)) return NotFound(block);
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
    Volume& volume = VolumeAt(info.volume);
    if (volume.failed()) return NotFound(block);
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
                           now->state == info.state && now->volume == info.volume &&
                           (reader.open != nullptr || now->length == info.length);
    if (last.ok() && unchanged) return reader;
    const std::shared_ptr<OpenReplica> busy = FindOpen(block);
    // Once more before it is condemned: it may have been changed, and changed back.
    if (unchanged && (busy == nullptr || !busy->has_writer()) &&
        std::exchange(failed_before, true)) {
      ReadFailed(info, last);
      if (volume.failed()) return NotFound(block);
      return absl::IsResourceExhausted(last) ? last : absl::DataLossError(last.message());
    }
    std::this_thread::sleep_for(std::chrono::microseconds(200));  // two renames take no longer
  }
  return absl::UnavailableError(absl::StrCat(Name(block), ": being changed: ", last.message()));
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
  LOG_ERROR("volume {}: {}: {}", volume.path(), Name(replica), volume.Note(VolumeUse::kRead, why));
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
    found->second.state = ReplicaState::kCorrupt;
    info = InfoOf(block, found->second);
  }
  events_.Changed(ReplicaEvents::Kind::kCorrupt, VolumeAt(info.volume), info);
}

bool ReplicaStore::AdoptFound(const ReplicaInfo& found) {
  const Volume& volume = VolumeAt(found.volume);
  {
    WriterLock lock(mu_);
    if (volume.failed()) return false;
    const auto [entry, inserted] = replicas_.try_emplace(found.block);
    if (!inserted) return false;
    entry->second = {.stamp = found.stamp,
                     .length = found.length,
                     .volume = static_cast<uint16_t>(found.volume),
                     .state = ReplicaState::kFinalized};
    VolumeAt(entry->second.volume).AddUsed(static_cast<int64_t>(found.length), 1);
  }
  LOG_WARN("volume {}: {} was found there; nobody had said so", volume.path(), Name(found));
  events_.Changed(ReplicaEvents::Kind::kFinalized, volume, found);
  return true;
}

bool ReplicaStore::ForgetVanished(const ReplicaInfo& gone) {
  const Volume& volume = VolumeAt(gone.volume);
  {
    WriterLock lock(mu_);
    const auto found = replicas_.find(gone.block);
    if (found == replicas_.end() || InfoOf(gone.block, found->second) != gone) return false;
    if (found->second.open != nullptr && found->second.open->has_writer()) return false;
    EraseEntry(gone.block);
  }
  LOG_ERROR("volume {}: the files of {} are gone", volume.path(), Name(gone));
  events_.Changed(ReplicaEvents::Kind::kDeleted, volume, gone);
  return true;
}

// ---- Writing ----

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
    absl::Status refused = CheckNoNewerRecovery(claim.info, wanted.stamp);
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
  absl::Status status =
      volume.Note(VolumeUse::kWrite, RemoveStrays(volume, wanted.block, writer->paths_));
  if (status.ok()) status = writer->OpenFiles(/*create=*/true);
  // Whoever dropped the replicas of a volume that failed just now may have come before this one.
  if (status.ok()) status = volume.CheckUsable();
  if (!status.ok()) {
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
    LOG_ERROR("{}: cannot be cut or written on: {}", Name(old), files.status());
    if (!absl::IsAborted(files.status())) ReadFailed(old, files.status());
    return absl::Status(files.status().code(),
                        absl::StrCat(Name(old), ": ", files.status().message()));
  }
  const DataChecksum& checksum = files->checksum;
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
  LOG_ERROR("{}: reopening failed half-way; now {}", Name(claim.info), Name(left));
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
    refused = Stale(info, "cannot be appended to");
  } else if (info.stamp < old_stamp || info.stamp > new_stamp) {
    refused =
        Stale(info, absl::StrCat("stamp is not in ", ToInt(old_stamp), "..", ToInt(new_stamp)));
  } else if (have != length) {
    refused = Stale(info, absl::StrCat("append expects ", length, " bytes, there are ", have));
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
    refused = Stale(info, "is not being written");
  } else if (info.stamp < old_stamp || info.stamp > new_stamp) {
    refused =
        Stale(info, absl::StrCat("stamp is not in ", ToInt(old_stamp), "..", ToInt(new_stamp)));
  } else if (acked < min_acked) {
    refused = Stale(info, absl::StrCat("acknowledged ", acked, ", recovery expects ", min_acked));
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

// ---- Orders ----

// Whoever orders something of it believes that it is here, and waits to hear that it is not.
void ReplicaStore::TellAbsent(BlockId block, GenerationStamp stamp) {
  for (const Volume* const volume : volumes()) {
    if (volume->failed()) continue;
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
      if (!status.ok()) LOG_WARN("invalidating {}: {}", Name(block), status);
    });
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(claim.status());
  if (claim->info.stamp > stamp || !BeginDeletion(block, still_valid)) {
    GiveBack(*claim);
    return absl::OkStatus();
  }
  DeleteFiles(claim->info);
  Erase(block);
  claim->open->ReleaseWriter();
  events_.Changed(ReplicaEvents::Kind::kDeleted, VolumeAt(claim->info.volume), claim->info);
  return absl::OkStatus();
}

bool ReplicaStore::BeginDeletion(BlockId claimed, const std::function<bool()>& still_valid) {
  WriterLock lock(mu_);
  const auto found = replicas_.find(claimed);
  if (found == replicas_.end() || !still_valid()) return false;
  found->second.deleting = true;
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
    refused = Stale(info, absl::StrCat("cannot be cut to ", new_length, " bytes under stamp ",
                                       ToInt(new_stamp)));
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
