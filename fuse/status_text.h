// fuse/status_text.h - what a mount says of itself (common/mount_status.h), as JSON.
#pragma once

#include <string>

#include "fuse/mount.h"

namespace cairn::fuse {

// At most sizeof(MountStatusText::text) bytes.
std::string StatusText(Mount& mount);

}  // namespace cairn::fuse
