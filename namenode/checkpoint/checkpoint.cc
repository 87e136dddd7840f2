#include "namenode/checkpoint/checkpoint.h"

#include <algorithm>
#include <map>
#include <memory>
#include <span>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/crash_point.h"
#include "common/crc32c.h"
#include "common/io/whole_files.h"
#include "common/status_macros.h"

namespace cairn::namenode {
namespace {

constexpr absl::string_view kTitle = "cairn checkpoint ";
constexpr uint32_t kVersion = 1;
constexpr absl::string_view kFileName = "CHECKPOINT";
constexpr absl::string_view kNamePrefix = "checkpoint-";
constexpr absl::string_view kCrcKey = "crc32c=";
constexpr uint64_t kMaxTextBytes = 256 << 20;  // some millions of tables

uint32_t CrcOf(absl::string_view text) {
  return Crc32c(std::as_bytes(std::span<const char>(text.data(), text.size())));
}

bool ParseHex(absl::string_view text, uint32_t* value) {
  return text.size() == 8 && absl::SimpleHexAtoi(text, value);
}

// A name inside store/ that leads nowhere else.
bool IsPlainName(absl::string_view name) {
  return !name.empty() && name.size() <= 255 && name[0] != '.' &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return absl::ascii_isalnum(c) || c == '.' || c == '-'; });
}

bool ParseFile(absl::string_view value, CheckpointFile* file) {
  const std::vector<absl::string_view> parts = absl::StrSplit(value, ' ');
  if (parts.size() != 3 || !absl::SimpleAtoi(parts[0], &file->bytes) ||
      !ParseHex(parts[1], &file->crc32c) || !IsPlainName(parts[2])) {
    return false;
  }
  file->name = std::string(parts[2]);
  return true;
}

bool ParseField(absl::string_view key, absl::string_view value, Checkpoint* out) {
  if (key == "clusterID") {
    out->cluster_id = std::string(value);
  } else if (key == "blockpoolID") {
    out->block_pool_id = std::string(value);
  } else if (key == "layoutVersion") {
    return absl::SimpleAtoi(value, &out->layout_version);
  } else if (key == "txid") {
    uint64_t txid;
    if (!absl::SimpleAtoi(value, &txid)) return false;
    out->txid = TxId{txid};
  } else if (key == "time") {
    return absl::ParseTime(absl::RFC3339_full, value, &out->time, nullptr);
  } else if (key == "file") {
    return ParseFile(value, &out->files.emplace_back());
  }
  return true;  // of a later program that is still compatible
}

std::string PathOf(const std::string& parent, TxId txid) {
  return absl::StrFormat("%s/%s%020u", parent, kNamePrefix, ToInt(txid));
}

std::string MakingPath(const std::string& parent) { return parent + "/making"; }
std::string RemovingPath(const std::string& parent) { return parent + "/removing"; }

// Checksums of files that do not change, as earlier checkpoints have them.
std::map<std::string, CheckpointFile> KnownTables(const CheckpointList& earlier) {
  std::map<std::string, CheckpointFile> known;
  for (const Checkpoint& checkpoint : earlier.whole) {
    for (const CheckpointFile& file : checkpoint.files) {
      if (absl::EndsWith(file.name, ".ldb")) known[file.name] = file;
    }
  }
  return known;
}

absl::StatusOr<std::vector<CheckpointFile>> Measure(FileSystem& files, const std::string& store,
                                                    const CheckpointList& earlier) {
  const std::map<std::string, CheckpointFile> known = KnownTables(earlier);
  ASSIGN_OR_RETURN(std::vector<std::string> names, files.List(store));
  std::sort(names.begin(), names.end());
  std::vector<CheckpointFile> measured;
  for (const std::string& name : names) {
    const std::string path = absl::StrCat(store, "/", name);
    CheckpointFile file{.name = name};
    {
      ASSIGN_OR_RETURN(const std::unique_ptr<File> open, files.Open(path, {}));
      ASSIGN_OR_RETURN(file.bytes, open->Size());
    }
    // LevelDB gives a number once, so the same name and size is the same table.
    const auto same = known.find(name);
    if (same != known.end() && same->second.bytes == file.bytes) {
      file.crc32c = same->second.crc32c;
    } else {
      ASSIGN_OR_RETURN(file.crc32c, FileCrc32c(files, path, file.bytes));
    }
    measured.push_back(std::move(file));
  }
  return measured;
}

}  // namespace

