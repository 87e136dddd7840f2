// -du, -df, -count: how much there is.
#include <algorithm>
#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"
#include "tools/dfs/commands.h"
#include "tools/dfs/format.h"

namespace cairn::tools {
namespace {

using client::ContentSummary;
using client::StorageType;
using client::TypeQuota;

absl::StatusOr<ContentSummary> Summarize(const PathItem& item) {
  ASSIGN_OR_RETURN(client::FileSystem* const cluster, Cluster(item));
  return cluster->GetContentSummary(item.path);
}

absl::Status AddUsage(Shell& shell, const PathItem& item, TextTable& table) {
  ASSIGN_OR_RETURN(const ContentSummary sum, Summarize(item));
  const bool without_snapshots = shell.Has("x");
  const uint64_t length = sum.length - (without_snapshots ? sum.snapshot_length : 0);
  const uint64_t space = sum.space_consumed - (without_snapshots ? sum.snapshot_space_consumed : 0);
  table.AddRow({SizeText(length, shell.Has("h")), SizeText(space, shell.Has("h")), item.text});
  return absl::OkStatus();
}

// How HDFS's -count writes a quota and what is left of it.
std::string QuotaText(int64_t quota, bool human) {
  return quota < 0 ? "none" : SizeText(static_cast<uint64_t>(quota), human);
}

std::string RemainingText(int64_t quota, uint64_t used, bool human) {
  if (quota < 0) return "inf";
  const int64_t left = quota - static_cast<int64_t>(used);
  if (left < 0) return absl::StrCat("-", SizeText(static_cast<uint64_t>(-left), human));
  return SizeText(static_cast<uint64_t>(left), human);
}

std::string QuotaColumns(const ContentSummary& sum, bool human) {
  return absl::StrFormat("%12s %15s %15s %15s ", QuotaText(sum.quota, human),
                         RemainingText(sum.quota, sum.file_count + sum.directory_count, human),
                         QuotaText(sum.space_quota, human),
                         RemainingText(sum.space_quota, sum.space_consumed, human));
}

std::string CountColumns(const ContentSummary& sum, bool human) {
  return absl::StrFormat("%12s %12s %18s ", SizeText(sum.directory_count, human),
                         SizeText(sum.file_count, human), SizeText(sum.length, human));
}

std::string SnapshotColumns(const ContentSummary& sum, bool human) {
  return absl::StrFormat("%18s %24s %24s %28s ", SizeText(sum.snapshot_length, human),
                         SizeText(sum.snapshot_file_count, human),
                         SizeText(sum.snapshot_directory_count, human),
                         SizeText(sum.snapshot_space_consumed, human));
}

// ---- -t: quotas by type of storage ----

struct TypeName {
  StorageType type;
  const char* name;
};

constexpr TypeName kTypes[] = {
    {StorageType::kRamDisk, "RAM_DISK"},  {StorageType::kSsd, "SSD"},
    {StorageType::kDisk, "DISK"},         {StorageType::kArchive, "ARCHIVE"},
    {StorageType::kProvided, "PROVIDED"}, {StorageType::kNvdimm, "NVDIMM"},
};

// "", "all": every type that can have a quota; else a list of names.
absl::StatusOr<std::vector<TypeName>> ParseTypes(absl::string_view text) {
  std::vector<TypeName> types;
  if (text.empty() || absl::EqualsIgnoreCase(text, "all")) {
    std::copy_if(std::begin(kTypes), std::end(kTypes), std::back_inserter(types),
                 [](const TypeName& t) { return t.type != StorageType::kRamDisk; });
    return types;
  }
  for (absl::string_view name : absl::StrSplit(absl::StripSuffix(text, ","), ',')) {
    const auto* const found =
        std::find_if(std::begin(kTypes), std::end(kTypes),
                     [&](const TypeName& t) { return absl::EqualsIgnoreCase(name, t.name); });
    if (found == std::end(kTypes)) return UsageStatus(absl::StrCat("No storage type ", name));
    types.push_back(*found);
  }
  return types;
}

std::string TypeQuotaColumns(const ContentSummary& sum, const std::vector<TypeName>& types,
                             bool human) {
  std::string line;
  for (const TypeName& type : types) {
    TypeQuota quota;
    for (const TypeQuota& told : sum.type_quotas) {
      if (told.type == type.type) quota = told;
    }
    absl::StrAppendFormat(&line, "%14s %18s ", QuotaText(quota.quota, human),
                          RemainingText(quota.quota, quota.consumed, human));
  }
  return line;
}

absl::Status CountTypeQuotas(Shell& shell) {
  ASSIGN_OR_RETURN(const std::vector<TypeName> types, ParseTypes(*shell.Value("t")));
  if (shell.Has("v")) {
    for (const TypeName& type : types) {
      shell.out() << absl::StrFormat("%14s %18s ", absl::StrCat(type.name, "_QUOTA"),
                                     absl::StrCat("REM_", type.name, "_QUOTA"));
    }
    shell.out() << "PATHNAME\n";
  }
  return shell.ForEach(shell.args(), [&](PathItem& item) -> absl::Status {
    ASSIGN_OR_RETURN(const ContentSummary sum, Summarize(item));
    shell.out() << TypeQuotaColumns(sum, types, shell.Has("h")) << item.text << "\n";
    return absl::OkStatus();
  });
}

ContentSummary WithoutSnapshots(ContentSummary sum) {
  sum.length -= sum.snapshot_length;
  sum.file_count -= sum.snapshot_file_count;
  sum.directory_count -= sum.snapshot_directory_count;
  sum.space_consumed -= sum.snapshot_space_consumed;
  return sum;
}

void PrintCountHeader(Shell& shell) {
  std::ostream& out = shell.out();
  const bool quotas_only = shell.Has("u");
  if (shell.Has("q") || quotas_only) {
    out << absl::StrFormat("%12s %15s %15s %15s ", "QUOTA", "REM_QUOTA", "SPACE_QUOTA",
                           "REM_SPACE_QUOTA");
  }
  if (!quotas_only) {
    out << absl::StrFormat("%12s %12s %18s ", "DIR_COUNT", "FILE_COUNT", "CONTENT_SIZE");
    if (shell.Has("s")) {
      out << absl::StrFormat("%18s %24s %24s %28s ", "SNAPSHOT_LENGTH", "SNAPSHOT_FILE_COUNT",
                             "SNAPSHOT_DIR_COUNT", "SNAPSHOT_SPACE_CONSUMED");
    }
    if (shell.Has("e")) out << "ERASURECODING_POLICY ";
  }
  out << "PATHNAME\n";
}

absl::Status CountItem(Shell& shell, const PathItem& item) {
  ASSIGN_OR_RETURN(ContentSummary sum, Summarize(item));
  if (shell.Has("x")) sum = WithoutSnapshots(sum);
  const bool human = shell.Has("h");
  std::string line;
  if (shell.Has("u")) {
    line = QuotaColumns(sum, human);
  } else {
    if (shell.Has("q")) line = QuotaColumns(sum, human);
    line += CountColumns(sum, human);
    if (shell.Has("s")) line += SnapshotColumns(sum, human);
    if (shell.Has("e")) {
      const bool replicated = sum.ec_policy == "Replicated";
      line += absl::StrFormat("%20s ", replicated ? sum.ec_policy : "EC:" + sum.ec_policy);
    }
  }
  shell.out() << line << item.text << "\n";
  return absl::OkStatus();
}

std::string UsePercent(uint64_t used, uint64_t capacity) {
  const double share =
      capacity == 0 ? 0 : static_cast<double>(used) / static_cast<double>(capacity);
  return absl::StrFormat("%.0f%%", 100 * share);
}

}  // namespace

absl::Status RunDu(Shell& shell) {
  RETURN_IF_ERROR(shell.TakeOptions({"s", "h", "v", "x"}, {}, 0, SIZE_MAX));
  if (shell.args().empty()) shell.args().push_back(".");
  TextTable table({false, false, false});
  const size_t headers = shell.Has("v") ? 1 : 0;
  if (shell.Has("v")) {
    table.AddRow({"SIZE", "DISK_SPACE_CONSUMED_WITH_ALL_REPLICAS", "FULL_PATH_NAME"});
  }
  const absl::Status status = shell.ForEach(shell.args(), [&](PathItem& item) -> absl::Status {
    if (shell.Has("s") || !item.is_directory()) return AddUsage(shell, item, table);
    return shell.ForEachChild(item, [&](PathItem child) {
      const absl::Status added = AddUsage(shell, child, table);
      if (!added.ok()) shell.Error(added);
      return absl::OkStatus();
    });
  });
  if (table.row_count() > headers) table.Print(shell.out());
  return status;
}

absl::Status RunDf(Shell& shell) {
  RETURN_IF_ERROR(shell.TakeOptions({"h"}, {}, 0, SIZE_MAX));
  if (shell.args().empty()) shell.args().push_back("/");
  TextTable table({false, true, true, true, true});
  constexpr size_t headers = 1;
  table.AddRow({"Filesystem", "Size", "Used", "Available", "Use%"});
  const absl::Status status = shell.ForEach(shell.args(), [&](PathItem& item) -> absl::Status {
    ASSIGN_OR_RETURN(client::FileSystem* const cluster, Cluster(item));
    ASSIGN_OR_RETURN(const client::FsStats stats, cluster->GetFsStats());
    const bool human = shell.Has("h");
    table.AddRow({absl::StrCat("hdfs://", cluster->authority()), SizeText(stats.capacity, human),
                  SizeText(stats.used, human), SizeText(stats.remaining, human),
                  UsePercent(stats.used, stats.capacity)});
    return absl::OkStatus();
  });
  if (table.row_count() > headers) table.Print(shell.out());
  return status;
}

absl::Status RunCount(Shell& shell) {
  RETURN_IF_ERROR(shell.TakeOptions({"q", "h", "v", "u", "x", "e", "s"}, {"t"}, 1, SIZE_MAX));
  // As in HDFS, -t alone means nothing.
  if (shell.Has("t") && (shell.Has("q") || shell.Has("u"))) return CountTypeQuotas(shell);
  if (shell.Has("v")) PrintCountHeader(shell);
  return shell.ForEach(shell.args(), [&](PathItem& item) { return CountItem(shell, item); });
}

}  // namespace cairn::tools
