// -chmod, -chown, -chgrp.
#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/mode.h"
#include "common/status_macros.h"
#include "tools/dfs/commands.h"
#include "tools/dfs/walk.h"

namespace cairn::tools {
namespace {

// What HDFS lets a user or group name be.
bool IsName(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(c) || absl::string_view("-_./@").find(c) != absl::string_view::npos;
  });
}

absl::Status Explain(const absl::Status& status, absl::string_view what, const PathItem& item) {
  if (status.ok()) return status;
  return absl::Status(status.code(),
                      absl::StrCat("changing ", what, " of '", item.text, "': ", status.message()));
}

absl::Status ForTree(Shell& shell, const std::function<absl::Status(const PathItem&, int)>& visit) {
  const std::vector<std::string> paths(shell.args().begin() + 1, shell.args().end());
  return shell.ForEach(paths,
                       [&](PathItem& item) { return Walk(shell, item, shell.Has("R"), visit); });
}

absl::Status ChangeOwner(Shell& shell, const std::string& owner, const std::string& group) {
  return ForTree(shell, [&](const PathItem& item, int) {
    const client::FileStatus& s = *item.status;
    const std::string new_owner = owner == s.owner ? "" : owner;
    const std::string new_group = group == s.group ? "" : group;
    if (new_owner.empty() && new_group.empty()) return absl::OkStatus();
    return Explain(item.volume->SetOwner(item.path, new_owner, new_group), "ownership", item);
  });
}

}  // namespace

absl::Status RunChmod(Shell& shell) {
  // "-w" and its like are modes here, not options.
  const bool recursive = !shell.args().empty() && shell.args()[0] == "-R";
  std::vector<std::string> kept;
  if (recursive) kept.push_back("-R");
  if (shell.args().size() > (recursive ? 1u : 0u) && shell.args()[recursive ? 1 : 0][0] == '-') {
    kept.push_back("--");
  }
  kept.insert(kept.end(), shell.args().begin() + (recursive ? 1 : 0), shell.args().end());
  shell.args() = kept;
  RETURN_IF_ERROR(shell.TakeOptions({"R"}, {}, 2, SIZE_MAX));
  const absl::StatusOr<client::ModeChange> change = client::ModeChange::Parse(shell.args()[0]);
  if (!change.ok()) return UsageStatus(change.status().message());
  return ForTree(shell, [&](const PathItem& item, int) {
    const uint16_t mode = change->Apply(item.status->mode, item.is_directory());
    if (mode == item.status->mode) return absl::OkStatus();
    return Explain(item.volume->SetMode(item.path, mode), "permissions", item);
  });
}

absl::Status RunChown(Shell& shell) {
  RETURN_IF_ERROR(shell.TakeOptions({"R"}, {}, 2, SIZE_MAX));
  const std::string& text = shell.args()[0];
  const size_t colon = text.find(':');
  const std::string owner = text.substr(0, colon);
  const std::string group = colon == std::string::npos ? "" : text.substr(colon + 1);
  if (text.empty() || !IsName(owner) || !IsName(group)) {
    return UsageStatus(
        absl::StrCat("'", text, "' does not match expected pattern for ", "[owner][:group]."));
  }
  if (owner.empty() && group.empty()) {
    return UsageStatus(absl::StrCat("'", text, "' does not specify owner or group."));
  }
  return ChangeOwner(shell, owner, group);
}

absl::Status RunChgrp(Shell& shell) {
  RETURN_IF_ERROR(shell.TakeOptions({"R"}, {}, 2, SIZE_MAX));
  const std::string& group = shell.args()[0];
  if (group.empty() || !IsName(group)) {
    return UsageStatus(absl::StrCat("'", group, "' does not match expected pattern for group"));
  }
  return ChangeOwner(shell, "", group);
}

}  // namespace cairn::tools
