// -getfacl and -setfacl.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "tools/dfs/acl_spec.h"
#include "tools/dfs/commands.h"
#include "tools/dfs/walk.h"

namespace cairn::tools {
namespace {

using client::AclEntry;

constexpr uint16_t kSticky = 01000;

// "\t#effective:r--" for an entry of which the mask takes something.
std::string Effective(const AclEntry& entry, uint8_t mask) {
  const bool masked = !entry.name.empty() || entry.type == AclEntry::Type::kGroup;
  AclEntry cut = entry;
  cut.permissions &= mask;
  if (!masked || cut.permissions == entry.permissions) return "";
  const std::string text = AclEntryText(cut);
  return absl::StrCat("\t#effective:", text.substr(text.size() - 3));
}

uint8_t MaskOf(const std::vector<AclEntry>& entries, bool is_default) {
  for (const AclEntry& e : entries) {
    if (e.type == AclEntry::Type::kMask && e.is_default == is_default) return e.permissions;
  }
  return 7;
}

absl::Status PrintAcl(Shell& shell, const PathItem& item) {
  const client::FileStatus& status = *item.status;
  client::AclStatus acl{
      .owner = status.owner, .group = status.group, .sticky = (status.mode & kSticky) != 0};
  // The mode tells all of the others; a server without lists need not be asked.
  if (status.has_acl) {
    ASSIGN_OR_RETURN(client::FileSystem* const cluster, Cluster(item));
    ASSIGN_OR_RETURN(acl, cluster->GetAcl(item.path));
  }
  const uint16_t mode = acl.mode.value_or(status.mode);
  std::ostream& out = shell.out();
  out << "# file: " << item.text << "\n# owner: " << acl.owner << "\n# group: " << acl.group
      << "\n";
  if (acl.sticky) out << "# flags: --" << ((mode & 1) != 0 ? "t" : "T") << "\n";
  const std::vector<AclEntry> entries = WholeAcl(acl.entries, mode);
  for (const AclEntry& e : entries) {
    out << AclEntryText(e) << Effective(e, MaskOf(entries, e.is_default)) << "\n";
  }
  out << "\n";
  return absl::OkStatus();
}

absl::StatusOr<std::vector<AclEntry>> TakeSpec(Shell& shell, bool with_permissions) {
  if (shell.args().size() < 2) return UsageStatus("Missing either <acl_spec> or <path>");
  auto entries = ParseAclSpec(shell.args()[0], with_permissions);
  if (!entries.ok()) return UsageStatus(entries.status().message());
  shell.args().erase(shell.args().begin());
  return entries;
}

}  // namespace

absl::Status RunGetfacl(Shell& shell) {
  RETURN_IF_ERROR(shell.TakeOptions({"R"}, {}, 0, 1));
  if (shell.args().empty()) return UsageStatus("<path> is missing");
  return shell.ForEach(shell.args(), [&](PathItem& item) {
    return Walk(shell, item, shell.Has("R"),
                [&](const PathItem& found, int) { return PrintAcl(shell, found); });
  });
}

absl::Status RunSetfacl(Shell& shell) {
  RETURN_IF_ERROR(shell.TakeOptions({"b", "k", "R", "m", "x", "-set"}, {}, 0, 2));
  if (shell.args().empty()) return UsageStatus("<path> is missing");
  const int chosen =
      shell.Has("b") + shell.Has("k") + shell.Has("m") + shell.Has("x") + shell.Has("-set");
  if (chosen > 1) return UsageStatus("Specified flags contains both remove and modify flags");
  if (chosen == 0) return UsageStatus("Specify one of -b, -k, -m, -x, --set");
  std::vector<AclEntry> entries;
  if (!shell.Has("b") && !shell.Has("k")) {
    ASSIGN_OR_RETURN(entries, TakeSpec(shell, /*with_permissions=*/!shell.Has("x")));
  }
  if (shell.args().size() != 1) return UsageStatus("Too many arguments");
  // Only directories hand entries down.
  std::vector<AclEntry> of_file = entries;
  std::erase_if(of_file, [](const AclEntry& e) { return e.is_default; });
  return shell.ForEach(shell.args(), [&](PathItem& top) {
    return Walk(shell, top, shell.Has("R"), [&](const PathItem& item, int depth) -> absl::Status {
      ASSIGN_OR_RETURN(client::FileSystem* const cluster, Cluster(item));
      if (shell.Has("b")) return cluster->RemoveAcl(item.path);
      if (shell.Has("k")) return cluster->RemoveDefaultAcl(item.path);
      const bool all = item.is_directory() || depth == 0;
      const std::vector<AclEntry>& spec = all ? entries : of_file;
      if (spec.empty()) return absl::OkStatus();
      if (shell.Has("m")) return cluster->ModifyAcl(item.path, spec);
      if (shell.Has("x")) return cluster->RemoveAclEntries(item.path, spec);
      return cluster->SetAcl(item.path, spec);
    });
  });
}

}  // namespace cairn::tools
