// -appendToFile and -getmerge: several files into one.
#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/path.h"
#include "common/status_macros.h"
#include "tools/dfs/commands.h"

namespace cairn::tools {
namespace {

// The cluster behind `item`, for what local files have not.
absl::StatusOr<client::FileSystem*> Cluster(const PathItem& item) {
  if (client::FileSystem* cluster = item.volume->cluster()) return cluster;
  return PathError(item, "Operation not supported");
}

absl::Status AppendOne(Reader& reader, client::OutputStream& out) {
  return CopyAll(reader, [&](std::span<const std::byte> piece) { return out.Write(piece); });
}

}  // namespace

absl::Status RunAppendToFile(Shell& shell) {
  RETURN_IF_ERROR(shell.TakeOptions({}, {}, 0, SIZE_MAX));
  std::vector<std::string> sources = shell.args();
  if (sources.size() < 2) return absl::InvalidArgumentError("missing destination argument");
  ASSIGN_OR_RETURN(const PathItem target, shell.Resolve(sources.back()));
  sources.pop_back();
  if (sources.size() > 1 && std::find(sources.begin(), sources.end(), "-") != sources.end()) {
    return UsageStatus("- cannot be combined with other sources");
  }
  ASSIGN_OR_RETURN(client::FileSystem* const cluster, Cluster(target));
  // All sources are opened first: nothing is appended when one is missing.
  std::vector<std::unique_ptr<Reader>> readers;
  for (const std::string& source : sources) {
    if (source == "-") {
      readers.push_back(NewStdinReader());
      continue;
    }
    auto reader = shell.volumes().local()->Open(source);
    if (absl::IsNotFound(reader.status())) return absl::NotFoundError(source);
    RETURN_IF_ERROR(reader.status());
    readers.push_back(*std::move(reader));
  }
  if (!target.exists()) {
    ASSIGN_OR_RETURN(auto created, cluster->Create(target.path));
    RETURN_IF_ERROR(created->Close());
  }
  ASSIGN_OR_RETURN(auto out, cluster->Append(target.path));
  for (const std::unique_ptr<Reader>& reader : readers) RETURN_IF_ERROR(AppendOne(*reader, *out));
  return out->Close();
}

absl::Status RunGetMerge(Shell& shell) {
  RETURN_IF_ERROR(shell.TakeOptions({"nl", "skip-empty-file"}, {}, 2, SIZE_MAX));
  std::vector<std::string> names = shell.args();
  std::string local = names.back();
  names.pop_back();
  if (absl::StartsWith(local, "file:")) {
    ASSIGN_OR_RETURN(const client::PathUri uri, client::ParsePathUri(local));
    local = uri.path;
  }
  std::vector<PathItem> files;
  for (const PathItem& item : shell.ExpandAll(names)) {
    absl::Status status = item.exists() ? absl::OkStatus() : NotFound(item);
    if (item.is_directory()) {
      status = shell.ForEachChild(item, [&](PathItem child) {
        if (child.is_file()) files.push_back(std::move(child));
        return absl::OkStatus();
      });
    } else if (item.exists()) {
      files.push_back(item);
    }
    if (!status.ok()) shell.Error(status);
  }
  if (files.empty() && shell.errors() > 0) return absl::OkStatus();
  ASSIGN_OR_RETURN(auto writer, shell.volumes().local()->Create(local, {.overwrite = true}));
  const auto write = [&](std::span<const std::byte> piece) { return writer->Write(piece); };
  for (const PathItem& file : files) {
    if (file.status->length == 0 && shell.Has("skip-empty-file")) continue;
    ASSIGN_OR_RETURN(auto reader, file.volume->Open(file.path));
    RETURN_IF_ERROR(CopyAll(*reader, write));
    if (shell.Has("nl")) RETURN_IF_ERROR(write(std::as_bytes(std::span("\n", 1))));
  }
  return writer->Close();
}

}  // namespace cairn::tools
