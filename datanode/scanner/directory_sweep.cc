#include "datanode/scanner/directory_sweep.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "common/logging.h"
#include "datanode/volume/replica_loader.h"

namespace cairn::datanode {
namespace {

// Block ids by the directory that each should lie in.
using ByDirectory = absl::flat_hash_map<std::string, std::vector<BlockId>>;

ByDirectory KnownReplicas(const ReplicaStore& store, int index) {
  ByDirectory known;
  const Volume& volume = *store.volumes()[static_cast<size_t>(index)];
  for (const ReplicaInfo& replica : store.List(index)) {
    if (replica.state != ReplicaState::kFinalized) continue;
    known[volume.FinalizedDirectory(replica.block)].push_back(replica.block);
  }
  return known;
}

class Sweep {
 public:
  Sweep(ReplicaStore& store, int index)
      : store_(store), index_(index), volume_(*store.volumes()[static_cast<size_t>(index)]) {}

  // False: the volume has failed.
  bool Directory(const std::string& directory, const std::vector<BlockId>& known) {
    const auto listing = ListReplicaFiles(volume_.fs(), directory);
    if (!listing.ok() && !absl::IsNotFound(listing.status())) {
      LOG_WARN("{}", volume_.Note(VolumeUse::kRead, listing.status()));
      return !volume_.failed();
    }
    static const ReplicaListing* const nothing = new ReplicaListing;
    const ReplicaListing& there = listing.ok() ? *listing : *nothing;
    result_.replicas += there.data.size();
    for (const BlockId block : known) {
      if (!there.data.contains(block) || !there.meta.contains(block)) Missing(block);
      if (volume_.failed()) return false;
    }
    for (const BlockId block : there.data) {
      const auto info = store_.Find(block);
      if (info.has_value() && info->volume == index_) continue;
      const auto meta = there.meta.find(block);
      if (meta != there.meta.end()) Unknown(directory, block, meta->second);
    }
    return true;
  }

  SweepResult& result() { return result_; }

 private:
  void Missing(BlockId block) {
    const auto info = store_.Find(block);
    // Moved or deleted since the list was made.
    if (!info || info->volume != index_ || info->state != ReplicaState::kFinalized) return;
    const ReplicaPaths paths = PathsIn(volume_.FinalizedDirectory(block), block, info->stamp);
    if (volume_.fs().Exists(paths.data)) {
      // With a meta file missing, opening it tells, and marks it.
      store_.OpenForRead(block, info->stamp).status().IgnoreError();
      return;
    }
    if (!volume_.CheckPresence().ok()) return;
    if (store_.ForgetVanished(*info)) ++result_.vanished;
  }

  void Unknown(const std::string& directory, BlockId block, GenerationStamp stamp) {
    const ReplicaPaths paths = PathsIn(directory, block, stamp);
    const auto file = volume_.fs().Open(paths.data, {});
    const auto size = file.ok() ? (*file)->Size() : file.status();
    if (!size.ok()) return;  // deleted meanwhile; or the next start will say what it is
    const auto info = store_.Find(block);
    if (info.has_value()) {
      if (info->volume == index_) return;
      LOG_WARN("volume {}: {} lies here as well as on volume {}, which is the one in use",
               volume_.path(), NameOf(block),
               store_.volumes()[static_cast<size_t>(info->volume)]->path());
      ++result_.elsewhere;
      return;
    }
    if (directory != volume_.FinalizedDirectory(block)) return;  // misplaced: left alone
    const ReplicaInfo found{.block = block,
                            .stamp = stamp,
                            .state = ReplicaState::kFinalized,
                            .length = *size,
                            .volume = index_};
    if (store_.AdoptFound(found)) ++result_.adopted;
  }

  ReplicaStore& store_;
  const int index_;
  Volume& volume_;
  SweepResult result_;
};

}  // namespace

SweepResult SweepDirectories(ReplicaStore& store, int volume, const std::function<bool()>& pause) {
  Sweep sweep(store, volume);
  const ByDirectory known = KnownReplicas(store, volume);
  const std::vector<BlockId> none;
  for (const std::string& directory :
       store.volumes()[static_cast<size_t>(volume)]->AllFinalizedDirectories()) {
    const auto replicas = known.find(directory);
    if (!sweep.Directory(directory, replicas == known.end() ? none : replicas->second)) {
      return sweep.result();
    }
    if (!pause()) return sweep.result();
  }
  sweep.result().complete = true;
  return sweep.result();
}

}  // namespace cairn::datanode