uint64_t Checkpoint::bytes() const {
  uint64_t sum = 0;
  for (const CheckpointFile& file : files) sum += file.bytes;
  return sum;
}

std::string EncodeCheckpoint(const Checkpoint& checkpoint) {
  std::string text = absl::StrCat(
      kTitle, kVersion, "\nclusterID=", checkpoint.cluster_id,
      "\nblockpoolID=", checkpoint.block_pool_id, "\nlayoutVersion=", checkpoint.layout_version,
      "\ntxid=", ToInt(checkpoint.txid),
      "\ntime=", absl::FormatTime("%Y-%m-%d%ET%H:%M:%E3SZ", checkpoint.time, absl::UTCTimeZone()),
      "\n");
  for (const CheckpointFile& file : checkpoint.files) {
    absl::StrAppendFormat(&text, "file=%u %08x %s\n", file.bytes, file.crc32c, file.name);
  }
  absl::StrAppendFormat(&text, "%s%08x\n", kCrcKey, CrcOf(text));
  return text;
}

absl::StatusOr<Checkpoint> ParseCheckpoint(absl::string_view text) {
  absl::string_view rest = text;
  uint32_t version = 0;
  const absl::string_view title = rest.substr(0, rest.find('\n'));
  if (!absl::StartsWith(title, kTitle) ||
      !absl::SimpleAtoi(title.substr(kTitle.size()), &version) || version == 0) {
    return absl::DataLossError("does not begin as a checkpoint's description");
  }
  // Before the checksum: a newer version may keep that elsewhere.
  if (version > kVersion) {
    return absl::UnimplementedError(
        absl::StrCat("is of version ", version, "; this program reads up to ", kVersion));
  }
  const size_t crc_at = text.rfind(absl::StrCat("\n", kCrcKey));
  uint32_t crc = 0;
  absl::string_view last = crc_at == text.npos ? "" : text.substr(crc_at + 1 + kCrcKey.size());
  if (!absl::ConsumeSuffix(&last, "\n") || !ParseHex(last, &crc)) {
    return absl::DataLossError("does not end with its checksum");
  }
  const absl::string_view body = text.substr(0, crc_at + 1);
  if (CrcOf(body) != crc) return absl::DataLossError("checksum does not match");

  Checkpoint out;
  for (const absl::string_view line : absl::StrSplit(body.substr(title.size()), '\n')) {
    const size_t equals = line.find('=');
    if (equals == line.npos) continue;
    if (!ParseField(line.substr(0, equals), line.substr(equals + 1), &out)) {
      return absl::DataLossError(absl::StrCat("no meaning in \"", absl::CEscape(line), "\""));
    }
  }
  if (out.cluster_id.empty() || out.layout_version == 0 || out.files.empty()) {
    return absl::DataLossError("clusterID, layoutVersion or files are missing");
  }
  return out;
}

absl::StatusOr<Checkpoint> ReadCheckpoint(FileSystem& files, const std::string& directory) {
  const std::string path = absl::StrCat(directory, "/", kFileName);
  ASSIGN_OR_RETURN(const std::string text, files.ReadAll(path, kMaxTextBytes));
  absl::StatusOr<Checkpoint> checkpoint = ParseCheckpoint(text);
  if (!checkpoint.ok()) {
    return absl::Status(checkpoint.status().code(),
                        absl::StrCat(path, ": ", checkpoint.status().message()));
  }
  checkpoint->directory = directory;
  return checkpoint;
}

