#include "namenode/store/leveldb_copy.h"

#include <algorithm>
#include <memory>
#include <set>
#include <span>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "common/crash_point.h"
#include "common/io/whole_files.h"
#include "common/status_macros.h"
#include "namenode/store/leveldb_check.h"

namespace cairn::namenode {
namespace {

constexpr uint64_t kMaxManifestRecordBytes = 1 << 30;

absl::Status NotWhole(const std::string& path, absl::string_view what) {
  return absl::DataLossError(absl::StrCat("store: ", path, ": ", what));
}

absl::StatusOr<uint64_t> SizeOf(FileSystem& files, const std::string& path) {
  ASSIGN_OR_RETURN(const std::unique_ptr<File> file, files.Open(path, {}));
  return file->Size();
}

// A link if that can be; the machine may have refused it for any reason, and a copy is as good.
absl::Status LinkOrCopy(FileSystem& files, const std::string& from, const std::string& to) {
  if (files.Link(from, to).ok()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const uint64_t bytes, SizeOf(files, from));
  return CopyFile(files, from, to, bytes);
}

}  // namespace

absl::StatusOr<LevelDbFiles> ListLevelDb(FileSystem& files, const std::string& directory) {
  const auto path_of = [&](const std::string& name) { return absl::StrCat(directory, "/", name); };
  LevelDbFiles list;
  ASSIGN_OR_RETURN(std::string current, files.ReadAll(path_of("CURRENT"), 1024));
  absl::string_view name = current;
  if (!absl::ConsumeSuffix(&name, "\n") || !absl::StartsWith(name, "MANIFEST-") ||
      absl::StrContains(name, '/')) {
    return NotWhole(path_of("CURRENT"), "does not name a MANIFEST");
  }
  list.manifest = std::string(name);

  Manifest manifest;
  ASSIGN_OR_RETURN(const auto file, files.Open(path_of(list.manifest), {}));
  ASSIGN_OR_RETURN(
      const LogEnd end,
      ScanLevelDbLog(
          [&](uint64_t offset, std::span<std::byte> out) { return file->ReadAt(offset, out); },
          kMaxManifestRecordBytes,
          [&](uint64_t, absl::string_view record) { return manifest.Apply(record); }));
  list.manifest_bytes = end.whole_bytes;
  if (!manifest.has_log_number) {
    return NotWhole(path_of(list.manifest), "ends before it names a log file");
  }

  ASSIGN_OR_RETURN(const std::vector<std::string> names, files.List(directory));
  const std::set<std::string> present(names.begin(), names.end());
  for (const auto& [at, bytes] : manifest.tables) {
    std::string table = absl::StrFormat("%06u.ldb", at.second);
    if (present.count(table) == 0) table = absl::StrFormat("%06u.sst", at.second);
    if (present.count(table) == 0) return NotWhole(path_of(table), "table is missing");
    list.tables.push_back(std::move(table));
  }
  for (const std::string& log : present) {
    uint64_t number;
    if (!absl::EndsWith(log, ".log") || !absl::SimpleAtoi(log.substr(0, log.size() - 4), &number) ||
        number < manifest.log_number) {
      continue;
    }
    ASSIGN_OR_RETURN(const uint64_t bytes, SizeOf(files, path_of(log)));
    list.logs.emplace_back(log, bytes);
  }
  return list;
}

absl::Status CopyLevelDb(FileSystem& files, const LevelDbFiles& list, const std::string& from,
                         const std::string& to) {
  const auto source = [&](const std::string& name) { return absl::StrCat(from, "/", name); };
  const auto target = [&](const std::string& name) { return absl::StrCat(to, "/", name); };
  for (const std::string& table : list.tables) {
    RETURN_IF_ERROR(LinkOrCopy(files, source(table), target(table)));
  }
  CRASH_POINT("checkpoint_tables_linked");
  for (const auto& [log, bytes] : list.logs) {
    RETURN_IF_ERROR(CopyFile(files, source(log), target(log), bytes));
  }
  RETURN_IF_ERROR(
      CopyFile(files, source(list.manifest), target(list.manifest), list.manifest_bytes));
  CRASH_POINT("checkpoint_logs_copied");
  // Last, and syncs the directory with all the names.
  return files.WriteDurably(target("CURRENT"), absl::StrCat(list.manifest, "\n"));
}

}  // namespace cairn::namenode
