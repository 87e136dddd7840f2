// common/random_bytes.h - bytes that no other process draws.
//
// Abseil's generators take their seeds from a pool that a forked child has from its parent: two
// children draw the same. What tells one process from another is drawn here.
#pragma once

#include <cstddef>
#include <span>

namespace cairn {

// Fills `out` from the kernel's generator. Thread-safe.
void FillRandom(std::span<std::byte> out);

}  // namespace cairn
