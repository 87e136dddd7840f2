// -getfattr and -setfattr.
#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "common/fs_error.h"
#include "common/status_macros.h"
#include "tools/dfs/commands.h"
#include "tools/dfs/walk.h"
#include "tools/dfs/xattr_text.h"

namespace cairn::tools {
namespace {

using client::Xattr;

// Takes `option` and the word behind it out of args(), wherever they are. Usage status: there is no
// word behind it.
absl::StatusOr<std::optional<std::string>> PopValue(Shell& shell, absl::string_view option) {
  std::vector<std::string>& args = shell.args();
  const auto end = std::find(args.begin(), args.end(), "--");
  const auto at = std::find(args.begin(), end, option);
  if (at == end) return std::nullopt;
  if (at + 1 == args.end()) {
    return UsageStatus(absl::StrCat("option ", option, " requires 1 argument."));
  }
  std::string value = *(at + 1);
  args.erase(at, at + 2);
  return value;
}

// Takes `option` out of args(), wherever it is. False: it is not there.
bool PopFlag(Shell& shell, absl::string_view option) {
  std::vector<std::string>& args = shell.args();
  const auto end = std::find(args.begin(), args.end(), "--");
  const auto at = std::find(args.begin(), end, option);
  if (at == end) return false;
  args.erase(at);
  return true;
}

// The name behind `option`; bad ones are bad usage.
absl::StatusOr<std::optional<Xattr>> PopName(Shell& shell, absl::string_view option) {
  ASSIGN_OR_RETURN(const std::optional<std::string> text, PopValue(shell, option));
  if (!text.has_value()) return std::nullopt;
  const absl::StatusOr<Xattr> xattr = ParseXattrName(*text);
  if (!xattr.ok()) return UsageStatus(xattr.status().message());
  return *xattr;
}

absl::Status CheckOnePath(size_t paths) {
  if (paths == 1) return absl::OkStatus();
  return UsageStatus(paths == 0 ? "<path> is missing" : "Too many arguments");
}

// Cairn's namenode keeps no attributes.
absl::Status Explain(const absl::Status& status) {
  if (GetFsError(status) != FsError::kNoSuchMethod) return status;
  return absl::UnimplementedError("not supported yet: the namenode has no extended attributes");
}

struct GetOptions {
  std::optional<Xattr> wanted;  // absent: all
  XattrEncoding encoding = XattrEncoding::kText;
};

absl::Status PrintXattrs(Shell& shell, const PathItem& item, const GetOptions& options) {
  ASSIGN_OR_RETURN(client::FileSystem* const cluster, Cluster(item));
  shell.out() << "# file: " << item.text << "\n";
  const absl::StatusOr<std::vector<Xattr>> xattrs = cluster->GetXattrs(item.path);
  if (!xattrs.ok()) return Explain(xattrs.status());
  bool found = false;
  for (const Xattr& xattr : *xattrs) {
    const bool is_wanted = !options.wanted.has_value() || (xattr.space == options.wanted->space &&
                                                           xattr.name == options.wanted->name);
    if (!is_wanted) continue;
    shell.out() << XattrLine(XattrName(xattr), xattr.value, options.encoding) << "\n";
    found = true;
  }
  if (found || !options.wanted.has_value()) return absl::OkStatus();
  return absl::NotFoundError("At least one of the attributes provided was not found.");
}

}  // namespace

absl::Status RunGetfattr(Shell& shell) {
  GetOptions options;
  ASSIGN_OR_RETURN(options.wanted, PopName(shell, "-n"));
  ASSIGN_OR_RETURN(const std::optional<std::string> encoding, PopValue(shell, "-e"));
  if (encoding.has_value()) {
    const absl::StatusOr<XattrEncoding> parsed = ParseXattrEncoding(*encoding);
    if (!parsed.ok()) return UsageStatus(parsed.status().message());
    options.encoding = *parsed;
  }
  const bool recursive = PopFlag(shell, "-R");
  const bool all = PopFlag(shell, "-d");
  RETURN_IF_ERROR(shell.TakeOptions({}, {}, 0, SIZE_MAX));
  if (all) options.wanted.reset();
  if (!all && !options.wanted.has_value()) {
    return UsageStatus("Must specify '-n name' or '-d' option.");
  }
  RETURN_IF_ERROR(CheckOnePath(shell.args().size()));
  return shell.ForEach(shell.args(), [&](PathItem& item) {
    return Walk(shell, item, recursive,
                [&](const PathItem& found, int) { return PrintXattrs(shell, found, options); });
  });
}

absl::Status RunSetfattr(Shell& shell) {
  ASSIGN_OR_RETURN(std::optional<Xattr> set, PopName(shell, "-n"));
  ASSIGN_OR_RETURN(const std::optional<std::string> value, PopValue(shell, "-v"));
  ASSIGN_OR_RETURN(const std::optional<Xattr> removed, PopName(shell, "-x"));
  if (set.has_value() && removed.has_value()) {
    return UsageStatus("Can not specify both '-n name' and '-x name' option.");
  }
  if (!set.has_value() && !removed.has_value()) {
    return UsageStatus("Must specify '-n name' or '-x name' option.");
  }
  if (set.has_value() && value.has_value()) {
    ASSIGN_OR_RETURN(set->value, ParseXattrValue(*value));
  }
  RETURN_IF_ERROR(shell.TakeOptions({}, {}, 0, SIZE_MAX));
  RETURN_IF_ERROR(CheckOnePath(shell.args().size()));
  return shell.ForEach(shell.args(), [&](PathItem& item) -> absl::Status {
    ASSIGN_OR_RETURN(client::FileSystem* const cluster, Cluster(item));
    return Explain(set.has_value() ? cluster->SetXattr(item.path, *set)
                                   : cluster->RemoveXattr(item.path, *removed));
  });
}

}  // namespace cairn::tools
