#include "namenode/daemon/storage.h"

#include <filesystem>
#include <system_error>

#include "absl/random/random.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"
#include "namenode/checkpoint/checkpoint.h"
#include "namenode/journal/journal.h"
#include "namenode/journal/segment.h"
#include "namenode/namespace/first_records.h"
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

std::string VersionPath(const std::string& directory) { return directory + "/VERSION"; }

}  // namespace

absl::StatusOr<std::string> StorageDirectory(const Config& config) {
  constexpr absl::string_view kKey = "dfs.namenode.name.dir";
  ASSIGN_OR_RETURN(const std::string text, config.GetString(kKey));
  if (absl::StrContains(text, ',')) return config.Reject(kKey, "one directory is supported");
  absl::string_view path = text;
  if (absl::ConsumePrefix(&path, "file:")) {
    while (absl::StartsWith(path, "//")) path.remove_prefix(1);
  }
  if (!absl::StartsWith(path, "/")) {
    return config.Reject(kKey, "expected an absolute path or file: URI");
  }
  return std::string(path);
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
  ASSIGN_OR_RETURN(const std::vector<std::string> names, fs.List(directory));
  if (!names.empty() && !options.force) {
    return absl::AlreadyExistsError(
        absl::StrCat(directory, " is not empty (it holds ", names[0],
                     "): refusing to format it. Use -force to delete what is there."));
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<File> lock, fs.Lock(LockFile(directory)));
  // VERSION goes first and comes last: in between the directory counts as not formatted.
  if (fs.Exists(VersionPath(directory))) {
    RETURN_IF_ERROR(fs.Remove(VersionPath(directory)));
    RETURN_IF_ERROR(fs.SyncDirectory(directory));
  }
  for (const std::string& old :
       {StoreDirectory(directory), JournalDirectory(directory), CheckpointDirectory(directory)}) {
    std::error_code error;
    std::filesystem::remove_all(old, error);
    if (error) {
      return absl::InternalError(absl::StrCat("cannot remove ", old, ": ", error.message()));
    }
  }

  const auto now_ms = static_cast<uint64_t>(absl::ToUnixMillis(clock.Now()));
  StorageVersion version;
  version.layout = kLayoutVersion;
  version.cluster_id =
      options.cluster_id.empty() ? absl::StrCat("CID-", RandomHex(16)) : options.cluster_id;
  absl::BitGen random;
  version.block_pool_id =
      absl::StrCat("BP-", absl::Uniform<uint32_t>(random, 1, 1u << 31), "-127.0.0.1-", now_ms);
  StoreOptions store;
  store.directory = StoreDirectory(directory);
  RETURN_IF_ERROR(
      Store::Format(store, FirstRecords({version.cluster_id, version.block_pool_id, kLayoutVersion,
                                         options.superuser, options.supergroup, now_ms})));
  JournalOptions journal;
  journal.directory = JournalDirectory(directory);
  journal.cluster_id = version.cluster_id;
  journal.segment_bytes = options.journal_segment_bytes;
  RETURN_IF_ERROR(FormatFileJournal(fs, clock, journal));
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
  RETURN_IF_ERROR(fs.WriteDurably(
      VersionPath(directory),
      absl::StrCat("layoutVersion=", version.layout, "\nclusterID=", version.cluster_id,
                   "\nblockpoolID=", version.block_pool_id, "\ncTime=", now_ms, "\n")));
  return version;
}

absl::StatusOr<StorageVersion> ReadVersion(FileSystem& fs, const std::string& directory) {
  const absl::StatusOr<std::string> text = fs.ReadAll(VersionPath(directory), kMaxVersionBytes);
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
          absl::StrCat(VersionPath(directory), ": not a number: ", line));
    }
    if (pair.first == "clusterID") version.cluster_id = std::string(pair.second);
    if (pair.first == "blockpoolID") version.block_pool_id = std::string(pair.second);
  }
  if (version.layout != kLayoutVersion) {
    return absl::FailedPreconditionError(absl::StrCat(VersionPath(directory), ": layout ",
                                                      version.layout, ", this version reads ",
                                                      kLayoutVersion));
  }
  if (version.cluster_id.empty() || version.block_pool_id.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat(VersionPath(directory), ": clusterID or blockpoolID is missing"));
  }
  return version;
}

}  // namespace cairn::namenode
