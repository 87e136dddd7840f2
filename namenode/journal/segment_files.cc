#include "namenode/journal/segment_files.h"

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "common/crash_point.h"
#include "common/status_macros.h"
#include "namenode/journal/aligned_buffer.h"
#include "namenode/journal/segment.h"

namespace cairn::namenode {
namespace {

constexpr absl::string_view kLivePrefix = "journal-";
constexpr absl::string_view kSparePrefix = "spare-";
constexpr size_t kMaxNumberDigits = 20;

absl::Status FillSpare(FileSystem& fs, const JournalOptions& options, const std::string& path) {
  // Without O_DSYNC: one sync at the end, instead of one for each run of zeros.
  ASSIGN_OR_RETURN(
      const std::unique_ptr<File> file,
      fs.Open(path,
              {.create = true, .exclusive = true, .write = true, .direct = options.direct_io}));
  RETURN_IF_ERROR(file->Allocate(0, options.segment_bytes));
  CRASH_POINT("journal_spare_filled");
  RETURN_IF_ERROR(WriteSpareHeader(options, *file));
  RETURN_IF_ERROR(file->SyncData());
  return fs.SyncDirectory(options.directory);
}

}  // namespace

std::string SegmentPath(const std::string& directory, TxId first) {
  return absl::StrFormat("%s/%s%020u", directory, kLivePrefix, ToInt(first));
}

std::string SparePath(const std::string& directory, uint64_t number) {
  return absl::StrCat(directory, "/", kSparePrefix, number);
}

std::optional<SegmentName> ParseSegmentName(absl::string_view name) {
  SegmentName result;
  if (absl::ConsumePrefix(&name, kSparePrefix)) {
    result.is_spare = true;
  } else if (!absl::ConsumePrefix(&name, kLivePrefix)) {
    return std::nullopt;
  }
  const bool digits_only = name.find_first_not_of("0123456789") == absl::string_view::npos;
  if (!digits_only || name.size() > kMaxNumberDigits || !absl::SimpleAtoi(name, &result.number)) {
    return std::nullopt;
  }
  return result;
}

absl::Status CheckOptions(const JournalOptions& options) {
  const auto refuse = [](auto&&... what) {
    return absl::InvalidArgumentError(absl::StrCat("journal: ", what...));
  };
  if (options.directory.empty()) return refuse("no directory given");
  if (options.cluster_id.size() > kMaxClusterIdBytes) {
    return refuse("cluster id is longer than ", kMaxClusterIdBytes, " bytes");
  }
  if (options.max_edit_bytes == 0 || options.max_edit_bytes > kMaxEditBytes) {
    return refuse("max_edit_bytes ", options.max_edit_bytes, " is not within 1..", kMaxEditBytes);
  }
  const uint64_t largest_batch =
      std::max(RoundUpToBlock(options.max_batch_bytes),
               RoundUpToBlock(options.max_edit_bytes + kFrameHeaderBytes));
  if (options.max_batch_bytes == 0 || options.max_batch_bytes > kMaxSegmentBytes ||
      options.segment_bytes < kJournalBlockBytes + largest_batch ||
      options.segment_bytes > kMaxSegmentBytes || options.segment_bytes % kJournalBlockBytes != 0) {
    return refuse("segment_bytes ", options.segment_bytes, " is not a multiple of ",
                  kJournalBlockBytes, " within ", kJournalBlockBytes + largest_batch, "..",
                  kMaxSegmentBytes);
  }
  if (options.ready_segments < 1) return refuse("ready_segments is under 1");
  return absl::OkStatus();
}

OpenOptions CommitOpenOptions(const JournalOptions& options) {
  return {.write = true, .direct = options.direct_io, .data_sync = true};
}

absl::StatusOr<PreparedSegment> CreateSpare(FileSystem& fs, const JournalOptions& options,
                                            const std::string& path) {
  absl::Cleanup remove = [&] {
    fs.Remove(path).IgnoreError();  // opening the journal recognizes and removes what is left
  };
  RETURN_IF_ERROR(FillSpare(fs, options, path));
  ASSIGN_OR_RETURN(std::unique_ptr<File> file, fs.Open(path, CommitOpenOptions(options)));
  std::move(remove).Cancel();
  return PreparedSegment{.path = path, .file = std::move(file)};
}

absl::Status WriteSpareHeader(const JournalOptions& options, File& file) {
  const AlignedBuffer block(kJournalBlockBytes);
  EncodeSegmentHeader({.state = SegmentHeader::State::kSpare,
                       .segment_bytes = options.segment_bytes,
                       .created = absl::UnixEpoch(),
                       .cluster_id = options.cluster_id},
                      std::span<std::byte, kJournalBlockBytes>(block.data(), kJournalBlockBytes));
  return file.WriteAt(0, block.span());
}

}  // namespace cairn::namenode
