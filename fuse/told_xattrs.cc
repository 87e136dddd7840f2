#include "fuse/told_xattrs.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/fs_error.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "fuse/paths.h"
#include "fuse/xattr_names.h"

namespace cairn::fuse {
namespace {

using Told = absl::StatusOr<std::optional<std::string>>;

constexpr size_t kMostLocationBytes = 60'000;
constexpr uint64_t kMostBlocks = 1024;  // asked for: a line has 60 bytes or more
constexpr size_t kMostChecksumBytes = 256;

// ---- Locations ----

std::string LineOf(const client::BlockLocation& block) {
  // As the datanodes' files and HDFS's tools call it: those of groups are negative.
  std::string line = absl::StrCat(block.offset, " ", block.length, " blk_",
                                  static_cast<int64_t>(block.block_id), " ");
  const bool of_units = block.units.size() == block.names.size();
  for (size_t i = 0; i < block.names.size(); ++i) {
    if (i > 0) line += ",";
    if (of_units) absl::StrAppend(&line, block.units[i], "=");
    line += EscapeForLog(block.names[i]);
  }
  if (block.names.empty()) line += "-";
  return line;
}

Told Locations(client::FileSystem& fs, const client::FileStatus& status) {
  const uint64_t block_bytes = std::max<uint64_t>(status.block_bytes, 1);
  const uint64_t asked =
      block_bytes > UINT64_MAX / kMostBlocks ? UINT64_MAX : block_bytes * kMostBlocks;
  ASSIGN_OR_RETURN(const auto blocks, fs.GetBlockLocations(PathOf(status.inode), 0, asked));
  return LocationsText(blocks, status.length);
}

// ---- Health ----

enum class Condition { kHealthy, kBadlySpread, kLowRedundancy, kMissing };

bool IsInService(const client::BlockReport& replicas) { return replicas.live() > 0; }

// From what readers are told alone: `block` needs what its server does not say.
bool IsLow(const client::BlockReport& block) {
  if (!block.is_group()) return block.live() < block.wanted;
  return !std::all_of(block.units.begin(), block.units.end(), &IsInService);
}

Condition ConditionOf(const client::BlockReport& block, bool complete_knowledge) {
  const bool lost = block.is_group() ? block.GoodUnits() < block.units_needed : !block.HasGood();
  if (lost) return Condition::kMissing;
  if (!complete_knowledge) return IsLow(block) ? Condition::kLowRedundancy : Condition::kHealthy;
  switch (block.need) {
    case client::Need::kMissing:
      // Of a group: of its unit that is worst off.
      return block.is_group() ? Condition::kLowRedundancy : Condition::kMissing;
    case client::Need::kHighest:
    case client::Need::kVeryLow:
    case client::Need::kLow:
      return Condition::kLowRedundancy;
    case client::Need::kBadlySpread:
      return Condition::kBadlySpread;
    case client::Need::kNone:
    case client::Need::kSurplus:
      break;
  }
  return Condition::kHealthy;
}

// ---- The others ----

Told Policy(client::FileSystem& fs, const client::FileStatus& status) {
  std::string erasure = status.ec_policy;
  if (status.is_directory()) {
    absl::StatusOr<std::string> policy = fs.GetEcPolicy(PathOf(status.inode));
    // An HDFS before 3.0 has none.
    if (GetFsError(policy.status()) == FsError::kNoSuchMethod) policy = std::string();
    ASSIGN_OR_RETURN(erasure, std::move(policy));
  }
  if (!erasure.empty()) return absl::StrCat("erasure-coded ", EscapeForLog(erasure));
  if (status.is_directory()) return "replicated";
  return absl::StrCat("replicated ", status.replication);
}

Told Checksum(client::FileSystem& fs, const client::FileStatus& status, Wanted wanted) {
  if (wanted == Wanted::kSize) return std::string(kMostChecksumBytes, '0');
  ASSIGN_OR_RETURN(const client::FileChecksum checksum,
                   fs.GetFileChecksum(PathOf(status.inode), fs.options().checksum_combine));
  std::string text =
      absl::StrCat(EscapeForLog(checksum.algorithm), " ", absl::BytesToHexString(checksum.bytes));
  if (text.size() > kMostChecksumBytes) {
    return absl::InternalError(absl::StrCat(status.path, ": the checksum makes no sense"));
  }
  return text;
}

}  // namespace

std::vector<std::string> ToldNames(bool is_directory) {
  std::vector<std::string> names;
  for (const char* const name : {"inode", "policy"}) {
    names.push_back(absl::StrCat(kToldPrefix, name));
  }
  if (is_directory) return names;
  for (const char* const name : {"locations", "health"}) {
    names.push_back(absl::StrCat(kToldPrefix, name));
  }
  return names;
}

Told Tell(client::FileSystem& fs, const AdminMaker& admin, uint64_t id, absl::string_view name,
          Wanted wanted) {
  if (!absl::ConsumePrefix(&name, kToldPrefix)) return std::nullopt;
  if (name == "inode") return absl::StrCat(id);
  const bool of_files = name == "locations" || name == "health" || name == "checksum";
  if (!of_files && name != "policy") return std::nullopt;
  ASSIGN_OR_RETURN(client::FileStatus status, fs.Stat(PathOf(id)));
  status.inode = id;
  if (name == "policy") return Policy(fs, status);
  if (!status.is_file()) return std::nullopt;
  if (name == "locations") return Locations(fs, status);
  if (name == "checksum") return Checksum(fs, status, wanted);
  ASSIGN_OR_RETURN(const AdminPtr asked, admin());
  ASSIGN_OR_RETURN(const client::FileReport report, asked->DescribeFile(PathOf(id)));
  return HealthText(report);
}

std::string LocationsText(const std::vector<client::BlockLocation>& blocks, uint64_t file_bytes) {
  std::string text;
  uint64_t end = 0;
  for (const client::BlockLocation& block : blocks) {
    const std::string line = LineOf(block);
    if (text.size() + line.size() >= kMostLocationBytes) break;
    absl::StrAppend(&text, text.empty() ? "" : "\n", line);
    end = block.offset + block.length;
  }
  if (end < file_bytes) {
    absl::StrAppend(&text, text.empty() ? "" : "\n", "# not shown: from ", end, " on");
  }
  return text;
}

std::string HealthText(const client::FileReport& file) {
  size_t blocks = 0, spread = 0, low = 0, missing = 0;
  for (const client::BlockReport& block : file.blocks) {
    if (block.under_construction) continue;
    ++blocks;
    const Condition condition = ConditionOf(block, file.complete_knowledge);
    spread += condition == Condition::kBadlySpread ? 1 : 0;
    low += condition == Condition::kLowRedundancy ? 1 : 0;
    missing += condition == Condition::kMissing ? 1 : 0;
  }
  std::string text;
  const auto add = [&](absl::string_view what, size_t count) {
    if (count > 0) absl::StrAppend(&text, text.empty() ? "" : ", ", what, " ", count);
  };
  add("missing", missing);
  add("low-redundancy", low);
  add("badly-spread", spread);
  if (text.empty()) return "healthy";
  return absl::StrCat(text, " of ", blocks, blocks == 1 ? " block" : " blocks");
}

}  // namespace cairn::fuse
