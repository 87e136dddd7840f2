// common/mount_status.h - what a mount tells of itself to whoever can open its root: the ioctl that
// cairn-fuse answers on any directory of a mount, and `cairn mount status` asks.
//
// The answer is JSON, whose members docs/operations.md describes. It fits one call: what the kernel
// carries for a FUSE server is at most 16383 bytes.
#pragma once

#include <sys/ioctl.h>

#include <cstdint>

namespace cairn {

struct MountStatusText {
  uint32_t bytes;  // of the text that are used
  char text[16368];
};

inline constexpr unsigned int kMountStatusIoctl = _IOR('C', 0x66, MountStatusText);

}  // namespace cairn
