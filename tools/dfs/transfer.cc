// -put, -get, -cp, -mv and their relatives: sources, then one destination.
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/path.h"
#include "common/status_macros.h"
#include "tools/dfs/commands.h"
#include "tools/dfs/copy.h"

namespace cairn::tools {
namespace {

// Reports what fails, one source after the other.
void CopyEach(Shell& shell, const CopyOptions& options, const std::vector<PathItem>& sources,
              const PathItem& destination) {
  Copier copier(shell, options);
  for (const PathItem& source : sources) {
    const absl::Status status =
        source.exists() ? copier.Copy(source, destination) : NotFound(source);
    if (!status.ok()) shell.Error(status);
  }
  copier.Finish();
}

absl::Status PutAll(Shell& shell, CopyOptions options) {
  std::vector<std::string> names;
  ASSIGN_OR_RETURN(const PathItem destination, TakeDestination(shell, names));
  if (names.size() == 1 && names[0] == "-") {
    if (destination.is_directory()) return IsADirectory(destination);
    RETURN_IF_ERROR(CheckDestination(destination, 1, options.overwrite));
    const std::unique_ptr<Reader> in = NewStdinReader();
    return Copier(shell, {.overwrite = options.overwrite, .direct = options.direct})
        .CopyStream(*in, destination);
  }
  std::vector<PathItem> sources;
  for (const std::string& name : names) {
    ASSIGN_OR_RETURN(PathItem item, shell.ResolveLocal(name));
    sources.push_back(std::move(item));
  }
  RETURN_IF_ERROR(CheckDestination(destination, sources.size(), options.overwrite));
  CopyEach(shell, options, sources, destination);
  return absl::OkStatus();
}

absl::Status PrintAll(Shell& shell, const std::vector<PathItem>& sources) {
  for (const PathItem& source : sources) {
    absl::Status status = source.exists() ? absl::OkStatus() : NotFound(source);
    if (source.is_directory()) status = IsADirectory(source);
    if (status.ok()) {
      absl::StatusOr<std::unique_ptr<Reader>> reader = source.volume->Open(source.path);
      status = reader.status();
      if (status.ok()) {
        status = CopyAll(**reader, [&](std::span<const std::byte> piece) {
          shell.out().write(reinterpret_cast<const char*>(piece.data()),
                            static_cast<std::streamsize>(piece.size()));
          return absl::OkStatus();
        });
      }
    }
    if (!status.ok()) shell.Error(status);
  }
  return absl::OkStatus();
}

absl::Status MoveItem(const PathItem& source, const PathItem& destination) {
  PathItem target = destination;
  if (destination.is_directory()) {
    target = destination.Child(client::BaseName(source.path));
    RETURN_IF_ERROR(target.Refresh());
  }
  const auto failed = [&](absl::string_view why) {
    return absl::FailedPreconditionError(
        absl::StrCat("`", source.text, "' to `", target.text, "': ", why));
  };
  if (source.volume != target.volume) {
    return PathError(source, "Does not match target filesystem");
  }
  if (source.is_directory()) {
    if (source.path == target.path) return failed("are identical");
    if (absl::StartsWith(target.path, source.path + "/")) {
      return failed("is a subdirectory of itself");
    }
  }
  if (target.exists()) return AlreadyExists(target);
  const absl::Status status = source.volume->Rename(source.path, target.path);
  if (status.message() == "Input/output error") return failed(status.message());
  return status;
}

}  // namespace

absl::Status RunPut(Shell& shell) {
  RETURN_IF_ERROR(shell.TakeOptions({"f", "p", "l", "d"}, {"t", "q"}, 1, SIZE_MAX));
  ASSIGN_OR_RETURN(const CopyOptions options, ToCopyOptions(shell));
  return PutAll(shell, options);
}

absl::Status RunMoveFromLocal(Shell& shell) {
  RETURN_IF_ERROR(shell.TakeOptions({"f", "p", "l", "d"}, {}, 1, SIZE_MAX));
  ASSIGN_OR_RETURN(CopyOptions options, ToCopyOptions(shell));
  options.delete_source = true;
  return PutAll(shell, options);
}

absl::Status RunMoveToLocal(Shell&) {
  return absl::UnimplementedError("Option '-moveToLocal' is not implemented yet.");
}

absl::Status RunGet(Shell& shell) {
  RETURN_IF_ERROR(shell.TakeOptions({"f", "p", "crc", "ignoreCrc"}, {"t", "q"}, 1, SIZE_MAX));
  ASSIGN_OR_RETURN(const CopyOptions options, ToCopyOptions(shell));
  std::vector<std::string> names = shell.args();
  std::string local = ".";
  if (names.size() > 1) {
    local = names.back();
    names.pop_back();
  }
  if (local == "-") {
    ASSIGN_OR_RETURN(const std::vector<PathItem> sources, shell.ExpandAll(names));
    return PrintAll(shell, sources);
  }
  ASSIGN_OR_RETURN(const PathItem destination, shell.ResolveLocal(local));
  ASSIGN_OR_RETURN(const std::vector<PathItem> sources, shell.ExpandAll(names));
  if (sources.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(CheckDestination(destination, sources.size(), options.overwrite));
  CopyEach(shell, options, sources, destination);
  return absl::OkStatus();
}

absl::Status RunCp(Shell& shell) {
  // -p may carry letters for what to keep: t(imes) o(wner) p(ermission) a(cl) x(attrs).
  std::string keep;
  for (std::string& arg : shell.args()) {
    if (absl::StartsWith(arg, "-p") && arg.size() > 2 &&
        arg.find_first_not_of("topax", 2) == std::string::npos) {
      keep = arg.substr(2);
      arg = "-p";
    }
    if (!absl::StartsWith(arg, "-")) break;
  }
  RETURN_IF_ERROR(shell.TakeOptions({"f", "p", "d"}, {"t", "q"}, 2, SIZE_MAX));
  ASSIGN_OR_RETURN(CopyOptions options, ToCopyOptions(shell));
  if (!keep.empty()) {
    options.keep_times = absl::StrContains(keep, 't');
    options.keep_owner = absl::StrContains(keep, 'o');
    options.keep_mode = absl::StrContains(keep, 'p');
    options.keep_acl = absl::StrContains(keep, 'a');
    options.keep_xattrs = absl::StrContains(keep, 'x');
  }
  std::vector<std::string> names;
  ASSIGN_OR_RETURN(const PathItem destination, TakeDestination(shell, names));
  ASSIGN_OR_RETURN(const std::vector<PathItem> sources, shell.ExpandAll(names));
  if (sources.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(CheckDestination(destination, sources.size(), options.overwrite));
  CopyEach(shell, options, sources, destination);
  return absl::OkStatus();
}

absl::Status RunMv(Shell& shell) {
  RETURN_IF_ERROR(shell.TakeOptions({}, {}, 2, SIZE_MAX));
  std::vector<std::string> names;
  ASSIGN_OR_RETURN(const PathItem destination, TakeDestination(shell, names));
  ASSIGN_OR_RETURN(const std::vector<PathItem> sources, shell.ExpandAll(names));
  if (sources.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(CheckDestination(destination, sources.size(), /*overwrite=*/false));
  for (const PathItem& source : sources) {
    const absl::Status status = source.exists() ? MoveItem(source, destination) : NotFound(source);
    if (!status.ok()) shell.Error(status);
  }
  return absl::OkStatus();
}

}  // namespace cairn::tools
