// tools/dfs/walk.h - visiting a tree, parents first.
#pragma once

#include <functional>

#include "absl/status/status.h"
#include "tools/dfs/shell.h"

namespace cairn::tools {

// Visits `item` and, when `recursive`, all below it. Errors below are reported to the shell and do
// not stop the walk; usage errors do. `depth` is 0 for `item`.
absl::Status Walk(Shell& shell, const PathItem& item, bool recursive,
                  const std::function<absl::Status(const PathItem&, int depth)>& visit);

}  // namespace cairn::tools
