#include "datanode/volume/replica_loader.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "datanode/volume/replica_files.h"
#include "datanode/volume/tail_file.h"

namespace cairn::datanode {
namespace {

std::optional<BlockId> ParseId(absl::string_view digits) {
  int64_t id = 0;
  if (!absl::SimpleAtoi(digits, &id)) return std::nullopt;
  return BlockId{static_cast<uint64_t>(id)};
}

std::optional<BlockId> ParseTailName(absl::string_view name) {
  if (!absl::ConsumePrefix(&name, "blk_") || !absl::ConsumeSuffix(&name, ".tail")) {
    return std::nullopt;
  }
  return ParseId(name);
}

std::optional<BlockId> ParseDataName(absl::string_view name) {
  if (!absl::ConsumePrefix(&name, "blk_")) return std::nullopt;
  return ParseId(name);
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
  if (underscore == absl::string_view::npos) return std::nullopt;
  const std::optional<BlockId> id = ParseId(name.substr(0, underscore));
  uint64_t stamp = 0;
  if (!id || !absl::SimpleAtoi(name.substr(underscore + 1), &stamp)) return std::nullopt;
  return MetaName{*id, GenerationStamp{stamp}};
}

// A replica moves between rbw/ and finalized/ by two renames, meta first. Where data lie without
// their meta file, and the meta file is in the other place, the second rename is made up for.
absl::Status CompleteInterruptedMoves(Volume& volume) {
  FileSystem& fs = volume.fs();
  const auto rbw = ListReplicaFiles(fs, volume.RbwDirectory());
  RETURN_IF_ERROR(rbw.status());
  const auto move = [&](BlockId block, const std::string& from, const std::string& to) {
    const std::string name = "/" + DataFileName(block);
    const absl::Status status = fs.Rename(from + name, to + name);
    LOG_WARN("volume {}: {}: interrupted move to {} completed: {}", volume.path(), NameOf(block),
             to, status);
  };
  for (const BlockId block : rbw->data) {  // on its way to finalized/
    const std::string finalized = volume.FinalizedDirectory(block);
    if (rbw->meta.contains(block) || !fs.IsDirectory(finalized)) continue;
    const auto there = ListReplicaFiles(fs, finalized);
    if (absl::IsResourceExhausted(there.status())) return there.status();
    if (there.ok() && there->meta.contains(block) && !there->data.contains(block)) {
      move(block, volume.RbwDirectory(), finalized);
    }
  }
  for (const auto& [block, stamp] : rbw->meta) {  // on its way to rbw/
    const std::string finalized = volume.FinalizedDirectory(block);
    if (rbw->data.contains(block) || !fs.IsDirectory(finalized)) continue;
    const auto there = ListReplicaFiles(fs, finalized);
    if (absl::IsResourceExhausted(there.status())) return there.status();
    if (there.ok() && there->data.contains(block) && !there->meta.contains(block)) {
      move(block, finalized, volume.RbwDirectory());
    }
  }
  return absl::OkStatus();
}

void RemoveMeta(Volume& volume, const std::string& directory, BlockId block, GenerationStamp stamp,
                absl::string_view what) {
  const absl::Status status =
      volume.fs().Remove(absl::StrCat(directory, "/", MetaFileName(block, stamp)));
  LOG_WARN("volume {}: {}: a meta file of stamp {} {} is removed: {}", volume.path(), NameOf(block),
           ToInt(stamp), what, status);
}

absl::Status VerifyPair(FileSystem& fs, const ReplicaPaths& paths) {
  ASSIGN_OR_RETURN(const std::unique_ptr<File> data, fs.Open(paths.data, {}));
  ASSIGN_OR_RETURN(const std::unique_ptr<File> meta, fs.Open(paths.meta, {}));
  return VerifyWhole(*data, *meta);
}

// Beside the data of `block` lie several meta files. The newest that matches them is theirs, and
// the others go; if none does, all stay for whoever looks into it.
absl::Status ChooseMeta(Volume& volume, const std::string& directory, BlockId block,
                        ReplicaListing& listing) {
  std::vector<GenerationStamp> stamps = {listing.meta[block]};
  for (const auto& [of_block, stamp] : listing.older_meta) {
    if (of_block == block) stamps.push_back(stamp);
  }
  std::sort(stamps.begin(), stamps.end(), std::greater<>());
  for (const GenerationStamp candidate : stamps) {
    const absl::Status match = VerifyPair(volume.fs(), PathsIn(directory, block, candidate));
    if (absl::IsResourceExhausted(match)) return match;
    if (!match.ok()) continue;
    listing.meta[block] = candidate;
    for (const GenerationStamp stamp : stamps) {
      if (stamp != candidate) RemoveMeta(volume, directory, block, stamp, "of other data");
    }
    return absl::OkStatus();
  }
  LOG_ERROR("volume {}: {}: beside it lie {} meta files, and none matches it", volume.path(),
            NameOf(block), stamps.size());
  return absl::OkStatus();
}

// Meta files that belong to no replica: a kill came between the deletions of the two files, or
// somebody took the data. Beside a later replica of its block such a one would be in the way: of an
// interrupted move it could not be told which checksums are those of the data.
absl::Status RemoveStrayMeta(Volume& volume, const std::string& directory, ReplicaListing& listing,
                             const ReplicaListing& rbw) {
  absl::flat_hash_set<BlockId> ambiguous;
  for (const auto& [block, stamp] : listing.older_meta) {
    if (listing.data.contains(block)) {
      ambiguous.insert(block);
    } else if (!rbw.data.contains(block)) {
      RemoveMeta(volume, directory, block, stamp, "without data");
    }
  }
  for (const BlockId block : ambiguous) {
    RETURN_IF_ERROR(ChooseMeta(volume, directory, block, listing));
  }
  for (const auto& [block, stamp] : listing.meta) {
    // Data in rbw/ may be those of a move that could not be completed.
    if (listing.data.contains(block) || rbw.data.contains(block)) continue;
    RemoveMeta(volume, directory, block, stamp, "without data");
  }
  return absl::OkStatus();
}

absl::Status LoadFinalized(Volume& volume, int index, std::vector<ReplicaInfo>& found) {
  FileSystem& fs = volume.fs();
  const auto rbw = ListReplicaFiles(fs, volume.RbwDirectory());
  RETURN_IF_ERROR(rbw.status());
  const auto outer = fs.List(volume.FinalizedRoot());
  RETURN_IF_ERROR(outer.status());
  for (const std::string& x : *outer) {
    const std::string outer_path = absl::StrCat(volume.FinalizedRoot(), "/", x);
    if (!absl::StartsWith(x, "subdir") || !fs.IsDirectory(outer_path)) continue;
    const auto inner = fs.List(outer_path);
    RETURN_IF_ERROR(inner.status());
    for (const std::string& y : *inner) {
      const std::string directory = absl::StrCat(outer_path, "/", y);
      if (!absl::StartsWith(y, "subdir")) continue;
      auto listing = ListReplicaFiles(fs, directory);
      RETURN_IF_ERROR(listing.status());
      RETURN_IF_ERROR(RemoveStrayMeta(volume, directory, *listing, *rbw));
      for (const BlockId block : listing->data) {
        if (directory != volume.FinalizedDirectory(block)) {
          // Its files are looked for where they belong, so it must not be in the map: whoever
          // deleted it would delete the right ones.
          LOG_ERROR("volume {}: {} lies in {}, where it does not belong; left alone", volume.path(),
                    NameOf(block), directory);
          continue;
        }
        const auto file = fs.Open(absl::StrCat(directory, "/", DataFileName(block)), {});
        const auto size = file.ok() ? (*file)->Size() : file.status();
        volume.Note(VolumeUse::kRead, size.status()).IgnoreError();  // the replica is judged below
        if (volume.failed()) return absl::OkStatus();
        if (absl::IsResourceExhausted(size.status())) {
          // No descriptors or memory: it may be as good as any. The scanner's sweep finds it.
          LOG_ERROR("volume {}: {}: left out for now: {}", volume.path(), NameOf(block),
                    size.status());
          continue;
        }
        const auto meta = listing->meta.find(block);
        const bool usable = size.ok() && meta != listing->meta.end();
        if (!usable) {
          LOG_ERROR("volume {}: {}: no meta file, or unreadable; kept aside as corrupt",
                    volume.path(), NameOf(block));
        }
        found.push_back({.block = block,
                         .stamp = meta != listing->meta.end() ? meta->second : GenerationStamp{0},
                         .state = usable ? ReplicaState::kFinalized : ReplicaState::kCorrupt,
                         .length = size.ok() ? *size : 0,
                         .volume = index});
      }
    }
  }
  return absl::OkStatus();
}

// Data in finalized/ whose meta file is not there: a move that could not be completed.
absl::StatusOr<bool> LacksMeta(Volume& volume, BlockId block) {
  const auto there = ListReplicaFiles(volume.fs(), volume.FinalizedDirectory(block));
  if (absl::IsResourceExhausted(there.status())) return there.status();
  return there.ok() && there->data.contains(block) && !there->meta.contains(block);
}

// Data in rbw/ that have no meta file anywhere: what they are worth without checksums.
absl::StatusOr<std::optional<ReplicaInfo>> JudgeDataWithoutMeta(Volume& volume, int index,
                                                                BlockId block) {
  FileSystem& fs = volume.fs();
  const ReplicaPaths paths = PathsIn(volume.RbwDirectory(), block, GenerationStamp{0});
  const auto file = fs.Open(paths.data, {});
  const auto size = file.ok() ? (*file)->Size() : file.status();
  if (absl::IsResourceExhausted(size.status())) return size.status();
  const auto records = ReadTailRecords(fs, paths.tail, block);
  if (absl::IsResourceExhausted(records.status())) return records.status();
  if (size.ok() && !(records.ok() && records->empty())) {
    LOG_ERROR("volume {}: {} was being written and has lost its meta file; kept aside as corrupt",
              volume.path(), NameOf(block));
    return ReplicaInfo{.block = block,
                       .state = ReplicaState::kCorrupt,
                       .length = *size,
                       .volume = index,
                       .in_rbw = true};
  }
  // A power cut took the meta file before any sync, or a crash came before it was made.
  if (size.ok() && *size == 0) {
    fs.Remove(paths.data).IgnoreError();  // the next start again
  } else {
    LOG_ERROR("volume {}: {}: was being written and has no meta file; left alone", volume.path(),
              NameOf(block));
  }
  return std::nullopt;
}

absl::Status LoadRbw(Volume& volume, int index, std::vector<ReplicaInfo>& found) {
  FileSystem& fs = volume.fs();
  const auto listing = ListReplicaFiles(fs, volume.RbwDirectory());
  RETURN_IF_ERROR(listing.status());
  for (const BlockId block : listing->tails) {
    if (listing->data.contains(block)) continue;
    // Its replica was finalized, or deleted, a moment before the end.
    fs.Remove(absl::StrCat(volume.RbwDirectory(), "/", TailFileName(block))).IgnoreError();
  }
  for (const auto& [block, stamp] : listing->meta) {
    if (listing->data.contains(block)) continue;
    ASSIGN_OR_RETURN(const bool moved, LacksMeta(volume, block));
    if (moved) continue;
    // A power cut took the data file, which the first sync would have kept.
    const absl::Status status =
        fs.Remove(absl::StrCat(volume.RbwDirectory(), "/", MetaFileName(block, stamp)));
    LOG_WARN("volume {}: {}: a meta file without data in rbw/ is removed: {}", volume.path(),
             NameOf(block), status);
  }
  for (const BlockId block : listing->data) {
    if (volume.failed()) return absl::OkStatus();
    const auto meta = listing->meta.find(block);
    if (meta == listing->meta.end()) {
      ASSIGN_OR_RETURN(const auto damaged, JudgeDataWithoutMeta(volume, index, block));
      if (damaged.has_value()) found.push_back(*damaged);
      continue;
    }
    const auto recovered =
        RecoverPrefix(fs, PathsIn(volume.RbwDirectory(), block, meta->second), block);
    // Nobody comes back to it before the next start, and a recovery would go on without it.
    if (absl::IsResourceExhausted(recovered.status())) return recovered.status();
    const bool good = recovered.ok() && !recovered->damaged;
    if (good) {
      LOG_INFO("volume {}: {} stamp {} was being written: {} bytes recovered", volume.path(),
               NameOf(block), ToInt(meta->second), recovered->length);
    } else {
      volume.Note(VolumeUse::kRead, recovered.status()).IgnoreError();  // logged here
      LOG_ERROR("volume {}: {} stamp {} was being written; kept aside as corrupt: {}",
                volume.path(), NameOf(block), ToInt(meta->second),
                recovered.ok() ? "what was synced does not match its checksums"
                               : recovered.status().ToString());
    }
    found.push_back({.block = block,
                     .stamp = meta->second,
                     .state = good ? ReplicaState::kWaitingRecovery : ReplicaState::kCorrupt,
                     .length = recovered.ok() ? recovered->length : 0,
                     .volume = index,
                     .in_rbw = !good});
  }
  return absl::OkStatus();
}

absl::Status LoadAll(Volume& volume, int index, std::vector<ReplicaInfo>& found) {
  FileSystem& fs = volume.fs();
  ASSIGN_OR_RETURN(const std::vector<std::string> temporary, fs.List(volume.TmpDirectory()));
  for (const std::string& name : temporary) {
    fs.Remove(absl::StrCat(volume.TmpDirectory(), "/", name)).IgnoreError();  // next start again
  }
  RETURN_IF_ERROR(CompleteInterruptedMoves(volume));
  RETURN_IF_ERROR(LoadFinalized(volume, index, found));
  return LoadRbw(volume, index, found);
}

}  // namespace

absl::StatusOr<ReplicaListing> ListReplicaFiles(FileSystem& fs, const std::string& directory) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, fs.List(directory));
  ReplicaListing listing;
  for (const std::string& name : names) {
    if (const auto block = ParseDataName(name)) listing.data.insert(*block);
    if (const auto block = ParseTailName(name)) listing.tails.push_back(*block);
    if (const auto meta = ParseMetaName(name)) {
      const auto [newest, first] = listing.meta.try_emplace(meta->block, meta->stamp);
      if (first) continue;
      listing.older_meta.emplace_back(meta->block, std::min(newest->second, meta->stamp));
      newest->second = std::max(newest->second, meta->stamp);
    }
  }
  return listing;
}

absl::StatusOr<std::vector<ReplicaInfo>> LoadReplicas(Volume& volume, int index) {
  std::vector<ReplicaInfo> found;
  const absl::Status status = LoadAll(volume, index, found);
  if (absl::IsResourceExhausted(status)) {
    return absl::Status(status.code(), absl::StrCat("volume ", volume.path(),
                                                    " cannot be read now: ", status.message()));
  }
  if (!status.ok()) volume.MarkFailed(status);
  return found;
}

bool IsBetter(const ReplicaInfo& a, const ReplicaInfo& b) {
  if (a.stamp != b.stamp) return a.stamp > b.stamp;
  const bool a_final = a.state == ReplicaState::kFinalized;
  const bool b_final = b.state == ReplicaState::kFinalized;
  if (a_final != b_final) return a_final;
  return a.length > b.length;
}

}  // namespace cairn::datanode
