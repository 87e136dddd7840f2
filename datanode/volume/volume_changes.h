// datanode/volume/volume_changes.h - what a new dfs.datanode.data.dir asks of a running datanode.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "datanode/volume/volume.h"

namespace cairn::datanode {

struct VolumeInUse {
  int index = 0;
  VolumeSpec spec;
  bool failed = false;
};

struct VolumeChanges {
  std::vector<int> remove;  // indexes
  std::vector<VolumeSpec> add;
  bool empty() const { return remove.empty() && add.empty(); }
};

// A failed volume whose directory is wanted still is replaced by what is there now: a new disk at
// the old place. kInvalidArgument: nothing would be left, or a directory changes its type.
absl::StatusOr<VolumeChanges> PlanVolumeChanges(const std::vector<VolumeInUse>& now,
                                                const std::vector<VolumeSpec>& wanted);

}  // namespace cairn::datanode
