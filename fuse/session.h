// fuse/session.h - the kernel's side of a mount: its beginning, its threads, its end.
#pragma once

#include <functional>

#include "absl/status/status.h"
#include "fuse/mount.h"
#include "fuse/options.h"

namespace cairn::fuse {

// Keeps SIGTERM, SIGINT and SIGHUP from every thread made after it, so that RunSession's gets them.
void HoldEndingSignals();

// Mounts, calls `ready`, and serves until the mount is taken away or one of these signals comes.
// Then what was being written is completed. A mount that an earlier cairn-fuse left behind when it
// was killed is taken away first. kUnavailable: no /dev/fuse. kFailedPrecondition: not mounted;
// libfuse has said why on stderr.
absl::Status RunSession(const CommandLine& line, Mount& mount, const std::function<void()>& ready);

}  // namespace cairn::fuse
