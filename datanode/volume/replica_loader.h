// datanode/volume/replica_loader.h - what one volume's disk holds when the datanode starts.
//
// Blocking; called once per volume before anybody else touches its files, each volume perhaps on a
// thread of its own. docs/formats/replica.md, "Recovery at start".
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "datanode/volume/replica.h"
#include "datanode/volume/volume.h"

namespace cairn::datanode {

// Deletes temporary copies, completes interrupted moves between rbw/ and finalized/, cuts what was
// being written to its longest prefix whose checksums match, and returns all replicas in no order:
// finalized, waiting for recovery or corrupt. Left alone, and none of them, are data in a wrong
// subdir, and data in rbw/ that were never synced and have no meta file: those give way when a
// replica of the block is created on this volume. `index` is the volume's, for ReplicaInfo. A
// directory that cannot be read marks the volume as failed; what was found before that is returned,
// as soon as the volume has failed, whoever finds that. kResourceExhausted: descriptors or memory
// were short, so that a replica that was being written, or all in a directory, could not be looked
// at; nothing is known to be wrong with them, and the same call may succeed later.
absl::StatusOr<std::vector<ReplicaInfo>> LoadReplicas(Volume& volume, int index);

// One directory's files, by their names alone.
struct ReplicaListing {
  absl::flat_hash_set<BlockId> data;
  absl::flat_hash_map<BlockId, GenerationStamp> meta;  // the newest of each
  std::vector<std::pair<BlockId, GenerationStamp>> older_meta;
  std::vector<BlockId> tails;
};
absl::StatusOr<ReplicaListing> ListReplicaFiles(FileSystem& fs, const std::string& directory);

// Of two replicas of one block, whether `a` is the one to keep: the newer stamp, then a finalized
// one, then the longer.
bool IsBetter(const ReplicaInfo& a, const ReplicaInfo& b);

}  // namespace cairn::datanode
