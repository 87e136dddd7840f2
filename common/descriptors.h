// common/descriptors.h - how many file descriptors this process has open, and may have.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"

namespace cairn {

struct DescriptorUse {
  uint64_t limit = 0, used = 0;  // 0: not known
};

// Reads /proc/self/fd: as much work as there are open descriptors.
DescriptorUse ReadDescriptorUse();

// Of this process, now; 0: not known.
uint64_t DescriptorLimit();

// Raises the limit as far as the process may by itself. What a login or systemd sets, 1024 mostly,
// is meant for programs that use select(2).
void RaiseDescriptorLimit();

// How many of `wanted` connections, or whatever takes `each` descriptors, there may be where
// `descriptors` are left for them. The log says so if they are fewer; sixteen there always are,
// since with none at all nothing works.
int Affordable(absl::string_view what, int wanted, uint64_t descriptors, int each = 1);

}  // namespace cairn
