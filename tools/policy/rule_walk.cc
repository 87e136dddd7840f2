#include "tools/policy/rule_walk.h"

#include <vector>

namespace cairn::tools {
namespace {

// Each call has waited for as long as it may by then: the next one would, too, for each directory
// that is left.
bool IsOutOfReach(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

}  // namespace

absl::Status WalkRule(const OpenDirectory& open, const std::string& directory,
                      const RuleVisitor& visitor) {
  struct Level {
    std::string path;
    std::unique_ptr<DirectoryReader> entries;
  };
  std::vector<Level> levels;
  levels.push_back({directory, open(directory)});
  while (!levels.empty()) {
    Level& level = levels.back();
    if (level.entries->asks_server_next() && !visitor.on_page()) return absl::OkStatus();
    const absl::StatusOr<std::optional<client::FileStatus>> entry = level.entries->Next();
    if (!entry.ok()) {
      if (levels.size() == 1 || IsOutOfReach(entry.status())) return entry.status();
      if (!absl::IsNotFound(entry.status())) visitor.on_unreadable(level.path, entry.status());
      levels.pop_back();
    } else if (!entry->has_value()) {
      levels.pop_back();
    } else if (!(*entry)->is_directory()) {
      if (!visitor.on_file(**entry)) return absl::OkStatus();
    } else if (!visitor.has_own_rule(**entry)) {
      levels.push_back({(*entry)->path, open((*entry)->path)});
    }
  }
  return absl::OkStatus();
}

}  // namespace cairn::tools
