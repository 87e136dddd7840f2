// fuse/status_text.h - what a mount says of itself (common/mount_status.h), as JSON.
#pragma once

#include <optional>
#include <string>

#include "absl/time/time.h"
#include "fuse/mount.h"

namespace cairn::fuse {

struct MountStatus {
  std::string source;
  absl::Duration age;
  OpenFiles::Counts files;
  uint64_t rpc_retries = 0;
  struct Stage {
    std::string directory;
    uint64_t used = 0;
    uint64_t max = 0;
  };
  std::optional<Stage> stage;
};

MountStatus StatusOf(Mount& mount);

// At most sizeof(MountStatusText::text) bytes: names are cut, and what is long is left out if need
// be.
std::string StatusText(const MountStatus& status, const Statistics& statistics);

}  // namespace cairn::fuse
