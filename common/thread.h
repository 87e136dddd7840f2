// common/thread.h - names for threads, as top, gdb and perf show them.
#pragma once

#include "absl/strings/string_view.h"

namespace cairn {

// Names the calling thread. Linux keeps the first 15 bytes.
void SetThreadName(absl::string_view name);

}  // namespace cairn
