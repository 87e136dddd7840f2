#include "namenode/daemon/storage.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "absl/random/random.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/crash_point.h"
#include "common/status_macros.h"
#include "namenode/checkpoint/checkpoint.h"
#include "namenode/journal/journal.h"
#include "namenode/journal/segment.h"
#include "namenode/namespace/first_records.h"
#include "namenode/offline/upgrade.h"
#include "namenode/store/store.h"

namespace cairn::namenode {
namespace {

constexpr uint64_t kMaxVersionBytes = 64 << 10;

std::string RandomHex(int bytes) {
  absl::BitGen random;
  std::string text;
  for (int i = 0; i < bytes; ++i)
    absl::StrAppendFormat(&text, "%02x", absl::Uniform(random, 0, 256));
  return text;
}

// "file:///a/b" and "/a/b/" are "/a/b".
absl::StatusOr<std::string> ToPath(const Config& config, absl::string_view key,
                                   absl::string_view text) {
  absl::string_view path = text;
  if (absl::ConsumePrefix(&path, "file:")) {
    while (absl::StartsWith(path, "//")) path.remove_prefix(1);
  }
  if (!absl::StartsWith(path, "/")) {
    return config.Reject(key, "expected an absolute path or file: URI");
  }
  while (path.size() > 1 && absl::EndsWith(path, "/")) path.remove_suffix(1);
  return std::string(path);
}

// What a format deletes, if it may.
std::vector<std::string> PartsOf(const std::string& directory,
                                 const std::vector<std::string>& journals) {
  std::vector<std::string> parts = journals;
  for (const std::string& part :
       {StoreDirectory(directory), CheckpointDirectory(directory), directory + "/RESTORE",
        directory + "/restore.tmp", PreviousDirectory(directory), directory + "/previous.tmp"}) {
    parts.push_back(part);
  }
  return parts;
}

// Whether all that is there was left by a format that was cut short: either it had not begun yet,
// or it says so itself.
bool HoldsNothingOfWorth(FileSystem& fs, const std::string& directory,
                         const std::vector<std::string>& names) {
  if (fs.Exists(VersionFile(directory))) return false;
  if (fs.Exists(FormatFile(directory))) return true;
  return std::all_of(names.begin(), names.end(), [&](const std::string& name) {
    const std::string path = absl::StrCat(directory, "/", name);
    return path == LockFile(directory) || path == FormatFile(directory) + ".tmp";
  });
}

// kAlreadyExists: there is something that only -force may delete.
absl::Status CheckMayFormat(FileSystem& fs, const std::string& directory,
                            const std::vector<std::string>& journals) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, fs.List(directory));
  if (!HoldsNothingOfWorth(fs, directory, names)) {
    const bool formatted = fs.Exists(VersionFile(directory));
    return absl::AlreadyExistsError(
        absl::StrCat(directory, " is not empty (it holds ", names[0],
                     formatted ? "" : ", and no VERSION: if that was lost, put it back",
                     "): refusing to format it. Use -force to delete what is there."));
  }
  for (const std::string& journal : journals) {
    if (journal == JournalDirectory(directory) || !fs.Exists(journal)) continue;
    return absl::AlreadyExistsError(absl::StrCat(
        journal, " is there: refusing to format it. Use -force to delete what is there."));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> StorageDirectory(const Config& config) {
  constexpr absl::string_view kKey = "dfs.namenode.name.dir";
  ASSIGN_OR_RETURN(const std::string text, config.GetString(kKey));
  if (absl::StrContains(text, ',')) return config.Reject(kKey, "one directory is supported");
  return ToPath(config, kKey, text);
}

absl::StatusOr<std::vector<std::string>> JournalDirectories(const Config& config) {
  constexpr absl::string_view kKey = "dfs.namenode.edits.dir";
  ASSIGN_OR_RETURN(const std::string name_directory, StorageDirectory(config));
  ASSIGN_OR_RETURN(const std::string text, config.GetString(kKey));
  std::vector<std::string> journals = {JournalDirectory(name_directory)};
  for (const absl::string_view word : absl::StrSplit(text, ',', absl::SkipWhitespace())) {
    ASSIGN_OR_RETURN(const std::string path,
                     ToPath(config, kKey, absl::StripAsciiWhitespace(word)));
    std::string journal = JournalDirectory(path);
    if (std::find(journals.begin(), journals.end(), journal) == journals.end()) {
      journals.push_back(std::move(journal));
    }
  }
  return journals;
}

absl::StatusOr<std::vector<std::unique_ptr<File>>> LockJournals(
    FileSystem& fs, const std::string& directory, const std::vector<std::string>& journals) {
  std::vector<std::unique_ptr<File>> locks;
  for (const std::string& journal : journals) {
    const std::string place = ParentDirectory(journal);
    // Whoever opens the journal says what is missing.
    if (place == directory || !fs.IsDirectory(place)) continue;
    ASSIGN_OR_RETURN(std::unique_ptr<File> lock, fs.Lock(LockFile(place)));
    locks.push_back(std::move(lock));
  }
  return locks;
}

absl::StatusOr<uint64_t> JournalSegmentBytes(const Config& config) {
  constexpr absl::string_view kKey = "cairn.namenode.journal.segment.size";
  ASSIGN_OR_RETURN(const uint64_t bytes, config.GetSize(kKey));
  if (bytes % kJournalBlockBytes == 0) return bytes;
  return config.Reject(kKey, absl::StrCat("expected a multiple of ", kJournalBlockBytes));
}

absl::StatusOr<StorageVersion> FormatStorage(FileSystem& fs, Clock& clock,
                                             const FormatOptions& options) {
  const std::string& directory = options.directory;
  RETURN_IF_ERROR(fs.MakeDirectories(directory));
  std::vector<std::string> journals = options.journals;
  if (journals.empty()) journals = {JournalDirectory(directory)};
  if (!options.force) RETURN_IF_ERROR(CheckMayFormat(fs, directory, journals));
  ASSIGN_OR_RETURN(const std::unique_ptr<File> lock, fs.Lock(LockFile(directory)));
  ASSIGN_OR_RETURN(const std::vector<std::unique_ptr<File>> others,
                   LockJournals(fs, directory, journals));
  // Another format may have ended in between.
  if (!options.force) RETURN_IF_ERROR(CheckMayFormat(fs, directory, journals));
  // VERSION goes first and comes last: in between the directory counts as not formatted, and the
  // file that becomes VERSION says that whatever is there is a format's.
  if (fs.Exists(VersionFile(directory))) {
    RETURN_IF_ERROR(fs.Rename(VersionFile(directory), FormatFile(directory)));
    CRASH_POINT("format_version_taken");
    RETURN_IF_ERROR(fs.SyncDirectory(directory));
  }
  const auto now_ms = static_cast<uint64_t>(absl::ToUnixMillis(clock.Now()));
  StorageVersion version;
  version.layout = kLayoutVersion;
  version.cluster_id =
      options.cluster_id.empty() ? absl::StrCat("CID-", RandomHex(16)) : options.cluster_id;
  absl::BitGen random;
  version.block_pool_id =
      absl::StrCat("BP-", absl::Uniform<uint32_t>(random, 1, 1u << 31), "-127.0.0.1-", now_ms);
  RETURN_IF_ERROR(fs.WriteDurably(
      FormatFile(directory),
      absl::StrCat("layoutVersion=", version.layout, "\nclusterID=", version.cluster_id,
                   "\nblockpoolID=", version.block_pool_id, "\ncTime=", now_ms, "\n")));
  for (const std::string& old : PartsOf(directory, journals)) {
    std::error_code error;
    std::filesystem::remove_all(old, error);
    if (error) {
      return absl::InternalError(absl::StrCat("cannot remove ", old, ": ", error.message()));
    }
  }

  StoreOptions store;
  store.directory = StoreDirectory(directory);
  RETURN_IF_ERROR(
      Store::Format(store, FirstRecords({version.cluster_id, version.block_pool_id, kLayoutVersion,
                                         options.superuser, options.supergroup, now_ms})));
  JournalOptions journal;
  journal.cluster_id = version.cluster_id;
  journal.segment_bytes = options.journal_segment_bytes;
  for (const std::string& path : journals) {
    journal.directory = path;
    RETURN_IF_ERROR(FormatFileJournal(fs, clock, journal));
  }
  // The first checkpoint: from here on there is always one.
  RETURN_IF_ERROR(MakeCheckpoint(fs, clock,
                                 {.parent = CheckpointDirectory(directory),
                                  .cluster_id = version.cluster_id,
                                  .block_pool_id = version.block_pool_id,
                                  .layout_version = version.layout,
                                  .copy =
                                      [&](const std::string& to) {
                                        return Store::CopyClosed(fs, store.directory, to);
                                      }})
                      .status());
  RETURN_IF_ERROR(fs.Rename(FormatFile(directory), VersionFile(directory)));
  RETURN_IF_ERROR(fs.SyncDirectory(directory));
  return version;
}

absl::StatusOr<std::string> VersionText(FileSystem& fs, const std::string& directory) {
  return fs.ReadAll(VersionFile(directory), kMaxVersionBytes);
}

absl::Status RaiseVersion(FileSystem& fs, const std::string& directory) {
  ASSIGN_OR_RETURN(const std::string text, VersionText(fs, directory));
  std::string raised;
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    if (absl::StartsWith(line, "layoutVersion=")) {
      absl::StrAppend(&raised, "layoutVersion=", kLayoutVersion, "\n");
    } else {
      absl::StrAppend(&raised, line, "\n");
    }
  }
  return raised == text ? absl::OkStatus() : fs.WriteDurably(VersionFile(directory), raised);
}

absl::StatusOr<StorageVersion> ReadVersion(FileSystem& fs, const std::string& directory,
                                           bool upgrade) {
  const absl::StatusOr<std::string> text = fs.ReadAll(VersionFile(directory), kMaxVersionBytes);
  if (absl::IsNotFound(text.status())) {
    return absl::FailedPreconditionError(
        absl::StrCat(directory, " is not formatted. Run: cairn namenode -format"));
  }
  if (!text.ok()) return text.status();
  StorageVersion version;
  for (const absl::string_view line : absl::StrSplit(*text, '\n', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> pair =
        absl::StrSplit(line, absl::MaxSplits('=', 1));
    if (pair.first == "layoutVersion" && !absl::SimpleAtoi(pair.second, &version.layout)) {
      return absl::FailedPreconditionError(
          absl::StrCat(VersionFile(directory), ": not a number: ", line));
    }
    if (pair.first == "clusterID") version.cluster_id = std::string(pair.second);
    if (pair.first == "blockpoolID") version.block_pool_id = std::string(pair.second);
  }
  if (version.layout > kLayoutVersion) {
    return absl::FailedPreconditionError(absl::StrCat(
        VersionFile(directory), ": layout ", version.layout, ", this version reads ",
        kLayoutVersion, ". To go back to what was before the upgrade: cairn namenode -rollback"));
  }
  if (version.layout < kLayoutVersion && !upgrade) {
    return absl::FailedPreconditionError(
        absl::StrCat(VersionFile(directory), ": layout ", version.layout, ", this version has ",
                     kLayoutVersion, ". To upgrade it: start with cairn namenode -upgrade"));
  }
  if (version.cluster_id.empty() || version.block_pool_id.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat(VersionFile(directory), ": clusterID or blockpoolID is missing"));
  }
  return version;
}

}  // namespace cairn::namenode
