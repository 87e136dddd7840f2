// -appendToFile and -getmerge: several files into one.
#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/strings/match.h"
#include "client/path.h"
#include "common/status_macros.h"
#include "tools/dfs/commands.h"

namespace cairn::tools {
namespace {

absl::Status AppendOne(Reader& reader, client::OutputStream& out) {
  return CopyAll(reader, [&](std::span<const std::byte> piece) { return out.Write(piece); });
}

}  // namespace

absl::Status RunAppendToFile(Shell& shell) {
  if (shell.args().size() < 2) return absl::InvalidArgumentError("missing destination argument");
  RETURN_IF_ERROR(shell.TakeOptions({"n"}, {}, 2, SIZE_MAX));
  std::vector<std::string> sources = shell.args();
  ASSIGN_OR_RETURN(const PathItem target, shell.Resolve(sources.back()));
  sources.pop_back();
  if (sources.size() > 1 && std::find(sources.begin(), sources.end(), "-") != sources.end()) {
    return absl::InvalidArgumentError("stdin (-) must be the sole input argument when present");
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
    if (absl::IsNotFound(reader.status())) {
      return absl::NotFoundError(std::filesystem::absolute(source).string());
    }
    RETURN_IF_ERROR(reader.status());
    readers.push_back(*std::move(reader));
  }
  if (!target.exists()) {
    ASSIGN_OR_RETURN(auto created, cluster->Create(target.path));
    RETURN_IF_ERROR(created->Close());
  }
  ASSIGN_OR_RETURN(auto out, cluster->Append(target.path, {.new_block = shell.Has("n")}));
  for (const std::unique_ptr<Reader>& reader : readers) RETURN_IF_ERROR(AppendOne(*reader, *out));
  return out->Close();
}

absl::Status RunGetMerge(Shell& shell) {
  RETURN_IF_ERROR(shell.TakeOptions({"nl", "skip-empty-file"}, {}, 2, SIZE_MAX));
  std::vector<std::string> names = shell.args();
  ASSIGN_OR_RETURN(const PathItem local, shell.ResolveLocal(names.back()));
  if (local.is_directory()) return IsADirectory(local);
  names.pop_back();
  std::vector<PathItem> files;
  ASSIGN_OR_RETURN(const std::vector<PathItem> items, shell.ExpandAll(names));
  for (const PathItem& item : items) {
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
  if (shell.errors() > 0) return absl::OkStatus();  // rather nothing than a part
  if (absl::StrContains(local.path, '/')) {
    RETURN_IF_ERROR(local.volume->Mkdirs(client::ParentPath(local.path)));
  }
  ASSIGN_OR_RETURN(auto writer, local.volume->Create(local.path, {.overwrite = true}));
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
