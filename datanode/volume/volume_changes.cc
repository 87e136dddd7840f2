#include "datanode/volume/volume_changes.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace cairn::datanode {

absl::StatusOr<VolumeChanges> PlanVolumeChanges(const std::vector<VolumeInUse>& now,
                                                const std::vector<VolumeSpec>& wanted) {
  VolumeChanges changes;
  if (wanted.empty()) return absl::InvalidArgumentError("no directory would be left");
  for (const VolumeInUse& volume : now) {
    const auto found = std::find_if(wanted.begin(), wanted.end(), [&](const VolumeSpec& spec) {
      return spec.path == volume.spec.path;
    });
    if (found == wanted.end() || volume.failed) {
      changes.remove.push_back(volume.index);
    } else if (found->type != volume.spec.type) {
      return absl::InvalidArgumentError(
          absl::StrCat(volume.spec.path, ": Changing storage type is not allowed."));
    }
  }
  for (const VolumeSpec& spec : wanted) {
    const bool stays = std::any_of(now.begin(), now.end(), [&](const VolumeInUse& volume) {
      return volume.spec.path == spec.path && !volume.failed;
    });
    const bool twice =
        std::any_of(changes.add.begin(), changes.add.end(),
                    [&](const VolumeSpec& other) { return other.path == spec.path; });
    if (!stays && !twice) changes.add.push_back(spec);
  }
  return changes;
}

}  // namespace cairn::datanode