absl::Status VerifyCheckpoint(FileSystem& files, const Checkpoint& checkpoint) {
  for (const CheckpointFile& file : checkpoint.files) {
    const std::string path = absl::StrCat(checkpoint.store(), "/", file.name);
    const absl::StatusOr<uint32_t> crc = FileCrc32c(files, path, file.bytes);
    if (absl::IsNotFound(crc.status())) return absl::DataLossError(absl::StrCat(path, ": missing"));
    if (!crc.ok()) return crc.status();
    if (*crc != file.crc32c) {
      return absl::DataLossError(absl::StrFormat("%s: checksum %08x, it was %08x when it was made",
                                                 path, *crc, file.crc32c));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<CheckpointList> ListCheckpoints(FileSystem& files, const std::string& parent) {
  CheckpointList list;
  if (!files.IsDirectory(parent)) return list;
  ASSIGN_OR_RETURN(const std::vector<std::string> names, files.List(parent));
  for (const std::string& name : names) {
    if (!absl::StartsWith(name, kNamePrefix)) continue;
    const std::string directory = absl::StrCat(parent, "/", name);
    absl::StatusOr<Checkpoint> checkpoint = ReadCheckpoint(files, directory);
    if (checkpoint.ok()) {
      list.whole.push_back(*std::move(checkpoint));
    } else {
      list.damaged.emplace_back(directory, checkpoint.status());
    }
  }
  std::sort(list.whole.begin(), list.whole.end(),
            [](const Checkpoint& a, const Checkpoint& b) { return a.txid < b.txid; });
  std::sort(list.damaged.begin(), list.damaged.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  return list;
}

absl::StatusOr<Checkpoint> MakeCheckpoint(FileSystem& files, Clock& clock,
                                          const NewCheckpoint& wanted) {
  RETURN_IF_ERROR(files.MakeDirectories(wanted.parent));
  RETURN_IF_ERROR(CleanCheckpoints(files, wanted.parent));
  ASSIGN_OR_RETURN(const CheckpointList earlier, ListCheckpoints(files, wanted.parent));
  Checkpoint made{.directory = MakingPath(wanted.parent),
                  .cluster_id = wanted.cluster_id,
                  .block_pool_id = wanted.block_pool_id,
                  .layout_version = wanted.layout_version,
                  .time = absl::FromUnixMillis(absl::ToUnixMillis(clock.Now()))};
  const auto make = [&]() -> absl::Status {
    RETURN_IF_ERROR(files.MakeDirectory(made.directory));
    RETURN_IF_ERROR(files.MakeDirectory(made.store()));
    CRASH_POINT("checkpoint_directory_made");
    ASSIGN_OR_RETURN(made.txid, wanted.copy(made.store()));
    CRASH_POINT("checkpoint_store_copied");
    ASSIGN_OR_RETURN(made.files, Measure(files, made.store(), earlier));
    // Syncs the directory as well, and with it the name of store/.
    RETURN_IF_ERROR(
        files.WriteDurably(absl::StrCat(made.directory, "/", kFileName), EncodeCheckpoint(made)));
    CRASH_POINT("checkpoint_described");
    return absl::OkStatus();
  };
  if (const absl::Status status = make(); !status.ok()) {
    CleanCheckpoints(files, wanted.parent).IgnoreError();  // the next one tries again
    return status;
  }
  for (const Checkpoint& checkpoint : earlier.whole) {
    if (checkpoint.txid != made.txid) continue;
    RETURN_IF_ERROR(CleanCheckpoints(files, wanted.parent));
    return checkpoint;
  }
  const std::string path = PathOf(wanted.parent, made.txid);
  // A damaged one of the same transaction gives way: it is no use, and this one is.
  RETURN_IF_ERROR(RemoveTree(files, path));
  RETURN_IF_ERROR(files.Rename(made.directory, path));
  CRASH_POINT("checkpoint_renamed");
  RETURN_IF_ERROR(files.SyncDirectory(wanted.parent));
  CRASH_POINT("checkpoint_made");
  made.directory = path;
  return made;
}

absl::Status RemoveCheckpoint(FileSystem& files, const Checkpoint& checkpoint) {
  const std::string parent = ParentDirectory(checkpoint.directory);
  RETURN_IF_ERROR(RemoveTree(files, RemovingPath(parent)));
  RETURN_IF_ERROR(files.Rename(checkpoint.directory, RemovingPath(parent)));
  RETURN_IF_ERROR(files.SyncDirectory(parent));
  CRASH_POINT("checkpoint_being_removed");
  RETURN_IF_ERROR(RemoveTree(files, RemovingPath(parent)));
  return files.SyncDirectory(parent);
}

absl::Status CleanCheckpoints(FileSystem& files, const std::string& parent) {
  RETURN_IF_ERROR(RemoveTree(files, MakingPath(parent)));
  return RemoveTree(files, RemovingPath(parent));
}

}  // namespace cairn::namenode
