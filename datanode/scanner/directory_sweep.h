// datanode/scanner/directory_sweep.h - compares what lies in a volume's finalized/ with what the
// store knows to be there.
//
//   in the store, no data file            forgotten, and reported as deleted
//   in the store, no meta file            corrupt
//   a data file, nowhere in the store     adopted as at start, and reported: the namenode decides
//   a data file, the store knows it on    left alone and logged: the next start deletes the worse
//     another volume
//
// Names only: no replica is opened. One directory is listed at a time, and `pause` is called after
// each; no lock is held meanwhile, so whatever differs is looked at again before it counts.
#pragma once

#include <cstdint>
#include <functional>

#include "datanode/volume/replica_store.h"

namespace cairn::datanode {

struct SweepResult {
  uint64_t replicas = 0;  // data files seen
  uint64_t vanished = 0;
  uint64_t adopted = 0;
  uint64_t elsewhere = 0;
  bool complete = false;
};

// Blocks. `pause` returns false to end the sweep.
SweepResult SweepDirectories(ReplicaStore& store, int volume, const std::function<bool()>& pause);

}  // namespace cairn::datanode
