#include "tools/dfs/walk.h"

#include "common/status_macros.h"

namespace cairn::tools {
namespace {

using Visit = std::function<absl::Status(const PathItem&, int)>;

absl::Status WalkFrom(Shell& shell, const PathItem& item, bool recursive, int depth,
                      const Visit& visit) {
  RETURN_IF_ERROR(visit(item, depth));
  if (!recursive || !item.is_directory()) return absl::OkStatus();
  return shell.ForEachChild(item, [&](const PathItem& child) {
    absl::Status status = WalkFrom(shell, child, true, depth + 1, visit);
    if (status.ok() || IsUsage(status)) return status;
    shell.Error(status);
    return absl::OkStatus();
  });
}

}  // namespace

absl::Status Walk(Shell& shell, const PathItem& item, bool recursive, const Visit& visit) {
  return WalkFrom(shell, item, recursive, 0, visit);
}

}  // namespace cairn::tools
