// common/descriptors.h - how many file descriptors this process has open, and may have.
#pragma once

#include <cstdint>

namespace cairn {

struct DescriptorUse {
  uint64_t limit = 0, used = 0;  // 0: not known
};

// Reads /proc/self/fd: as much work as there are open descriptors.
DescriptorUse ReadDescriptorUse();

}  // namespace cairn
